//! Orders that are fulfilled by a saga: goods are reserved, money is taken, a parcel is sent; and
//! whatever fails, what was done before is undone.
//!
//! Read in this order: `money`, then the four aggregates, none of which knows of another's rules:
//! `item` (what is on the shelf), `payment`, `shipment` and `order` (what the customer asked for and is
//! told). `fulfilment` is the saga that ties them together, and `terms` what an order says of itself.

mod money;
mod terms;

mod item;
mod order;
mod payment;
mod shipment;

mod fulfilment;

pub use fulfilment::{Deadline, Fulfilment, Stage};
pub use item::{Item, ItemCommand, ItemEvent, ItemRefused};
pub use money::Cents;
pub use order::{Order, OrderCommand, OrderEvent, OrderRefused};
pub use payment::{Payment, PaymentCommand, PaymentEvent, PaymentRefused, Phase};
pub use shipment::{Shipment, ShipmentCommand, ShipmentEvent, ShipmentRefused};
pub use terms::{Line, Means, Terms, Zone};

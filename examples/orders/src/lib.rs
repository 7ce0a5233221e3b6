//! Orders fulfilled by a saga: goods are reserved, a payment is collected and a parcel is sent. If a step fails, the
//! earlier steps are compensated.
//!
//! Read in this order: `money`, then the four aggregates, which are independent of each other: `item` (the stock),
//! `payment`, `shipment` and `order` (the request of a customer, and its result). `terms` is the content of an order,
//! and `fulfilment` is the saga that connects the aggregates.

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

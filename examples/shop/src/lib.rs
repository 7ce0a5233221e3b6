//! A record shop whose customers are aggregates: real purchases, replayed as commands.
//!
//! Read in this order: `amount`, `date`, `sums` and `tier` (the values), `customer` (the
//! aggregate), `history` (the file of purchases), `shop` (the runtime with its customers), `replay`
//! (many clients send the purchases), `views` (what is known of all customers without asking them),
//! `by_day` (the same shop by a clock that follows the file, which is asked what was)
//! and, to prove it, `books` (what the customers say they bought) and `figures` (what the file
//! says).

mod amount;
mod books;
mod by_day;
mod clients;
mod customer;
mod date;
mod figures;
mod history;
mod replay;
mod shop;
mod sums;
mod tier;
mod views;

pub use amount::{Cents, InvalidAmount};
pub use books::{Books, Spender};
pub use by_day::{ShopByDay, Stride};
pub use customer::{Customer, CustomerEvent, Purchase, Refused};
pub use date::{Date, InvalidDate, Month};
pub use figures::Figures;
pub use history::{Buyer, History, HistoryError, LineError};
pub use replay::{Answer, Progress, Replayed, Stopwatch};
pub use shop::{Shop, Trouble};
pub use sums::{Sums, Totals};
pub use tier::Tier;
pub use views::{BY_TIER, Behind, Months, Report, Spend, Views};

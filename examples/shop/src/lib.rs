//! A record shop whose customers are aggregates: real purchases, replayed as commands.
//!
//! Read in this order: `amount`, `date`, `sums` and `tier` (the values), `customer` (the aggregate), `history` (the
//! file of purchases), `shop` (the runtime with its customers), `replay` (many clients send the purchases), `views`
//! (views in memory, on disk and in SQLite), `by_day` (the same shop with a clock that follows the file, to query
//! the past) and, for the proof, `books` (sums from the customers) and `figures` (sums from the file and the views).

mod amount;
mod books;
mod by_day;
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
pub use by_day::{PastStep, ShopByDay};
pub use customer::{Customer, CustomerEvent, Purchase, Refused};
pub use date::{Date, InvalidDate, Month};
pub use figures::Figures;
pub use history::{Buyer, History, HistoryError, LineError};
pub use replay::{Answer, Progress, Replayed, Stopwatch};
pub use shop::{Shop, ShopError};
pub use sums::{Sums, Totals};
pub use tier::Tier;
pub use views::{BY_TIER, Lags, Months, Report, Spend, Views};

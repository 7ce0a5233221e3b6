//! A record shop whose customers are aggregates: real purchases, replayed as commands.
//!
//! Read in this order: `amount` and `date` (the values), `customer` (the aggregate), `history` (the
//! file of purchases), `shop` (the runtime with its customers), `replay` (many clients send the
//! purchases) and `books` (what the customers say they bought).

mod amount;
mod books;
mod clients;
mod customer;
mod date;
mod history;
mod replay;
mod shop;

pub use amount::{Cents, InvalidAmount};
pub use books::{Books, Spender, Totals};
pub use customer::{Customer, CustomerEvent, Purchase, Refused};
pub use date::{Date, InvalidDate};
pub use history::{Buyer, History, HistoryError, LineError};
pub use replay::{Answer, Progress, Replayed, Stopwatch};
pub use shop::{Shop, Trouble};

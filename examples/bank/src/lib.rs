//! A bank: accounts that are opened, filled, emptied and closed, and refuse what is not allowed.
//!
//! `account` is the whole of the business: commands, events, refusals and the rules, pure and
//! tested without a runtime in `tests/rules.rs`. `money` is an amount that is never a float.
//! `views` are balances and statements to be read, and `alerts` lets somebody hear of large
//! withdrawals.
//!
//! Money moves from one account to another by a saga: `order` is what a customer asks for and is told
//! at the end, `transfer` what is done about it. The accounts know of neither.

mod account;
mod alerts;
mod money;
mod order;
mod transfer;
mod views;

pub use account::{Account, AccountCommand, AccountEvent, Refused, Status};
pub use alerts::{LargeWithdrawal, announce_large_withdrawals};
pub use money::Cents;
pub use order::{OrderCommand, OrderEvent, OrderRefused, TransferOrder, Wanted};
pub use transfer::{PATIENCE, Transfer, Way};
pub use views::{Balances, Line, Statements};

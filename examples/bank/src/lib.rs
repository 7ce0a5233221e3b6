//! A bank: accounts that are opened, filled, emptied and closed, and refuse what is not allowed.
//!
//! `account` is the whole of the business: commands, events, refusals and the rules, pure and
//! tested without a runtime in `tests/rules.rs`. `money` is an amount that is never a float.

mod account;
mod money;

pub use account::{Account, AccountCommand, AccountEvent, Refused, Status};
pub use money::Cents;

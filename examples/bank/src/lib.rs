//! A bank: accounts with deposits, withdrawals and typed refusals, and transfers between them.
//!
//! `account` has the commands, events, refusals and rules of an account: pure code, tested without a runtime in
//! `tests/rules.rs`. `money` is an amount in integer cents. `views` are balances and statements for reading, and
//! `alerts` sends large withdrawals to a listener.
//!
//! A saga moves money from one account to another: `order` is the customer's order and its result, and `transfer`
//! executes it. The accounts depend on neither.

mod account;
mod alerts;
mod money;
mod order;
mod transfer;
mod views;

pub use account::{Account, AccountCommand, AccountEvent, Refused, Status};
pub use alerts::{LargeWithdrawal, announce_large_withdrawals};
pub use money::Cents;
pub use order::{OrderCommand, OrderEvent, OrderRefused, TransferOrder, TransferRequest};
pub use transfer::{OrderedTransfer, Transfer, WITHDRAWAL_TIMEOUT};
pub use views::{Balances, Line, Statements};

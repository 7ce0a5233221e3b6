//! The views of accounts: `balances` of all accounts in memory, and `statements` of each account as rows on disk.

mod balances;
mod statements;

pub use balances::Balances;
pub use statements::{Line, Statements};

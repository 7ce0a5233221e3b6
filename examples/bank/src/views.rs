//! What is read of accounts without asking them: `balances` of all at once, held in memory, and the
//! `statements` of each, in rows on disk.

mod balances;
mod statements;

pub use balances::Balances;
pub use statements::{Line, Statements};

//! A witness for kill, power-cut and fault tests.
//!
//! `torture write DIR` sends commands through the public API and says each promise on a line of its
//! own, the moment it is made: `TRY <id>` before a command is sent, `ACK <id>` once it is
//! acknowledged. `torture verify DIR` opens the store again and says what is there: `FOUND <id>`
//! for every stored command, `BAD …` for anything that is wrong. Whoever kills the first, cuts its
//! power or makes its disk fail can hold the two against each other.
//!
//! Everything stored can be checked against the command's id alone ([`Item`]), so that no list of
//! what was written is needed.
//!
//! `torture follow DIR` writes the same with something following: a subscription and views of every
//! kind; `torture check DIR` holds what they have made of it against the log.
//!
//! `torture transfers DIR` moves money between accounts with a saga, some of which refuse it or never
//! answer; `torture balance DIR` holds the money against the log.
//!
//! `torture retire DIR` has events leave the log while others are written, and compacts the store;
//! `torture retired DIR` says which items are still in their places.

mod check;
mod diary;
mod effects;
mod follow;
mod followers;
mod item;
mod journal;
mod load;
mod log;
mod operator;
mod oracle;
mod order;
mod report;
mod retire;
mod rows;
mod total;
mod transfers;
mod verify;
mod write;

pub use check::{CheckOptions, check};
pub use follow::{FollowOptions, follow};

pub use item::Item;
pub use journal::{Fact, Journal};
pub use log::{Entry, Log, Stream};
pub use retire::{RetireOptions, retire, retired};
pub use transfers::{TransferOptions, balance, transfers};
pub use verify::{Finding, verify};
pub use write::{Stopped, WriteOptions, write};

//! A program for kill, power-cut and fault tests, which prints its promises and checks them.
//!
//! `torture write DIR` sends commands through the public API and prints each promise on a line of its own as soon as
//! it is made: `TRY <id>` before a command is sent, and `ACK <id>` once it is acknowledged. `torture verify DIR` opens
//! the store again and prints its content: `FOUND <id>` for every stored command, and `BAD …` for every error. A test
//! that kills the first program, cuts its power or makes its disk fail can compare the two outputs.
//!
//! All stored data follows from the command's id ([`Item`]), so no list of written data is needed.
//!
//! `torture follow DIR` writes the same while a subscription and views of every kind follow; `torture check DIR`
//! compares their results with the log.
//!
//! `torture transfers DIR` moves money by a saga between accounts, some of which refuse it or never answer;
//! `torture balance DIR` compares the money with the log.
//!
//! `torture retire DIR` archives and removes events while others are written, and compacts the store;
//! `torture retired DIR` prints which items are still in their places.

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

//! The account all promises are tested on.
#![allow(dead_code, missing_docs, unreachable_pub)]

use actuarius::{Aggregate, Context};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Ledger {
    pub total: i64,
    pub entries: Vec<i64>,
}

#[derive(Debug, Clone)]
pub enum Command {
    Add(i64),
    AddAll(Vec<i64>),
    Nothing,
    Refuse,
    PanicInDecide,
    PanicInApply,
    Blob(usize),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Event {
    Added(i64),
    Bomb,
    Blob(Vec<u8>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused;

impl std::fmt::Display for Refused {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "refused")
    }
}

impl std::error::Error for Refused {}

impl Aggregate for Ledger {
    const TYPE: &'static str = "ledger";
    type Command = Command;
    type Event = Event;
    type Error = Refused;

    fn decide(&self, command: Command, _: &Context) -> Result<Vec<Event>, Refused> {
        Ok(match command {
            Command::Add(amount) => vec![Event::Added(amount)],
            Command::AddAll(amounts) => amounts.into_iter().map(Event::Added).collect(),
            Command::Nothing => vec![],
            Command::Refuse => return Err(Refused),
            Command::PanicInDecide => panic!("decide went wrong"),
            Command::PanicInApply => vec![Event::Bomb],
            Command::Blob(bytes) => vec![Event::Blob(vec![7; bytes])],
        })
    }

    fn apply(&mut self, event: &Event) {
        match event {
            Event::Added(amount) => {
                self.total += amount;
                self.entries.push(*amount);
            }
            Event::Bomb => panic!("apply went wrong"),
            Event::Blob(_) => self.total += 1,
        }
    }
}

use std::convert::Infallible;

use actuarius::{Aggregate, Context};
use serde::{Deserialize, Serialize};

use crate::item::{Item, digest};

/// An aggregate that keeps items, and a state that any missing, doubled or changed event shows in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Journal {
    /// How many events it has seen.
    pub events: u64,
    /// A running hash over all of them, in order.
    pub digest: u64,
    /// The latest payload: it makes a snapshot as large as an event.
    pub latest: Vec<u8>,
}

/// What a [`Journal`] lives on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fact {
    /// One event of an item.
    Kept {
        /// The item's id.
        item: String,
        /// Which of the item's events, from 1.
        part: u32,
        /// Known from the two above.
        payload: Vec<u8>,
    },
}

impl Fact {
    /// The hash of an event that comes after events with the hash `before`.
    #[must_use]
    pub fn digest(&self, before: u64) -> u64 {
        let Self::Kept { item, part, payload } = self;
        let hash = digest(before, item.as_bytes());
        digest(digest(hash, &part.to_le_bytes()), payload)
    }
}

impl Aggregate for Journal {
    const TYPE: &'static str = "journal";
    type Command = Item;
    type Event = Fact;
    type Error = Infallible;

    fn decide(&self, item: Item, _: &Context) -> Result<Vec<Fact>, Infallible> {
        let kept = |part| {
            let payload = item.payload(part);
            Fact::Kept { item: item.id().to_owned(), part, payload }
        };
        Ok((1..=item.parts()).map(kept).collect())
    }

    fn apply(&mut self, fact: &Fact) {
        let Fact::Kept { payload, .. } = fact;
        self.events += 1;
        self.digest = fact.digest(self.digest);
        self.latest.clone_from(payload);
    }
}

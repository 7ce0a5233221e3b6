//! The aggregate that stores items.

use std::convert::Infallible;

use actuarius::{Aggregate, Context};
use serde::{Deserialize, Serialize};

use crate::item::{Item, digest};

/// An aggregate that stores items. Its state reveals any missing, duplicate or changed event.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Journal {
    /// The number of events.
    pub events: u64,
    /// A running hash over all events in order.
    pub digest: u64,
    /// The latest payload, which makes a snapshot as large as an event.
    pub latest: Vec<u8>,
}

/// The events of a [`Journal`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fact {
    /// One event of an item.
    Kept {
        /// The item's id.
        item: String,
        /// The number of the event within the item, from 1.
        part: u32,
        /// Follows from `item` and `part`.
        payload: Vec<u8>,
    },
}

impl Fact {
    /// The hash after this event, if `before` is the hash of the events before it.
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

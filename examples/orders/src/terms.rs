use std::collections::BTreeSet;
use std::time::Duration;

use actuarius::Id;
use serde::{Deserialize, Serialize};

use crate::{Cents, Item, Payment, Shipment};

/// Everything that is agreed when an order is placed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// What was ordered.
    pub lines: Vec<Line>,
    /// What it costs.
    pub price: Cents,
    /// The number under which it is paid.
    pub payment: Id<Payment>,
    /// How it is paid.
    pub means: Means,
    /// How long the customer has for that.
    pub pay_within: Duration,
    /// The parcel.
    pub shipment: Id<Shipment>,
    /// Where it goes.
    pub zone: Zone,
}

/// One line of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// What.
    pub item: Id<Item>,
    /// How many of it.
    pub quantity: u32,
}

/// How an order is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Means {
    /// At once, by a card that covers this much.
    Card {
        /// What it covers.
        limit: Cents,
    },
    /// Later, by an invoice; or never.
    Invoice,
}

/// Where a parcel goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Zone {
    /// Here.
    Mainland,
    /// By ship.
    Islands,
    /// Where no carrier goes.
    Moon,
}

impl Terms {
    /// Whether something is ordered, and each item in one line: an item reserves once for an order.
    pub(crate) fn can_be_met(&self) -> bool {
        let items: BTreeSet<_> = self.lines.iter().map(|line| &line.item).collect();
        let is_some = self.lines.iter().all(|line| line.quantity > 0) && !self.lines.is_empty();
        is_some && items.len() == self.lines.len()
    }
}

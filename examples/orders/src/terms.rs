//! The content of an order.

use std::collections::BTreeSet;
use std::time::Duration;

use actuarius::Id;
use serde::{Deserialize, Serialize};

use crate::{Cents, Item, Payment, Shipment};

/// What is agreed when an order is placed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// The ordered items.
    pub lines: Vec<Line>,
    /// The price.
    pub price: Cents,
    /// The payment.
    pub payment: Id<Payment>,
    /// The means of payment.
    pub means: Means,
    /// The time limit for an invoice.
    pub pay_within: Duration,
    /// The shipment.
    pub shipment: Id<Shipment>,
    /// The destination.
    pub zone: Zone,
}

/// One line of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The item.
    pub item: Id<Item>,
    /// The quantity.
    pub quantity: u32,
}

/// A means of payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Means {
    /// A card, which pays at once.
    Card {
        /// The largest amount that it covers.
        limit: Cents,
    },
    /// An invoice, which is paid later, or never.
    Invoice,
}

/// A destination of shipments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Zone {
    /// Reached by land.
    Mainland,
    /// Reached by ship.
    Islands,
    /// Not served by any carrier.
    Moon,
}

impl Terms {
    /// Whether at least one item is ordered, and each item in a single line, because an order can reserve an item only
    /// once.
    pub(crate) fn is_valid(&self) -> bool {
        let items: BTreeSet<_> = self.lines.iter().map(|line| &line.item).collect();
        let is_some = self.lines.iter().all(|line| line.quantity > 0) && !self.lines.is_empty();
        is_some && items.len() == self.lines.len()
    }
}

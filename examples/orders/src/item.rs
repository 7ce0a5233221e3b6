use std::collections::BTreeMap;

use actuarius::{Aggregate, Context};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// One kind of thing on the shelf. What is reserved is still there, and nobody else gets it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// How many are on the shelf.
    pub on_shelf: u32,
    /// How many of those are reserved, by order.
    pub reserved: BTreeMap<String, u32>,
}

/// What can be asked of an item. An order is named by its id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ItemCommand {
    /// Put so many on the shelf.
    Stock(u32),
    /// Keep so many for an order.
    Reserve {
        /// For whom.
        order: String,
        /// How many.
        quantity: u32,
    },
    /// Keep none for this order any more.
    Release(String),
    /// Take what is reserved for this order off the shelf.
    HandOver(String),
}

/// What happened to an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ItemEvent {
    /// So many came.
    Stocked(u32),
    /// So many are kept for an order.
    Reserved {
        /// For whom.
        order: String,
        /// How many.
        quantity: u32,
    },
    /// None are kept for this order any more.
    Released(String),
    /// What was kept for this order has left.
    HandedOver(String),
}

/// Why an item does not take a command.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ItemRefused {
    /// There are fewer than asked for that nobody has reserved.
    #[error("only {0} are left")]
    OutOfStock(u32),
    /// An order reserves once.
    #[error("it is reserved for this order already")]
    AlreadyReserved,
    /// Nothing is reserved for this order.
    #[error("nothing is reserved for this order")]
    NotReserved,
    /// More than can be counted.
    #[error("the shelf is full")]
    ShelfFull,
}

impl Aggregate for Item {
    const TYPE: &'static str = "item";
    type Command = ItemCommand;
    type Event = ItemEvent;
    type Error = ItemRefused;

    fn decide(&self, command: ItemCommand, _: &Context) -> Result<Vec<ItemEvent>, ItemRefused> {
        let event = match command {
            ItemCommand::Stock(quantity) => {
                let all = self.on_shelf.checked_add(quantity).ok_or(ItemRefused::ShelfFull);
                all.map(|_| ItemEvent::Stocked(quantity))
            }
            ItemCommand::Reserve { order, quantity } => self.reserve(order, quantity),
            ItemCommand::Release(order) => {
                self.reserved(&order).map(|()| ItemEvent::Released(order))
            }
            ItemCommand::HandOver(order) => {
                self.reserved(&order).map(|()| ItemEvent::HandedOver(order))
            }
        };
        Ok(vec![event?])
    }

    fn apply(&mut self, event: &ItemEvent) {
        match event {
            ItemEvent::Stocked(quantity) => self.on_shelf += quantity,
            ItemEvent::Reserved { order, quantity } => {
                self.reserved.insert(order.clone(), *quantity);
            }
            ItemEvent::Released(order) => {
                self.reserved.remove(order);
            }
            ItemEvent::HandedOver(order) => {
                self.on_shelf -= self.reserved.remove(order).unwrap_or_default();
            }
        }
    }
}

impl Item {
    /// How many nobody has reserved.
    #[must_use]
    pub fn free(&self) -> u32 {
        self.on_shelf - self.reserved.values().sum::<u32>()
    }

    fn reserve(&self, order: String, quantity: u32) -> Result<ItemEvent, ItemRefused> {
        match self.free() {
            _ if self.reserved.contains_key(&order) => Err(ItemRefused::AlreadyReserved),
            free if free < quantity => Err(ItemRefused::OutOfStock(free)),
            _ => Ok(ItemEvent::Reserved { order, quantity }),
        }
    }

    fn reserved(&self, order: &str) -> Result<(), ItemRefused> {
        if self.reserved.contains_key(order) { Ok(()) } else { Err(ItemRefused::NotReserved) }
    }
}

//! An item in stock: its commands, events, refusals and rules.

use std::collections::BTreeMap;

use actuarius::{Aggregate, Context};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// One kind of goods on the shelf. Reserved goods are still on the shelf, but not available to other orders.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// The quantity on the shelf.
    pub on_shelf: u32,
    /// The reserved quantity of each order.
    pub reserved: BTreeMap<String, u32>,
}

/// The commands of an item. An order is named by its id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ItemCommand {
    /// Put this quantity on the shelf.
    Stock(u32),
    /// Reserve a quantity for an order.
    Reserve {
        /// The order.
        order: String,
        /// The quantity.
        quantity: u32,
    },
    /// Release the reservation of this order.
    Release(String),
    /// Take the goods reserved for this order off the shelf.
    HandOver(String),
}

/// The events of an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ItemEvent {
    /// This quantity was put on the shelf.
    Stocked(u32),
    /// A quantity was reserved for an order.
    Reserved {
        /// The order.
        order: String,
        /// The quantity.
        quantity: u32,
    },
    /// The reservation of this order was released.
    Released(String),
    /// The goods reserved for this order have left the shelf.
    HandedOver(String),
}

/// Why an item refuses a command.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ItemRefused {
    /// The unreserved quantity does not suffice.
    #[error("only {0} are left")]
    OutOfStock(u32),
    /// An order can reserve only once.
    #[error("it is reserved for this order already")]
    AlreadyReserved,
    /// Nothing is reserved for this order.
    #[error("nothing is reserved for this order")]
    NotReserved,
    /// The quantity would overflow.
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
    /// The unreserved quantity.
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

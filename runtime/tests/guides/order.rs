//! Orders and parcels, the other two aggregates of the chapter on sagas.

use std::convert::Infallible;

use actuarius::{Aggregate, Context, Id};
use serde::{Deserialize, Serialize};

use crate::account::Account;

/// An order. The saga that processes it sends the final command.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Order {
    end: Option<OrderEvent>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum OrderCommand {
    Place(Terms),
    Recall,
    Finish,
    Refuse { why: String },
}

// region: events
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum OrderEvent {
    Placed(Terms),
    Recalled,
    Finished,
    Refused { why: String },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Terms {
    pub(crate) buyer: Id<Account>,
    pub(crate) seller: Id<Account>,
    pub(crate) cents: i64,
    pub(crate) parcel: Id<Parcel>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum ParcelEvent {
    Delivered,
}
// endregion: events

#[derive(Debug, thiserror::Error)]
#[error("the order is settled already")]
pub(crate) struct Settled;

impl Aggregate for Order {
    const TYPE: &'static str = "order";
    type Command = OrderCommand;
    type Event = OrderEvent;
    type Error = Settled;

    fn decide(&self, command: OrderCommand, _: &Context) -> Result<Vec<OrderEvent>, Settled> {
        if self.end.is_some() {
            return Err(Settled);
        }
        Ok(vec![match command {
            OrderCommand::Place(terms) => OrderEvent::Placed(terms),
            OrderCommand::Recall => OrderEvent::Recalled,
            OrderCommand::Finish => OrderEvent::Finished,
            OrderCommand::Refuse { why } => OrderEvent::Refused { why },
        }])
    }

    fn apply(&mut self, event: &OrderEvent) {
        if let OrderEvent::Finished | OrderEvent::Refused { .. } = event {
            self.end = Some(event.clone());
        }
    }
}

/// A parcel. It does not refer to an order.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Parcel;

impl Aggregate for Parcel {
    const TYPE: &'static str = "parcel";
    type Command = ();
    type Event = ParcelEvent;
    type Error = Infallible;

    fn decide(&self, (): (), _: &Context) -> Result<Vec<ParcelEvent>, Infallible> {
        Ok(vec![ParcelEvent::Delivered])
    }

    fn apply(&mut self, _: &ParcelEvent) {}
}

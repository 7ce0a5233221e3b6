//! The shipment of an order.

use actuarius::{Aggregate, Context};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::Zone;

/// One parcel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shipment {
    /// Whether a carrier is booked. A booking cannot be cancelled.
    pub is_booked: bool,
}

/// The commands of a shipment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ShipmentCommand {
    /// Book a carrier.
    Book(Zone),
}

/// The events of a shipment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ShipmentEvent {
    /// A carrier was booked.
    Booked(Zone),
}

/// Why a shipment refuses a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ShipmentRefused {
    /// No carrier serves the zone.
    #[error("no carrier goes there")]
    NoCarrier,
    /// A carrier is already booked.
    #[error("the shipment is booked already")]
    AlreadyBooked,
}

impl Aggregate for Shipment {
    const TYPE: &'static str = "shipment";
    type Command = ShipmentCommand;
    type Event = ShipmentEvent;
    type Error = ShipmentRefused;

    fn decide(
        &self,
        ShipmentCommand::Book(zone): ShipmentCommand,
        _: &Context,
    ) -> Result<Vec<ShipmentEvent>, ShipmentRefused> {
        match zone {
            _ if self.is_booked => Err(ShipmentRefused::AlreadyBooked),
            Zone::Moon => Err(ShipmentRefused::NoCarrier),
            Zone::Mainland | Zone::Islands => Ok(vec![ShipmentEvent::Booked(zone)]),
        }
    }

    fn apply(&mut self, ShipmentEvent::Booked(_): &ShipmentEvent) {
        self.is_booked = true;
    }
}

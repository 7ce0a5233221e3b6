use actuarius::{Aggregate, Context};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::Zone;

/// One parcel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shipment {
    /// Whether a carrier takes it. That is not taken back.
    pub is_booked: bool,
}

/// What can be asked of a shipment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ShipmentCommand {
    /// Find a carrier.
    Book(Zone),
}

/// What happened to a shipment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ShipmentEvent {
    /// A carrier takes it.
    Booked(Zone),
}

/// Why there is no shipment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ShipmentRefused {
    /// Nobody goes there.
    #[error("no carrier goes there")]
    NoCarrier,
    /// A carrier takes it already.
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

//! A view of the orders: how many were placed, and how they ended.

use actuarius::Envelope;
use actuarius::projection::Projection;
use bank::{OrderEvent, TransferOrder};
use serde::{Deserialize, Serialize};

/// The number of orders placed, finished and refused.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Orders {
    pub(crate) placed: u64,
    pub(crate) finished: u64,
    pub(crate) refused: u64,
}

impl Projection<TransferOrder> for Orders {
    fn project(&mut self, envelope: &Envelope<TransferOrder>) {
        match envelope.event {
            OrderEvent::Placed(_) => self.placed += 1,
            OrderEvent::Recalled => {}
            OrderEvent::Finished => self.finished += 1,
            OrderEvent::Refused(_) => self.refused += 1,
        }
    }
}

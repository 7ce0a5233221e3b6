use actuarius::Envelope;
use actuarius::projection::Projection;
use bank::{OrderEvent, TransferOrder};
use serde::{Deserialize, Serialize};

/// What the orders say of themselves: how many were placed, and how they ended.
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

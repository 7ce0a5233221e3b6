//! A view in memory: the sums of each month.

use std::collections::BTreeMap;

use actuarius::Envelope;
use actuarius::projection::Projection;
use serde::{Deserialize, Serialize};

use crate::{Customer, CustomerEvent, Month, Sums};

/// The sums of each month over all customers. They are few, so they are kept in memory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Months(pub BTreeMap<Month, Sums>);

impl Projection<Customer> for Months {
    fn project(&mut self, envelope: &Envelope<Customer>) {
        let CustomerEvent::Purchased { date, cds, cents } = &envelope.event;
        self.0.entry(date.month()).or_default().add(*cds, *cents);
    }
}

use std::collections::BTreeMap;

use actuarius::Envelope;
use actuarius::projection::Projection;
use orders::{Cents, Order, OrderEvent, Payment, PaymentEvent, Shipment, Terms};
use serde::{Deserialize, Serialize};

/// What orders, payments and parcels say of themselves, added up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Books {
    /// Orders that are neither fulfilled nor refused: how many things, and for how much.
    pub(crate) open: BTreeMap<String, (u64, Cents)>,
    pub(crate) placed: u64,
    pub(crate) fulfilled: u64,
    pub(crate) refused: u64,
    /// How many things are in the fulfilled orders.
    pub(crate) shipped: u64,
    /// What the fulfilled orders cost.
    pub(crate) price: Cents,
    pub(crate) parcels: u64,
    pub(crate) paid: Cents,
    pub(crate) refunded: Cents,
}

impl Projection<Order> for Books {
    fn project(&mut self, envelope: &Envelope<Order>) {
        let order = envelope.id.as_str();
        match &envelope.event {
            OrderEvent::Placed(terms) => {
                self.placed += 1;
                self.open.insert(order.to_owned(), (things(terms), terms.price));
            }
            OrderEvent::Fulfilled => {
                let (things, price) = self.open.remove(order).unwrap_or_default();
                self.fulfilled += 1;
                self.shipped += things;
                self.price.0 += price.0;
            }
            OrderEvent::Refused(_) => {
                self.open.remove(order);
                self.refused += 1;
            }
        }
    }
}

impl Projection<Payment> for Books {
    fn project(&mut self, envelope: &Envelope<Payment>) {
        match envelope.event {
            PaymentEvent::Paid(amount) => self.paid.0 += amount.0,
            PaymentEvent::Refunded(amount) => self.refunded.0 += amount.0,
            PaymentEvent::Asked { .. } | PaymentEvent::Cancelled => {}
        }
    }
}

impl Projection<Shipment> for Books {
    fn project(&mut self, _: &Envelope<Shipment>) {
        self.parcels += 1;
    }
}

fn things(terms: &Terms) -> u64 {
    terms.lines.iter().map(|line| u64::from(line.quantity)).sum()
}

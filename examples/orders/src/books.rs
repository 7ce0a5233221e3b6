//! A view of orders, payments and shipments: the sums that the balance sheet compares.

use std::collections::BTreeMap;

use actuarius::Envelope;
use actuarius::projection::Projection;
use orders::{Cents, Order, OrderEvent, Payment, PaymentEvent, Shipment, Terms};
use serde::{Deserialize, Serialize};

/// Sums over orders, payments and shipments.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Books {
    /// Orders that are neither fulfilled nor refused, with their number of goods and their price.
    pub(crate) open: BTreeMap<String, (u64, Cents)>,
    pub(crate) placed: u64,
    pub(crate) fulfilled: u64,
    pub(crate) refused: u64,
    /// The number of goods in the fulfilled orders.
    pub(crate) shipped: u64,
    /// The price of the fulfilled orders.
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
                self.open.insert(order.to_owned(), (goods(terms), terms.price));
            }
            OrderEvent::Fulfilled => {
                let (goods, price) = self.open.remove(order).unwrap_or_default();
                self.fulfilled += 1;
                self.shipped += goods;
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

fn goods(terms: &Terms) -> u64 {
    terms.lines.iter().map(|line| u64::from(line.quantity)).sum()
}

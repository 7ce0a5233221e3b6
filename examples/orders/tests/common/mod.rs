//! The order that the tests share: two cups and a pot.

use std::time::Duration;

use actuarius::Id;
use orders::{Cents, Item, Line, Means, Terms, Zone};

pub(crate) const PAY_WITHIN: Duration = Duration::from_secs(3600);

pub(crate) fn cup() -> Id<Item> {
    Id::new("cup").unwrap()
}

pub(crate) fn pot() -> Id<Item> {
    Id::new("pot").unwrap()
}

pub(crate) fn line(item: &Id<Item>, quantity: u32) -> Line {
    Line { item: item.clone(), quantity }
}

/// The payment is called `p-1`, the parcel `s-1`.
pub(crate) fn terms(means: Means, zone: Zone) -> Terms {
    Terms {
        lines: vec![line(&cup(), 2), line(&pot(), 1)],
        price: Cents(1_000),
        payment: Id::new("p-1").unwrap(),
        means,
        pay_within: PAY_WITHIN,
        shipment: Id::new("s-1").unwrap(),
        zone,
    }
}

//! What the customers do: the same in each run.

use std::collections::BTreeMap;
use std::time::Duration;

use actuarius::{Aggregate, Id};
use fastrand::Rng;
use orders::{Cents, Line, Means, Terms, Zone};

/// The number of items.
pub(crate) const ITEMS: u64 = 40;

/// The initial stock of an item. Some items are scarce.
pub(crate) fn stock(item: u64) -> u32 {
    if item.is_multiple_of(8) { 5 } else { 400 }
}

/// The price of one piece of an item.
fn price(item: u64) -> u64 {
    99 + 250 * item
}

/// The order of customer `number`, which is the same in each run.
pub(crate) fn terms(number: u64, pay_within: Duration) -> Terms {
    let mut rng = Rng::with_seed(number);
    let mut wanted = BTreeMap::new();
    for _ in 0..rng.u8(1..=4) {
        *wanted.entry(rng.u64(0..ITEMS)).or_insert(0) += rng.u32(1..=2);
    }
    let cents = wanted.iter().map(|(item, quantity)| price(*item) * u64::from(*quantity)).sum();
    let line = |(item, quantity)| Line { item: named("item", item), quantity };
    Terms {
        lines: wanted.into_iter().map(line).collect(),
        price: Cents(cents),
        payment: named("payment", number),
        means: means(cents, &mut rng),
        pay_within,
        shipment: named("parcel", number),
        zone: match rng.u8(0..16) {
            0 => Zone::Moon,
            1..4 => Zone::Islands,
            _ => Zone::Mainland,
        },
    }
}

/// The means of payment. About half of the customers have a card, and not every card covers the price.
fn means(cents: u64, rng: &mut Rng) -> Means {
    match rng.u8(0..20) {
        0 => Means::Card { limit: Cents(cents - 1) },
        1..10 => Means::Card { limit: Cents(cents) },
        _ => Means::Invoice,
    }
}

/// Whether the customer pays this invoice. Some never do.
pub(crate) fn is_honoured(payment: &str) -> bool {
    let number = payment.rsplit('-').next().and_then(|number| number.parse::<u64>().ok());
    number.is_some_and(|number| number % 6 != 0)
}

/// The id of a numbered aggregate.
pub(crate) fn named<A: Aggregate>(kind: &str, number: u64) -> Id<A> {
    format!("{kind}-{number}").try_into().expect("a word and a number are an id")
}

use std::collections::BTreeMap;
use std::time::Duration;

use actuarius::{Aggregate, Id};
use fastrand::Rng;
use orders::{Cents, Line, Means, Terms, Zone};

/// How many kinds of things there are.
pub(crate) const ITEMS: u64 = 40;

/// How many of a kind are on the shelf at first. Some are hard to come by.
pub(crate) fn stock(item: u64) -> u32 {
    if item.is_multiple_of(8) { 5 } else { 400 }
}

/// What one of a kind costs.
fn price(item: u64) -> u64 {
    99 + 250 * item
}

/// What customer `number` orders: the same in each run.
pub(crate) fn terms(number: u64, pay_within: Duration) -> Terms {
    let mut dice = Rng::with_seed(number);
    let mut wanted = BTreeMap::new();
    for _ in 0..dice.u8(1..=4) {
        *wanted.entry(dice.u64(0..ITEMS)).or_insert(0) += dice.u32(1..=2);
    }
    let cents = wanted.iter().map(|(item, quantity)| price(*item) * u64::from(*quantity)).sum();
    let line = |(item, quantity)| Line { item: named("item", item), quantity };
    Terms {
        lines: wanted.into_iter().map(line).collect(),
        price: Cents(cents),
        payment: named("payment", number),
        means: means(cents, &mut dice),
        pay_within,
        shipment: named("parcel", number),
        zone: match dice.u8(0..16) {
            0 => Zone::Moon,
            1..4 => Zone::Islands,
            _ => Zone::Mainland,
        },
    }
}

/// Half of them have a card; not every card covers it.
fn means(cents: u64, dice: &mut Rng) -> Means {
    match dice.u8(0..20) {
        0 => Means::Card { limit: Cents(cents - 1) },
        1..10 => Means::Card { limit: Cents(cents) },
        _ => Means::Invoice,
    }
}

/// Whether the customer with this invoice pays it. Some never do.
pub(crate) fn is_honoured(payment: &str) -> bool {
    let number = payment.rsplit('-').next().and_then(|number| number.parse::<u64>().ok());
    number.is_some_and(|number| number % 6 != 0)
}

/// The id of something that has a number.
pub(crate) fn named<A: Aggregate>(what: &str, number: u64) -> Id<A> {
    format!("{what}-{number}").try_into().expect("a word and a number are an id")
}

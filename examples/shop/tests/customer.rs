//! The rules of a customer, without a runtime, a store or a clock.

use actuarius::testing::given;
use shop::{Cents, Customer, CustomerEvent, Date, Purchase, Refused};

fn day(day: u8) -> Date {
    Date::new(1997, 1, day).unwrap()
}

fn buys(on: u8, cents: u64) -> Purchase {
    Purchase { date: day(on), cds: 2, cents: Cents(cents) }
}

fn bought(on: u8, cents: u64) -> CustomerEvent {
    CustomerEvent::Purchased { date: day(on), cds: 2, cents: Cents(cents) }
}

#[test]
fn purchases_add_up() {
    given::<Customer>([bought(1, 1_177)])
        .when(buys(2, 2_933))
        .then([bought(2, 2_933)])
        .then_state(&Customer { purchases: 2, cds: 4, spent: Cents(4_110), last: Some(day(2)) });
}

#[test]
fn a_purchase_may_cost_nothing_and_be_the_second_of_the_day() {
    given::<Customer>([bought(1, 5)]).when(buys(1, 0)).then([bought(1, 0)]);
}

#[test]
fn a_purchase_before_the_last_one_is_refused() {
    given::<Customer>([bought(2, 5)])
        .when(buys(1, 5))
        .then_rejected(Refused::TooLate { date: day(1), last: day(2) });
}

#[test]
fn a_purchase_has_a_cd() {
    given::<Customer>([])
        .when(Purchase { cds: 0, ..buys(1, 5) })
        .then_rejected(Refused::NothingBought);
}

#[test]
fn a_sum_that_cannot_be_counted_is_refused() {
    given::<Customer>([bought(1, u64::MAX)])
        .when(buys(1, 1))
        .then_rejected(Refused::TooMuch { spent: Cents(u64::MAX), cents: Cents(1) });
}

//! Tests of a saga without a runtime.

use actuarius::Id;
use actuarius::saga::InstanceStatus;
use actuarius::testing::{SagaUnderTest, saga};

use crate::account::AccountCommand::{Deposit, Withdraw};
use crate::account::{Account, NotEnough};
use crate::order::{Order, OrderCommand, OrderEvent, Parcel, ParcelEvent};
use crate::purchase::{Purchase, TWO_WEEKS};
use crate::purchases::{account, terms};

fn order() -> Id<Order> {
    Id::new("order-1").unwrap()
}

// region: test
fn placed() -> SagaUnderTest<Purchase> {
    saga("order-1")
        .sends_to::<Account>()
        .sends_to::<Order>()
        .when_event::<Order>("order-1", OrderEvent::Placed(terms()))
}

#[test]
fn the_seller_is_paid_when_the_parcel_arrives() {
    placed()
        .then_sends(&account("alice"), Withdraw { cents: 500 })
        .then_waits_for(TWO_WEEKS)
        .when_accepted(&account("alice"))
        .then_sends_nothing_more::<Account>()
        .when_event::<Parcel>("parcel-9", ParcelEvent::Delivered)
        .then_sends(&account("bob"), Deposit { cents: 500 })
        .then_waits_for_no_deadline()
        .when_cancelled("too late")
        .then_ignored()
        .when_accepted(&account("bob"))
        .then_sends(&order(), OrderCommand::Finish)
        .when_accepted(&order())
        .then_completed();
}

#[test]
fn the_buyer_is_refunded_when_the_parcel_does_not_arrive() {
    let why = "the parcel did not arrive".to_owned();
    placed()
        .when_accepted(&account("alice"))
        .when_time_passes(TWO_WEEKS)
        .then_sends(&account("alice"), Deposit { cents: 500 })
        .when_accepted(&account("alice"))
        .then_sends(&order(), OrderCommand::Refuse { why: why.clone() })
        .when_accepted(&order())
        .then_status(&InstanceStatus::Compensated { why });
}
// endregion: test

#[test]
fn a_parcel_that_arrives_before_the_debit_is_remembered() {
    placed()
        .when_event::<Parcel>("parcel-9", ParcelEvent::Delivered)
        .then_sends_nothing_more::<Account>()
        .when_accepted(&account("alice"))
        .then_sends(&account("bob"), Deposit { cents: 500 });
}

#[test]
fn a_purchase_without_enough_money_is_refused() {
    let why = NotEnough.to_string();
    placed()
        .when_rejected(&account("alice"), NotEnough)
        .then_sends(&order(), OrderCommand::Refuse { why: why.clone() })
        .when_accepted(&order())
        .then_status(&InstanceStatus::Compensated { why });
}

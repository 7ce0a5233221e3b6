//! The steps of an order without a runtime, a store or a clock: what is sent, and what is undone in
//! which order when something fails.

use actuarius::Id;
use actuarius::saga::InstanceStatus;
use actuarius::testing::{SagaUnderTest, saga};
use orders::ItemCommand::{HandOver, Release, Reserve};
use orders::{
    Cents, Fulfilment, Item, ItemRefused, Means, Order, OrderCommand, OrderEvent, Payment,
    PaymentCommand, PaymentEvent, PaymentRefused, Shipment, ShipmentCommand, ShipmentRefused,
    Stage, Zone,
};

use crate::common::{PAY_WITHIN, cup, pot, terms};

const PRICE: Cents = Cents(1_000);

fn order() -> Id<Order> {
    Id::new("o-1").unwrap()
}

fn payment() -> Id<Payment> {
    Id::new("p-1").unwrap()
}

fn parcel() -> Id<Shipment> {
    Id::new("s-1").unwrap()
}

fn placed() -> SagaUnderTest<Fulfilment> {
    saga("o-1")
        .sends_to::<Item>()
        .sends_to::<Payment>()
        .sends_to::<Shipment>()
        .sends_to::<Order>()
        .when_event::<Order>("o-1", OrderEvent::Placed(terms(Means::Invoice, Zone::Mainland)))
}

fn asked() -> SagaUnderTest<Fulfilment> {
    placed().when_accepted(&cup()).when_accepted(&pot())
}

fn paid() -> SagaUnderTest<Fulfilment> {
    asked().when_accepted(&payment()).when_event::<Payment>("p-1", PaymentEvent::Paid(PRICE))
}

/// The payment is cancelled and both reservations are released, the last one first. Then the order
/// is refused.
fn undone(it: SagaUnderTest<Fulfilment>, why: &str) {
    let (released, refused) = (Release("o-1".to_owned()), OrderCommand::Refuse(why.to_owned()));
    it.then_sends(&payment(), PaymentCommand::Cancel)
        .when_accepted(&payment())
        .then_sends(&pot(), released.clone())
        .when_accepted(&pot())
        .then_sends(&cup(), released)
        .when_accepted(&cup())
        .then_sends(&order(), refused)
        .when_accepted(&order())
        .then_status(&InstanceStatus::Compensated { why: why.to_owned() });
}

#[test]
fn an_order_is_reserved_paid_shipped_and_handed_over() {
    let reserve = |quantity| Reserve { order: "o-1".to_owned(), quantity };
    placed()
        .then_sends(&cup(), reserve(2))
        .then_sends(&pot(), reserve(1))
        .when_accepted(&pot())
        .then_sends_nothing_more::<Item>()
        .when_accepted(&cup())
        .then_sends(&payment(), PaymentCommand::Ask { amount: PRICE, means: Means::Invoice })
        .then_waits_for(PAY_WITHIN)
        .when_accepted(&payment())
        .when_event::<Payment>("p-1", PaymentEvent::Paid(PRICE))
        .then_sends(&parcel(), ShipmentCommand::Book(Zone::Mainland))
        .then_waits_for_no_deadline()
        .when_accepted(&parcel())
        .then_sends(&cup(), HandOver("o-1".to_owned()))
        .then_sends(&pot(), HandOver("o-1".to_owned()))
        .when_accepted(&cup())
        .when_accepted(&pot())
        .then_sends(&order(), OrderCommand::Fulfil)
        .when_accepted(&order())
        .then_completed();
}

#[test]
fn an_item_out_of_stock_releases_the_others_once_they_have_answered() {
    let why = "cup: only 1 are left";
    placed()
        .when_rejected(&cup(), ItemRefused::OutOfStock(1))
        .then_sends_nothing_more::<Item>()
        .when_accepted(&pot())
        .then_sends(&pot(), Release("o-1".to_owned()))
        .when_accepted(&pot())
        .then_sends(&order(), OrderCommand::Refuse(why.to_owned()))
        .when_accepted(&order())
        .then_status(&InstanceStatus::Compensated { why: why.to_owned() });
}

#[test]
fn a_declined_card_releases_the_goods() {
    asked()
        .when_rejected(&payment(), PaymentRefused::Declined)
        .then_sends(&pot(), Release("o-1".to_owned()))
        .when_accepted(&pot())
        .then_sends(&cup(), Release("o-1".to_owned()))
        .when_accepted(&cup())
        .then_sends(&order(), OrderCommand::Refuse("the card was declined".to_owned()));
}

#[test]
fn a_customer_that_does_not_pay_in_time_gets_nothing_and_owes_nothing() {
    let late = asked().when_accepted(&payment()).when_time_passes(PAY_WITHIN);
    undone(late, "it was not paid in time");
}

#[test]
fn without_a_carrier_the_money_goes_back_and_the_goods_are_released() {
    undone(paid().when_rejected(&parcel(), ShipmentRefused::NoCarrier), "no carrier goes there");
}

#[test]
fn an_order_can_be_cancelled_until_a_carrier_is_asked() {
    undone(asked().when_accepted(&payment()).when_cancelled("the shop closes"), "the shop closes");
    paid()
        .when_cancelled("the shop closes")
        .when_time_passes(PAY_WITHIN)
        .when_accepted(&parcel())
        .then_sends(&cup(), HandOver("o-1".to_owned()));
}

#[test]
fn a_card_payment_may_arrive_before_the_answer_to_the_request() {
    asked()
        .when_event::<Payment>("p-1", PaymentEvent::Paid(PRICE))
        .then_sends(&parcel(), ShipmentCommand::Book(Zone::Mainland))
        .when_accepted(&payment())
        .then_sends_nothing_more::<Payment>()
        .when_rejected(&parcel(), ShipmentRefused::NoCarrier)
        .then_sends(&payment(), PaymentCommand::Cancel);
}

#[test]
fn an_order_is_paid_once_and_repeated_reports_are_ignored() {
    paid()
        .when_event::<Payment>("p-1", PaymentEvent::Paid(PRICE))
        .then_sends_nothing_more::<Shipment>()
        .when_event::<Payment>("p-1", PaymentEvent::Refunded(PRICE))
        .then_ignored()
        .when_event::<Order>("o-1", OrderEvent::Fulfilled)
        .then_ignored();
}

#[test]
fn goods_that_cannot_be_handed_over_are_reported() {
    let why = "cup: nothing is reserved for this order".to_owned();
    paid()
        .when_accepted(&parcel())
        .when_rejected(&cup(), ItemRefused::NotReserved)
        .when_accepted(&pot())
        .then_state(&Fulfilment {
            order: Some((order(), terms(Means::Invoice, Zone::Mainland))),
            stage: Stage::HandingOver(2),
        })
        .then_status(&InstanceStatus::Failed { why });
}

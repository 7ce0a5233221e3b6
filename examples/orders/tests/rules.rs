//! Every rule of the four aggregates, without a runtime, a store or a clock.

use actuarius::testing::given;
use orders::{
    Cents, Item, ItemCommand, ItemEvent, ItemRefused, Line, Means, Order, OrderCommand, OrderEvent,
    OrderRefused, Payment, PaymentCommand, PaymentEvent, PaymentRefused, Shipment, ShipmentCommand,
    ShipmentEvent, ShipmentRefused, Terms, Zone,
};

use crate::common::{cup, line, terms};

const PRICE: Cents = Cents(1_000);
const CARD: Means = Means::Card { limit: PRICE };

fn reserve(order: &str, quantity: u32) -> ItemCommand {
    ItemCommand::Reserve { order: order.to_owned(), quantity }
}

fn reserved(order: &str, quantity: u32) -> ItemEvent {
    ItemEvent::Reserved { order: order.to_owned(), quantity }
}

#[test]
fn reserved_items_are_kept_from_other_orders_until_they_are_released() {
    let five = || [ItemEvent::Stocked(5), reserved("a", 3)];
    given::<Item>(five()).when(reserve("b", 2)).then([reserved("b", 2)]);
    given::<Item>(five()).when(reserve("b", 3)).then_rejected(ItemRefused::OutOfStock(2));
    given::<Item>(five()).when(reserve("a", 1)).then_rejected(ItemRefused::AlreadyReserved);
    let again = five().into_iter().chain([ItemEvent::Released("a".to_owned())]);
    given::<Item>(again).when(reserve("b", 5)).then([reserved("b", 5)]);
}

#[test]
fn only_reserved_items_are_released_or_handed_over() {
    let all = [ItemEvent::Stocked(5), reserved("a", 3), ItemEvent::HandedOver("a".to_owned())];
    let left = Item { on_shelf: 2, ..Item::default() };
    given::<Item>(all.clone()).when(ItemCommand::Stock(0)).then([ItemEvent::Stocked(0)]);
    given::<Item>(all[..2].to_vec())
        .when(ItemCommand::HandOver("a".to_owned()))
        .then([all[2].clone()])
        .then_state(&left);
    for command in [ItemCommand::HandOver("a".to_owned()), ItemCommand::Release("a".to_owned())] {
        given::<Item>(all.clone()).when(command).then_rejected(ItemRefused::NotReserved);
    }
}

#[test]
fn a_stock_that_would_overflow_is_refused() {
    let most = ItemEvent::Stocked(u32::MAX);
    given::<Item>([most]).when(ItemCommand::Stock(1)).then_rejected(ItemRefused::ShelfFull);
}

#[test]
fn a_card_pays_at_once_or_is_declined() {
    let ask = |cents| PaymentCommand::Ask { amount: Cents(cents), means: CARD };
    let asked = PaymentEvent::Asked { amount: PRICE, means: CARD };
    given::<Payment>([]).when(ask(PRICE.0)).then([asked, PaymentEvent::Paid(PRICE)]);
    given::<Payment>([]).when(ask(PRICE.0 + 1)).then_rejected(PaymentRefused::Declined);
    given::<Payment>([asked]).when(ask(1)).then_rejected(PaymentRefused::AlreadyAsked);
}

#[test]
fn an_invoice_is_paid_later_and_once() {
    let asked = PaymentEvent::Asked { amount: PRICE, means: Means::Invoice };
    let ask = PaymentCommand::Ask { amount: PRICE, means: Means::Invoice };
    given::<Payment>([]).when(PaymentCommand::Pay).then_rejected(PaymentRefused::NotAsked);
    given::<Payment>([]).when(ask).then([asked]);
    given::<Payment>([asked]).when(PaymentCommand::Pay).then([PaymentEvent::Paid(PRICE)]);
    given::<Payment>([asked, PaymentEvent::Paid(PRICE)])
        .when(PaymentCommand::Pay)
        .then_rejected(PaymentRefused::AlreadyPaid);
}

#[test]
fn a_cancelled_payment_is_refunded_if_it_was_paid_and_refused_if_it_comes_late() {
    let asked = PaymentEvent::Asked { amount: PRICE, means: Means::Invoice };
    let cancel = PaymentCommand::Cancel;
    given::<Payment>([asked]).when(cancel).then([PaymentEvent::Cancelled]);
    given::<Payment>([asked, PaymentEvent::Paid(PRICE)])
        .when(cancel)
        .then([PaymentEvent::Refunded(PRICE)]);
    given::<Payment>([asked, PaymentEvent::Cancelled])
        .when(PaymentCommand::Pay)
        .then_rejected(PaymentRefused::Cancelled);
}

#[test]
fn no_carrier_goes_to_the_moon() {
    let book = ShipmentCommand::Book;
    let booked = ShipmentEvent::Booked(Zone::Islands);
    given::<Shipment>([]).when(book(Zone::Islands)).then([booked]);
    given::<Shipment>([]).when(book(Zone::Moon)).then_rejected(ShipmentRefused::NoCarrier);
    given::<Shipment>([booked])
        .when(book(Zone::Islands))
        .then_rejected(ShipmentRefused::AlreadyBooked);
}

#[test]
fn an_order_has_each_item_once_and_is_placed_and_settled_once() {
    let place =
        |lines| OrderCommand::Place(Terms { lines, ..terms(Means::Invoice, Zone::Mainland) });
    let malformed: [Vec<Line>; 3] = [vec![], vec![line(&cup(), 0)], vec![line(&cup(), 1); 2]];
    for lines in malformed {
        given::<Order>([]).when(place(lines)).then_rejected(OrderRefused::Malformed);
    }
    let placed = OrderEvent::Placed(terms(Means::Invoice, Zone::Mainland));
    given::<Order>([placed.clone()])
        .when(place(vec![line(&cup(), 1)]))
        .then_rejected(OrderRefused::AlreadyPlaced);
    given::<Order>([placed.clone()]).when(OrderCommand::Fulfil).then([OrderEvent::Fulfilled]);
    given::<Order>([placed, OrderEvent::Fulfilled])
        .when(OrderCommand::Refuse(String::new()))
        .then_rejected(OrderRefused::NotOpen);
}

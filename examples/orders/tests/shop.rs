//! The whole shop in memory with a manual clock: how orders of each kind end.

use std::sync::Arc;

use actuarius::clock::ManualClock;
use actuarius::saga::Sagas;
use actuarius::{Aggregates, Id, Runtime};
use orders::{
    Cents, Fulfilment, Item, ItemCommand, Means, Order, OrderCommand, Payment, PaymentCommand,
    PaymentRefused, Shipment, Terms, Zone,
};

use crate::common::{PAY_WITHIN, cup, pot, terms};

const CARD: Means = Means::Card { limit: Cents(1_000) };

struct Shop {
    clock: Arc<ManualClock>,
    items: Aggregates<Item>,
    orders: Aggregates<Order>,
    payments: Aggregates<Payment>,
    fulfilments: Sagas<Fulfilment>,
}

impl Shop {
    /// Opens a shop with ten cups and two pots.
    async fn open() -> Self {
        let clock = Arc::new(ManualClock::default());
        let runtime = Runtime::builder().clock(clock.clone()).in_memory().await.unwrap();
        let (items, orders, payments) = (runtime.host(), runtime.host(), runtime.host());
        let saga = runtime.saga::<Fulfilment>().reacts_to::<Order>().reacts_to::<Payment>();
        let saga = saga.sends_to(&items).sends_to(&payments).sends_to(&orders);
        let fulfilments = saga.sends_to(&runtime.host::<Shipment>()).start().await.unwrap();
        items.execute(cup(), ItemCommand::Stock(10)).await.unwrap();
        items.execute(pot(), ItemCommand::Stock(2)).await.unwrap();
        Self { clock, items, orders, payments, fulfilments }
    }

    async fn place(&self, number: u32, means: Means, zone: Zone) {
        let (payment, shipment) = (format!("p-{number}"), format!("s-{number}"));
        let (payment, shipment) = (Id::new(payment).unwrap(), Id::new(shipment).unwrap());
        let terms = Terms { payment, shipment, ..terms(means, zone) };
        self.orders.execute(format!("o-{number}"), OrderCommand::Place(terms)).await.unwrap();
    }

    /// Waits for the end of an order.
    async fn end(&self, number: u32) -> Order {
        let order = format!("o-{number}");
        self.fulfilments.end_of(&order).await.unwrap();
        self.orders.query(&order, Order::clone).await.unwrap()
    }

    /// Waits until the customer was asked to pay.
    async fn asked(&self, number: u32) {
        loop {
            let asked = self.payments.exists(format!("p-{number}")).await.unwrap();
            let waits = self.fulfilments.list("", 10, |it| it.next_deadline.is_some());
            if asked && waits.iter().any(|it| it.id == format!("o-{number}")) {
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    /// Returns the cups and pots in stock, and how many of them are free.
    async fn shelves(&self) -> [(u32, u32); 2] {
        let look = |item: &Item| (item.on_shelf, item.free());
        [self.items.query(cup(), look).await.unwrap(), self.items.query(pot(), look).await.unwrap()]
    }
}

fn refused(why: &str) -> Order {
    Order::Refused(why.to_owned())
}

#[tokio::test]
async fn orders_paid_by_card_leave_the_stock_until_it_is_empty() {
    let shop = Shop::open().await;
    for number in [1, 2] {
        shop.place(number, CARD, Zone::Islands).await;
        assert_eq!(shop.end(number).await, Order::Fulfilled);
    }
    assert_eq!(shop.shelves().await, [(6, 6), (0, 0)]);
    shop.place(3, CARD, Zone::Mainland).await;
    assert_eq!(shop.end(3).await, refused("pot: only 0 are left"));
    assert_eq!(shop.shelves().await, [(6, 6), (0, 0)]);
}

#[tokio::test]
async fn a_refused_order_changes_nothing() {
    let shop = Shop::open().await;
    shop.place(1, CARD, Zone::Moon).await;
    assert_eq!(shop.end(1).await, refused("no carrier goes there"));
    shop.place(2, Means::Card { limit: Cents(999) }, Zone::Mainland).await;
    assert_eq!(shop.end(2).await, refused("the card was declined"));
    assert_eq!(shop.shelves().await, [(10, 10), (2, 2)]);
    let late = shop.payments.execute("p-1", PaymentCommand::Pay).await.unwrap_err();
    assert_eq!(late.rejection(), Some(&PaymentRefused::Cancelled));
}

#[tokio::test]
async fn an_invoice_is_paid_in_time_or_not_at_all() {
    let shop = Shop::open().await;
    for number in [1, 2] {
        shop.place(number, Means::Invoice, Zone::Mainland).await;
        shop.asked(number).await;
    }
    assert_eq!(shop.shelves().await, [(10, 6), (2, 0)]);
    shop.payments.execute("p-1", PaymentCommand::Pay).await.unwrap();
    assert_eq!(shop.end(1).await, Order::Fulfilled);
    shop.clock.advance(PAY_WITHIN);
    assert_eq!(shop.end(2).await, refused("it was not paid in time"));
    let late = shop.payments.execute("p-2", PaymentCommand::Pay).await.unwrap_err();
    assert_eq!(late.rejection(), Some(&PaymentRefused::Cancelled));
    assert_eq!(shop.shelves().await, [(8, 8), (1, 1)]);
}

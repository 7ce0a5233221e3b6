//! Events that earlier releases of the bank stored are read, and give the same states.
//!
//! Before a release: `cargo test -p bank fixtures -- --ignored` adds the events of that release.

use actuarius::Id;
use actuarius::testing::{Fixtures, fixtures};
use bank::{Account, AccountEvent, Cents, OrderEvent, TransferOrder, TransferRequest};

fn accounts() -> Fixtures<Account> {
    fixtures("tests/fixtures/account.jsonl")
}

fn orders() -> Fixtures<TransferOrder> {
    fixtures("tests/fixtures/transfer-order.jsonl")
}

#[test]
fn all_events_of_earlier_releases_are_readable() {
    accounts().check();
    orders().check();
}

#[test]
#[ignore = "it adds samples; run it by hand before a release"]
fn the_events_of_this_release_are_recorded() {
    let (some, all) = (Cents(1_250), Cents(100_000));
    accounts().record([
        AccountEvent::Opened,
        AccountEvent::Deposited(all),
        AccountEvent::Withdrawn(some),
        AccountEvent::Closed,
    ]);
    let id = |name| Id::new(name).expect("a good id");
    orders().record([
        OrderEvent::Placed(TransferRequest { from: id("alice"), to: id("bob"), amount: some }),
        OrderEvent::Recalled,
        OrderEvent::Finished,
        OrderEvent::Refused("not enough".to_owned()),
    ]);
}

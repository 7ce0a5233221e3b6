//! Writes the store that is kept as the one of the first release. Before the next release, write
//! another one with that release's code under another name, and keep both: later releases must read
//! each of them.
//!
//! ```text
//! WRITE_FIXTURE=tests/fixtures/store-0.2.0.lz4 cargo test -p actuarius --test reading -- --ignored
//! ```

use std::time::Duration;

use actuarius::clock::ManualClock;
use actuarius::error::BoxError;
use actuarius::subscription::Retry;
use actuarius::{Codec, Envelope, Hosting, Id, Runtime, Timestamp};

use super::v1::{
    Account, AccountEvent, Balances, Memo, MemoEvent, Parcel, ParcelEvent, Postage, Totals,
};
use crate::common::packed;

pub(crate) const ACCOUNTS: u64 = 6;
pub(crate) const PARCELS: u64 = 5;
pub(crate) const MEMOS: u64 = 4;
/// Deposits to each account; each is named `deposit-ACCOUNT-NUMBER`.
pub(crate) const DEPOSITS: u64 = 20;

pub(crate) fn account(number: u64) -> Id<Account> {
    Id::new(format!("account-{number}")).unwrap()
}

async fn fill_accounts(runtime: &Runtime) {
    // One state is saved after its last event, some before it, some never.
    let hosting = Hosting::default().snapshot_every(8).snapshot_on_passivation(false);
    let accounts = runtime.host_with::<Account>(hosting);
    for number in 0..ACCOUNTS {
        let opened = vec![AccountEvent::Opened(format!("Owner {number}")), AccountEvent::Looked];
        accounts.execute(account(number), opened).await.unwrap();
        for deposit in 0..DEPOSITS {
            let cents = i64::try_from(100 * number + deposit).unwrap();
            let name = format!("deposit-{number}-{deposit}");
            let deposited = vec![AccountEvent::Deposited { cents }];
            accounts.execute(account(number), deposited).command_id(name).await.unwrap();
        }
        let withdrawn = vec![AccountEvent::Withdrawn { cents: 50, fee: 2 }, AccountEvent::Looked];
        accounts.execute(account(number), withdrawn).correlation("month's end").await.unwrap();
    }
    accounts.execute(account(1), vec![AccountEvent::Frozen]).await.unwrap();
}

async fn fill_parcels(runtime: &Runtime) {
    let parcels = runtime.host_with::<Parcel>(Hosting::default().snapshot_every(4));
    for number in 0..PARCELS {
        let (id, grams) = (format!("parcel-{number}"), 10 * (number as u32 + 1));
        let packed = ParcelEvent::Packed(format!("thing {number}"), grams);
        parcels.execute(id.as_str(), vec![packed, ParcelEvent::Scanned(7)]).await.unwrap();
        runtime.caught_up(Duration::from_secs(60)).await.unwrap();
        // The last one is not sent yet, the one before it has not arrived yet.
        if number + 1 < PARCELS {
            let sent = ParcelEvent::Sent { payer: account(number) };
            parcels.execute(id.as_str(), vec![sent, ParcelEvent::Scanned(8)]).await.unwrap();
            runtime.caught_up(Duration::from_secs(60)).await.unwrap();
        }
        if number + 2 < PARCELS {
            parcels.execute(id.as_str(), vec![ParcelEvent::Arrived]).await.unwrap();
        }
    }
}

async fn fill_memos(runtime: &Runtime) {
    let memos = runtime.host_with::<Memo>(Hosting::default().codec(Codec::Json));
    for number in 0..MEMOS {
        let id = format!("memo-{number}");
        let text = format!("memo № {number}");
        memos.execute(id.as_str(), vec![MemoEvent::Written { text }]).await.unwrap();
        let labels = (0..number).map(|label| format!("label-{label}")).collect();
        memos.execute(id.as_str(), vec![MemoEvent::Labelled(labels)]).await.unwrap();
    }
}

/// Sends a letter about each withdrawal, except to owner 2, whose address is wrong.
async fn letter(event: Envelope<Account>) -> Result<(), BoxError> {
    if event.id == account(2) { Err("the address is wrong".into()) } else { Ok(()) }
}

#[tokio::test]
#[ignore = "it writes a fixture; run it by hand before a release"]
async fn write_the_store_of_this_release() {
    let Ok(path) = std::env::var("WRITE_FIXTURE") else { return };
    assert!(!std::fs::exists(&path).unwrap(), "an existing fixture is not overwritten");
    let folder = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(Timestamp::from_micros(1_700_000_000_000_000));
    let runtime = Runtime::builder().clock(clock).open(folder.path()).await.unwrap();
    fill_accounts(&runtime).await;
    let accounts = runtime.host::<Account>();
    runtime.saga::<Postage>().reacts_to::<Parcel>().sends_to(&accounts).start().await.unwrap();
    runtime.keyed::<Balances>("balances").on::<Account>().start().await.unwrap();
    let totals = runtime.projection::<Totals>("totals");
    totals.on::<Account>().on::<Parcel>().on::<Memo>().start().await.unwrap();
    let letters = runtime.subscribe("letters").on_only(["Withdrawn"], letter);
    letters.retry(Retry::default().attempts(1)).start().await.unwrap();
    fill_parcels(&runtime).await;
    fill_memos(&runtime).await;
    runtime.caught_up(Duration::from_secs(60)).await.unwrap();
    assert!(runtime.shutdown(Duration::from_secs(60)).await.is_clean());
    std::fs::write(path, packed::pack(folder.path())).unwrap();
}

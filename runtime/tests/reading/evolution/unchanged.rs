//! The store of the first release, read by the program that wrote it.

use std::time::Duration;

use actuarius::clock::ManualClock;
use actuarius::saga::InstanceStatus;
use actuarius::{Codec, Hosting, Runtime, Timestamp};
use tempfile::TempDir;

use super::first_release::{ACCOUNTS, DEPOSITS, account};
use super::v1::{Account, Balances, Memo, Parcel, Postage, Totals};
use crate::common::packed;

pub(crate) fn first_store() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    packed::unpack(include_bytes!("../../fixtures/store-0.1.0.lz4"), folder.path());
    folder
}

/// Opens the store at a clock shortly after it was written.
pub(crate) async fn open(store: &TempDir) -> Runtime {
    let clock = ManualClock::at(Timestamp::from_micros(1_700_000_100_000_000));
    Runtime::builder().clock(clock).open(store.path()).await.unwrap()
}

/// Returns the balance of an account without the postage.
pub(crate) fn deposited(number: u64) -> i64 {
    let all = (0..DEPOSITS).map(|deposit| 100 * number + deposit).sum::<u64>();
    i64::try_from(all).unwrap() - 52
}

/// Returns the postage of the parcel of the same number. The last one was not sent.
pub(crate) fn postage(number: u64) -> i64 {
    if number < 4 { 10 * (number as i64 + 1) + 1 } else { 0 }
}

#[tokio::test]
async fn the_program_of_the_first_release_reads_its_store() {
    let folder = first_store();
    let runtime = open(&folder).await;
    let accounts = runtime.host::<Account>();
    let sagas =
        runtime.saga::<Postage>().reacts_to::<Parcel>().sends_to(&accounts).start().await.unwrap();
    let balances = runtime.keyed::<Balances>("balances").on::<Account>().start().await.unwrap();
    let totals = runtime.projection::<Totals>("totals");
    let totals = totals.on::<Account>().on::<Parcel>().on::<Memo>().start().await.unwrap();
    runtime.caught_up(Duration::from_secs(60)).await.unwrap();
    let mut sum = 0;
    for number in 0..ACCOUNTS {
        let state = accounts.query(account(number), |it| (it.cents, it.is_frozen)).await.unwrap();
        assert_eq!(state, (deposited(number) - postage(number), number == 1));
        let row = balances.get(account(number).as_str()).unwrap().unwrap();
        assert_eq!((row.owner, row.cents), (format!("Owner {number}"), state.0));
        sum += state.0;
    }
    assert_eq!(totals.read(|it| (it.cents, it.grams, it.labels)), (sum, 150, 6));
    let parcels = runtime.host::<Parcel>();
    assert_eq!(
        parcels.query("parcel-3", |it| (it.stations, it.has_arrived)).await.unwrap(),
        (2, false)
    );
    let memos = runtime.host_with::<Memo>(Hosting::default().codec(Codec::Json));
    assert_eq!(memos.query("memo-2", |it| it.labels.len()).await.unwrap(), 2);
    for (number, status) in [InstanceStatus::Completed, InstanceStatus::Running].iter().enumerate()
    {
        let id = format!("parcel-{}", 2 + number);
        assert_eq!(sagas.status(&id).await.unwrap().as_ref(), Some(status));
    }
}

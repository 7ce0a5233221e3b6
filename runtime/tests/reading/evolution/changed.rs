//! The store of the first release, read by today's program.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use actuarius::error::BoxError;
use actuarius::projection::{InMemory, Keyed};
use actuarius::saga::{InstanceStatus, Sagas};
use actuarius::subscription::Subscription;
use actuarius::{Codec, Envelope, Hosting, Id, Runtime, Version};
use tempfile::TempDir;

use super::first_release::{ACCOUNTS, DEPOSITS, MEMOS, PARCELS};
use super::followers::{Balance, Balances, Postage, Totals};
use super::unchanged::{deposited, first_store, open, postage};
use super::v1;
use super::v2::{Account, AccountEvent, Memo, Parcel, ParcelEvent};

const LONG: Duration = Duration::from_secs(60);

fn account(number: u64) -> Id<Account> {
    Id::new(format!("account-{number}")).unwrap()
}

/// Returns the balance of an account without later commands.
fn cents(number: u64) -> i64 {
    deposited(number) - postage(number)
}

fn fees(number: u64) -> i64 {
    if postage(number) > 0 { 3 } else { 2 }
}

/// The parcels whose postage was paid, as far as the first release knew: an answer may have come
/// after the end of its instance.
async fn paid_before() -> Vec<bool> {
    let store = first_store();
    let runtime = open(&store).await;
    let accounts = runtime.host::<v1::Account>();
    let sagas = runtime.saga::<v1::Postage>().reacts_to::<v1::Parcel>().sends_to(&accounts);
    let (sagas, mut paid) = (sagas.start().await.unwrap(), Vec::new());
    for number in 0..PARCELS {
        let steps = sagas.history(format!("parcel-{number}"), 0).await.unwrap();
        paid.push(steps.last().unwrap().state.is_paid);
    }
    paid
}

struct Program {
    runtime: Runtime,
    sagas: Sagas<Postage>,
    balances: Keyed<Balances>,
    totals: InMemory<Totals>,
    subscription: Subscription,
    /// Cents of accounts withdrawn, by position.
    letters: Arc<Mutex<Vec<(u64, String, i64)>>>,
    /// The numbers of the parcels whose postage was paid, as far as the first release knew.
    paid: Vec<bool>,
}

impl Program {
    async fn open(store: &TempDir, codec: Codec) -> Self {
        let paid = paid_before().await;
        let runtime = open(store).await;
        let hosting = || Hosting::default().codec(codec);
        let accounts = runtime.host_with::<Account>(hosting().snapshot_every(10));
        drop(runtime.host_with::<Parcel>(hosting()));
        drop(runtime.host_with::<Memo>(hosting()));
        let sagas = runtime.saga::<Postage>().reacts_to::<Parcel>().sends_to(&accounts);
        let sagas = sagas.codec(codec).start().await.unwrap();
        let balances = runtime.keyed::<Balances>("balances").on::<Account>().codec(codec);
        let totals = runtime.projection::<Totals>("totals").codec(codec);
        let totals = totals.on::<Account>().on::<Parcel>().on::<Memo>();
        let letters = Arc::<Mutex<Vec<_>>>::default();
        let written = letters.clone();
        let write = move |event: Envelope<Account>| {
            let letters = written.clone();
            async move {
                let cents = match event.event {
                    AccountEvent::Withdrawn { cents } | AccountEvent::Charged { cents } => cents,
                    _ => 0,
                };
                let line = (event.header.position.get(), event.header.event_type, cents);
                letters.lock().unwrap().push(line);
                Ok::<(), BoxError>(())
            }
        };
        let subscription = runtime.subscribe("letters").on_only(["Withdrawn", "Charged"], write);
        Self {
            subscription: subscription.start().await.unwrap(),
            balances: balances.start().await.unwrap(),
            totals: totals.start().await.unwrap(),
            runtime,
            sagas,
            letters,
            paid,
        }
    }

    async fn close(self) {
        let Self { runtime, .. } = self;
        assert!(runtime.shutdown(LONG).await.is_clean());
    }

    /// Asserts that everything is as the events of the first release give it, with `more` cents
    /// deposited to each account since.
    async fn check(&self, more: i64) {
        self.runtime.caught_up(LONG).await.unwrap();
        let accounts = self.runtime.host::<Account>();
        let mut sum = 0;
        for number in 0..ACCOUNTS {
            let (cents, fees) = (cents(number) + more, fees(number));
            let owner = format!("Owner {number}");
            let expected = Account { owner: owner.clone(), cents, fees, is_blocked: number == 1 };
            let (id, is_it) = (account(number), move |it: &Account| *it == expected);
            assert!(accounts.query(id.clone(), is_it).await.unwrap(), "{id}");
            let row = self.balances.get(id.as_str()).unwrap();
            assert_eq!(row, Some(Balance { owner, cents, fees }));
            sum += cents;
        }
        let fees: i64 = (0..ACCOUNTS).map(fees).sum();
        let expected = Totals { cents: sum, fees, kilos: 0.15, labels: 6 };
        self.totals.read(|totals| {
            assert!((totals.kilos - expected.kilos).abs() < 1e-9);
            let rounded = Totals { kilos: 0.15, ..*totals };
            assert_eq!(rounded, expected);
        });
        self.check_parcels().await;
        self.check_memos().await;
    }

    async fn check_parcels(&self) {
        let parcels = self.runtime.host::<Parcel>();
        for number in 0..PARCELS {
            let (id, kilos) = (format!("parcel-{number}"), (number as f64 + 1.0) / 100.0);
            let is_delivered = number + 2 < PARCELS;
            let expected = Parcel { content: format!("thing {number}"), kilos, is_delivered };
            let is_it = move |it: &Parcel| *it == expected;
            assert!(parcels.query(id.as_str(), is_it).await.unwrap(), "{id}");
            let status = match is_delivered {
                true => InstanceStatus::Completed,
                false => InstanceStatus::Running,
            };
            assert_eq!(self.sagas.status(id.as_str()).await.unwrap(), Some(status));
            let steps = self.sagas.history(id.as_str(), 0).await.unwrap();
            let paid = self.paid[number as usize].then_some(10 * (number as i64 + 1));
            let expected = Postage { kilos, paid };
            assert_eq!(steps.last().unwrap().state, expected, "{id}");
        }
    }

    async fn check_memos(&self) {
        let memos = self.runtime.host::<Memo>();
        for number in 0..MEMOS {
            let labels = (0..number).map(|label| format!("label-{label}")).collect();
            let (text, language) = (format!("memo № {number}"), "en".to_owned());
            let expected = Memo { text, language, labels };
            let is_it = move |it: &Memo| *it == expected;
            assert!(memos.query(format!("memo-{number}"), is_it).await.unwrap());
        }
    }
}

#[tokio::test]
async fn the_store_of_the_first_release_is_read_correctly_after_every_change_of_codec() {
    let (store, mut more) = (first_store(), 0);
    for codec in [Codec::Bincode, Codec::MessagePack, Codec::Json, Codec::Bincode] {
        let program = Program::open(&store, codec).await;
        program.check(more).await;
        let accounts = program.runtime.host::<Account>();
        for number in 0..ACCOUNTS {
            let currency = "USD".to_owned();
            let deposited = AccountEvent::Deposited { cents: 5, currency };
            accounts.execute(account(number), vec![deposited]).await.unwrap();
        }
        more += 5;
        program.check(more).await;
        program.close().await;
    }
}

#[tokio::test]
async fn a_saga_of_the_first_release_continues_today() {
    let store = first_store();
    let program = Program::open(&store, Codec::Bincode).await;
    let parcels = program.runtime.host::<Parcel>();
    parcels.execute("parcel-4", vec![ParcelEvent::Sent(account(5))]).await.unwrap();
    while program.sagas.query("parcel-4", |it| it.paid).await.unwrap().flatten().is_none() {
        tokio::task::yield_now().await;
    }
    for parcel in ["parcel-3", "parcel-4"] {
        parcels.execute(parcel, vec![ParcelEvent::Delivered]).await.unwrap();
    }
    program.sagas.settled(LONG).await.unwrap();
    let accounts = program.runtime.host::<Account>();
    let paid = accounts.query(account(5), |it| it.cents).await.unwrap();
    assert_eq!(paid, cents(5) - 51);
    let steps = program.sagas.history("parcel-4", 0).await.unwrap();
    assert_eq!(steps.last().unwrap().state, Postage { kilos: 0.05, paid: Some(50) });
}

#[tokio::test]
async fn events_parked_by_the_first_release_are_upcast_and_handled() {
    let store = first_store();
    let program = Program::open(&store, Codec::Bincode).await;
    program.runtime.caught_up(LONG).await.unwrap();
    assert_eq!(*program.letters.lock().unwrap(), [], "the first release has sent the others");
    let parked = program.subscription.parked().await;
    assert_eq!((parked.len(), &*parked[0].event_type), (1, "Withdrawn"));
    let handled = program.subscription.retry_parked(&parked[0].key).await.unwrap();
    assert_eq!(handled, 2, "the one that failed, and the postage after it");
    let letters = program.letters.lock().unwrap().clone();
    let told: Vec<_> = letters.iter().map(|(_, name, cents)| (name.as_str(), *cents)).collect();
    assert_eq!(told, [("Withdrawn", 50), ("Charged", 2), ("Withdrawn", 30), ("Charged", 1)]);
    assert!(letters[0].0 == letters[1].0 && letters[1].0 < letters[2].0);
}

#[tokio::test]
async fn headers_of_upcast_events_name_the_stored_type_and_version() {
    let store = first_store();
    let runtime = open(&store).await;
    let accounts = runtime.host::<Account>();
    let events = accounts.events(account(1), Version::NONE).await.unwrap();
    // Opened, deposits, withdrawn and charged; postage: withdrawn and charged; blocked.
    assert_eq!(events.len() as u64, 1 + DEPOSITS + 2 + 2 + 1);
    let of = |name: &str| events.iter().find(|it| it.header.event_type == name).unwrap();
    let (withdrawn, charged) = (&of("Withdrawn").header, &of("Charged").header);
    assert_eq!((withdrawn.version, withdrawn.position), (charged.version, charged.position));
    assert_ne!(withdrawn.event_id, charged.event_id);
    assert_eq!((withdrawn.schema_version, charged.schema_version), (2, 1));
    let stored_as = charged.stored_as.as_ref().unwrap();
    let stored_as = (stored_as.event_type.as_str(), stored_as.schema_version, stored_as.part);
    assert_eq!(stored_as, ("Withdrawn", 1, 1));
    let blocked = of("Blocked").header.stored_as.as_ref().unwrap();
    assert_eq!((blocked.event_type.as_str(), blocked.part), ("Frozen", 0));
    accounts.execute(account(1), vec![AccountEvent::Blocked]).await.unwrap();
    let events = accounts.events(account(1), events.last().unwrap().header.version).await.unwrap();
    assert_eq!(events[0].header.stored_as, None);
}

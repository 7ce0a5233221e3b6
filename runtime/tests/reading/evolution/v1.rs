//! The program that wrote the store in `fixtures/store-0.1.0.lz4`.

use std::convert::Infallible;
use std::time::Duration;

use actuarius::projection::{KeyedProjection, Projection, Rows, SecondaryKeys, View};
use actuarius::saga::{Answer, Correlation, Effects, ReactsTo, Saga, Sends};
use actuarius::{Aggregate, Context, Envelope, Id};
use serde::{Deserialize, Serialize};

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Account {
    pub(crate) owner: String,
    pub(crate) cents: i64,
    pub(crate) is_frozen: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum AccountEvent {
    Opened(String),
    Deposited { cents: i64 },
    Withdrawn { cents: i64, fee: i64 },
    Looked,
    Frozen,
}

macro_rules! told_what_happens {
    ($aggregate:ty, $name:literal, $event:ty) => {
        impl Aggregate for $aggregate {
            const TYPE: &'static str = $name;
            type Command = Vec<$event>;
            type Event = $event;
            type Error = Infallible;

            fn decide(&self, events: Vec<$event>, _: &Context) -> Result<Vec<$event>, Infallible> {
                Ok(events)
            }

            fn apply(&mut self, event: &$event) {
                self.take(event);
            }
        }
    };
}

told_what_happens!(Account, "account", AccountEvent);

impl Account {
    fn take(&mut self, event: &AccountEvent) {
        match event {
            AccountEvent::Opened(owner) => self.owner.clone_from(owner),
            AccountEvent::Deposited { cents } => self.cents += cents,
            AccountEvent::Withdrawn { cents, fee } => self.cents -= cents + fee,
            AccountEvent::Looked => {}
            AccountEvent::Frozen => self.is_frozen = true,
        }
    }
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Parcel {
    pub(crate) content: String,
    pub(crate) grams: u32,
    pub(crate) stations: u32,
    pub(crate) has_arrived: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum ParcelEvent {
    Packed(String, u32),
    Sent { payer: Id<Account> },
    Scanned(u16),
    Arrived,
}

told_what_happens!(Parcel, "parcel", ParcelEvent);

impl Parcel {
    fn take(&mut self, event: &ParcelEvent) {
        match event {
            ParcelEvent::Packed(content, grams) => {
                self.content.clone_from(content);
                self.grams = *grams;
            }
            ParcelEvent::Sent { .. } => {}
            ParcelEvent::Scanned(_) => self.stations += 1,
            ParcelEvent::Arrived => self.has_arrived = true,
        }
    }
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Memo {
    pub(crate) text: String,
    pub(crate) labels: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum MemoEvent {
    Written { text: String },
    Labelled(Vec<String>),
}

told_what_happens!(Memo, "memo", MemoEvent);

impl Memo {
    fn take(&mut self, event: &MemoEvent) {
        match event {
            MemoEvent::Written { text } => self.text.clone_from(text),
            MemoEvent::Labelled(labels) => self.labels.extend_from_slice(labels),
        }
    }
}

/// Charges postage for each parcel that is sent, and ends when the parcel has arrived.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Postage {
    pub(crate) grams: u32,
    pub(crate) is_paid: bool,
}

impl Saga for Postage {
    const TYPE: &'static str = "postage";
    type Deadline = String;
}

/// Longer than any test.
pub(crate) const PATIENCE: Duration = Duration::from_secs(400 * 86_400);

impl ReactsTo<Parcel> for Postage {
    fn correlate(event: &Envelope<Parcel>) -> Correlation {
        match event.event {
            ParcelEvent::Packed(..) => Correlation::start(event.id.as_str()),
            ParcelEvent::Scanned(_) => Correlation::ignore(),
            _ => Correlation::proceed(event.id.as_str()),
        }
    }

    fn react(&mut self, event: &Envelope<Parcel>) -> Effects<Self> {
        match &event.event {
            ParcelEvent::Packed(_, grams) => {
                self.grams = *grams;
                Effects::none().schedule_in(PATIENCE, "lost".to_owned())
            }
            ParcelEvent::Sent { payer } => {
                let (cents, fee) = (i64::from(self.grams), 1);
                let (pay, back) =
                    (AccountEvent::Withdrawn { cents, fee }, AccountEvent::Deposited { cents });
                Effects::none().send_with_undo(payer, vec![pay], vec![back])
            }
            ParcelEvent::Arrived => Effects::complete(),
            ParcelEvent::Scanned(_) => Effects::none(),
        }
    }
}

impl Sends<Account> for Postage {
    fn answered(&mut self, _: Answer<Account>) -> Effects<Self> {
        self.is_paid = true;
        Effects::none()
    }
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Balance {
    pub(crate) owner: String,
    pub(crate) cents: i64,
}

/// One row for each account.
pub(crate) struct Balances;

impl View for Balances {
    type Key = String;
    type Row = Balance;

    fn secondary(_: &String, row: &Balance, keys: &mut SecondaryKeys) {
        keys.add("cents", &row.cents);
    }
}

impl KeyedProjection<Account> for Balances {
    fn project(rows: &mut Rows<'_, Self>, envelope: &Envelope<Account>) {
        rows.update(envelope.id.as_str(), |row| match &envelope.event {
            AccountEvent::Opened(owner) => row.owner.clone_from(owner),
            AccountEvent::Deposited { cents } => row.cents += cents,
            AccountEvent::Withdrawn { cents, fee } => row.cents -= cents + fee,
            AccountEvent::Looked | AccountEvent::Frozen => {}
        });
    }
}

/// Totals of all accounts, parcels and memos.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Totals {
    pub(crate) cents: i64,
    pub(crate) grams: u64,
    pub(crate) labels: u64,
}

impl Projection<Account> for Totals {
    fn project(&mut self, envelope: &Envelope<Account>) {
        match envelope.event {
            AccountEvent::Deposited { cents } => self.cents += cents,
            AccountEvent::Withdrawn { cents, fee } => self.cents -= cents + fee,
            _ => {}
        }
    }
}

impl Projection<Parcel> for Totals {
    fn project(&mut self, envelope: &Envelope<Parcel>) {
        if let ParcelEvent::Packed(_, grams) = envelope.event {
            self.grams += u64::from(grams);
        }
    }
}

impl Projection<Memo> for Totals {
    fn project(&mut self, envelope: &Envelope<Memo>) {
        if let MemoEvent::Labelled(labels) = &envelope.event {
            self.labels += labels.len() as u64;
        }
    }
}

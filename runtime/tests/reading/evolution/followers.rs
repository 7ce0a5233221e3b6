//! Views and a saga of today's program.

use actuarius::Envelope;
use actuarius::projection::{KeyedProjection, Projection, Rows, SecondaryKeys, View};
use actuarius::saga::{Answer, Correlation, Effects, ReactsTo, STEPPED, Saga, Sends};
use actuarius::schema::{Recast, Upcasters};
use serde::{Deserialize, Serialize};

use super::v1::PATIENCE;
use super::v2::{Account, AccountEvent, Memo, MemoEvent, Parcel, ParcelEvent};

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Balance {
    pub(crate) owner: String,
    pub(crate) cents: i64,
    pub(crate) fees: i64,
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
            AccountEvent::Opened { owner, .. } => row.owner.clone_from(owner),
            AccountEvent::Deposited { cents, .. } => row.cents += cents,
            AccountEvent::Withdrawn { cents } => row.cents -= cents,
            AccountEvent::Charged { cents } => {
                row.cents -= cents;
                row.fees += cents;
            }
            AccountEvent::Blocked => {}
        });
    }
}

/// Totals of all accounts, parcels and memos.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Totals {
    pub(crate) cents: i64,
    pub(crate) fees: i64,
    pub(crate) kilos: f64,
    pub(crate) labels: u64,
}

impl Projection<Account> for Totals {
    fn project(&mut self, envelope: &Envelope<Account>) {
        match envelope.event {
            AccountEvent::Deposited { cents, .. } => self.cents += cents,
            AccountEvent::Withdrawn { cents } => self.cents -= cents,
            AccountEvent::Charged { cents } => {
                self.cents -= cents;
                self.fees += cents;
            }
            _ => {}
        }
    }
}

impl Projection<Parcel> for Totals {
    fn project(&mut self, envelope: &Envelope<Parcel>) {
        if let ParcelEvent::Packed { kilos, .. } = envelope.event {
            self.kilos += kilos;
        }
    }
}

impl Projection<Memo> for Totals {
    fn project(&mut self, envelope: &Envelope<Memo>) {
        self.labels += u64::from(matches!(envelope.event, MemoEvent::Labelled { .. }));
    }
}

/// The saga of the first release, whose state has other fields now.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Postage {
    pub(crate) kilos: f64,
    pub(crate) paid: Option<i64>,
}

#[derive(Deserialize)]
struct PostageV1 {
    grams: u32,
    is_paid: bool,
}

impl Saga for Postage {
    const TYPE: &'static str = "postage";
    const SCHEMA_VERSION: u32 = 2;
    type Deadline = String;

    fn upcasters() -> Upcasters {
        Upcasters::new().upcast(STEPPED, 1, |old: PostageV1| {
            let kilos = f64::from(old.grams) / 1_000.0;
            Recast::to(2, Self { kilos, paid: old.is_paid.then_some(i64::from(old.grams)) })
        })
    }
}

impl ReactsTo<Parcel> for Postage {
    fn correlate(event: &Envelope<Parcel>) -> Correlation {
        match event.event {
            ParcelEvent::Packed { .. } => Correlation::start(event.id.as_str()),
            _ => Correlation::proceed(event.id.as_str()),
        }
    }

    fn react(&mut self, event: &Envelope<Parcel>) -> Effects<Self> {
        match &event.event {
            ParcelEvent::Packed { kilos, .. } => {
                self.kilos = *kilos;
                Effects::none().schedule_in(PATIENCE, "lost".to_owned())
            }
            ParcelEvent::Sent(payer) => {
                let cents = (self.kilos * 1_000.0) as i64;
                let pay = [AccountEvent::Withdrawn { cents }, AccountEvent::Charged { cents: 1 }];
                Effects::none().send(payer, pay.to_vec())
            }
            ParcelEvent::Delivered => Effects::complete(),
        }
    }
}

impl Sends<Account> for Postage {
    fn answered(&mut self, answer: Answer<Account>) -> Effects<Self> {
        if let Some(AccountEvent::Withdrawn { cents }) = answer.command.first() {
            self.paid = Some(*cents);
        }
        Effects::none()
    }
}

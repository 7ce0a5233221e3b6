//! Today's program, in which every event type of the first release has changed.

use std::convert::Infallible;

use actuarius::schema::{Recast, Upcasters};
use actuarius::{Aggregate, Context, Id};
use serde::{Deserialize, Serialize};

/// An account, now with the fees it has cost.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Account {
    pub(crate) owner: String,
    pub(crate) cents: i64,
    pub(crate) fees: i64,
    pub(crate) is_blocked: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum AccountEvent {
    /// Had another name, and its reason was a text.
    Opened {
        owner: String,
        currency: String,
    },
    /// In version 2 of three it had a currency, as a number.
    Deposited {
        cents: i64,
        currency: String,
    },
    Withdrawn {
        cents: i64,
    },
    /// Was part of `Withdrawn`.
    Charged {
        cents: i64,
    },
    /// Was `Frozen`.
    Blocked,
}

pub(crate) fn withdrawn(cents: i64, fee: i64) -> Recast {
    let withdrawn = Recast::to(2, Cents { cents });
    let charged = if fee == 0 {
        Recast::dropped()
    } else {
        Recast::renamed("Charged", 1, Cents { cents: fee })
    };
    Recast::several([withdrawn, charged])
}

#[derive(Serialize)]
struct Cents {
    cents: i64,
}

#[derive(Deserialize)]
struct DepositedV1 {
    cents: i64,
}

#[derive(Serialize, Deserialize)]
struct DepositedV2 {
    cents: i64,
    currency: u8,
}

#[derive(Serialize)]
struct DepositedV3 {
    cents: i64,
    currency: String,
}

#[derive(Deserialize)]
struct WithdrawnV1 {
    cents: i64,
    fee: i64,
}

#[derive(Serialize)]
struct OpenedV2 {
    owner: String,
    currency: String,
}

pub(crate) fn account_upcasters() -> Upcasters {
    Upcasters::new()
        .upcast("Opened", 1, |owner: String| {
            Recast::to(2, OpenedV2 { owner, currency: "EUR".to_owned() })
        })
        .upcast("Deposited", 1, |old: DepositedV1| {
            Recast::to(2, DepositedV2 { cents: old.cents, currency: 1 })
        })
        .upcast("Deposited", 2, |old: DepositedV2| {
            let currency = if old.currency == 1 { "EUR" } else { "USD" };
            Recast::to(3, DepositedV3 { cents: old.cents, currency: currency.to_owned() })
        })
        .upcast("Withdrawn", 1, |old: WithdrawnV1| withdrawn(old.cents, old.fee))
        .leave_out("Looked", 1)
        .rename("Frozen", 1, "Blocked", 1)
}

fn account_version(event_type: &str) -> u32 {
    match event_type {
        "Deposited" => 3,
        "Opened" | "Withdrawn" => 2,
        _ => 1,
    }
}

macro_rules! told_what_happens {
    ($aggregate:ty, $name:literal, $event:ty, $version:path, $upcasters:path) => {
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

            fn schema_version(event_type: &str) -> u32 {
                $version(event_type)
            }

            fn upcasters() -> Upcasters {
                $upcasters()
            }
        }
    };
}

told_what_happens!(Account, "account", AccountEvent, account_version, account_upcasters);

impl Account {
    fn take(&mut self, event: &AccountEvent) {
        match event {
            AccountEvent::Opened { owner, .. } => self.owner.clone_from(owner),
            AccountEvent::Deposited { cents, .. } => self.cents += cents,
            AccountEvent::Withdrawn { cents } => self.cents -= cents,
            AccountEvent::Charged { cents } => {
                self.cents -= cents;
                self.fees += cents;
            }
            AccountEvent::Blocked => self.is_blocked = true,
        }
    }
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Parcel {
    pub(crate) content: String,
    pub(crate) kilos: f64,
    pub(crate) is_delivered: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum ParcelEvent {
    Packed { content: String, kilos: f64 },
    Sent(Id<Account>),
    Delivered,
}

#[derive(Serialize)]
struct PackedV2 {
    content: String,
    kilos: f64,
}

#[derive(Deserialize)]
struct SentV1 {
    payer: Id<Account>,
}

fn parcel_upcasters() -> Upcasters {
    Upcasters::new()
        .upcast("Packed", 1, |(content, grams): (String, u32)| {
            Recast::to(2, PackedV2 { content, kilos: f64::from(grams) / 1_000.0 })
        })
        .upcast("Sent", 1, |old: SentV1| Recast::to(2, old.payer))
        .leave_out("Scanned", 1)
        .rename("Arrived", 1, "Delivered", 1)
}

fn parcel_version(event_type: &str) -> u32 {
    if event_type == "Delivered" { 1 } else { 2 }
}

told_what_happens!(Parcel, "parcel", ParcelEvent, parcel_version, parcel_upcasters);

impl Parcel {
    fn take(&mut self, event: &ParcelEvent) {
        match event {
            ParcelEvent::Packed { content, kilos } => {
                self.content.clone_from(content);
                self.kilos = *kilos;
            }
            ParcelEvent::Sent(_) => {}
            ParcelEvent::Delivered => self.is_delivered = true,
        }
    }
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Memo {
    pub(crate) text: String,
    pub(crate) language: String,
    pub(crate) labels: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum MemoEvent {
    /// A new field with a default is no new version: the codec describes itself.
    Written {
        text: String,
        #[serde(default = "english")]
        language: String,
    },
    /// Was a list.
    Labelled { label: String },
}

fn english() -> String {
    "en".to_owned()
}

/// An upcaster on trees of values, which keeps all other fields of the event.
fn memo_upcasters() -> Upcasters {
    Upcasters::new().upcast("Labelled", 1, |labels: serde_json::Value| {
        let labels = labels.as_array().cloned().unwrap_or_default();
        let each = |label| Recast::to(2, serde_json::json!({ "label": label }));
        Recast::several(labels.into_iter().map(each))
    })
}

fn memo_version(event_type: &str) -> u32 {
    if event_type == "Labelled" { 2 } else { 1 }
}

told_what_happens!(Memo, "memo", MemoEvent, memo_version, memo_upcasters);

impl Memo {
    fn take(&mut self, event: &MemoEvent) {
        match event {
            MemoEvent::Written { text, language } => {
                self.text.clone_from(text);
                self.language.clone_from(language);
            }
            MemoEvent::Labelled { label } => self.labels.push(label.clone()),
        }
    }
}

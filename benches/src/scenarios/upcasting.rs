//! The scenario `upcasting`: the cost of upcasters to a replay, if no event is old and if all are.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Instant;

use actuarius::schema::{Recast, Upcasters};
use actuarius::store::memory::{self, Contents};
use actuarius::store::{Append, Batch, Codec, NewCommit};
use actuarius::{Aggregate, Context, Hosting, Id, Metadata, Runtime, Timestamp, Version};
use fastrand::Rng;
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::machine::{Usage, quiet};
use crate::options::Options;
use crate::row::{Row, median, ratio, store_name};
use crate::subject::StoreKind;
use crate::workload::{Journal, JournalEvent, payload};

/// The schema version of all stored events.
const STORED: u32 = 3;

/// Defines the journal of a release.
macro_rules! release {
    ($name:ident, $version:literal, $upcasters:expr) => {
        #[derive(Default, Serialize, Deserialize)]
        struct $name(Journal);

        impl Aggregate for $name {
            const TYPE: &'static str = Journal::TYPE;
            type Command = ();
            type Event = JournalEvent;
            type Error = Infallible;

            fn decide(
                &self,
                (): (),
                _: &Context,
            ) -> std::result::Result<Vec<JournalEvent>, Infallible> {
                Ok(vec![])
            }

            fn apply(&mut self, event: &JournalEvent) {
                self.0.apply(event);
            }

            fn schema_version(_: &str) -> u32 {
                $version
            }

            fn upcasters() -> Upcasters {
                $upcasters
            }
        }

        impl Countable for $name {
            fn notes(&self) -> u64 {
                self.0.notes
            }
        }
    };
}

trait Countable: Aggregate {
    fn notes(&self) -> u64;
}

#[derive(Serialize, Deserialize)]
struct Recorded {
    note: String,
}

/// Twenty upcasters: two older versions of each of ten event types.
fn twenty() -> Upcasters {
    let same = |version| move |old: Recorded| Recast::to(version, old);
    let upcasters = Upcasters::new().upcast("Recorded", 1, same(2)).upcast("Recorded", 2, same(3));
    (0..9).map(|number| format!("Event{number}")).fold(upcasters, |upcasters, name| {
        // These event types exist no more.
        upcasters.upcast(name.clone(), 1, same(2)).leave_out(name, 2)
    })
}

release!(Plain, 3, Upcasters::new().never_stored("Recorded", 1..3));
release!(NothingOld, 3, twenty());
release!(AllOld, 4, twenty().upcast("Recorded", 3, |old: Recorded| Recast::to(4, old)));

/// Replays one long stream from memory by three releases in turn, so that no disk hides the cost of decoding.
pub(super) async fn upcasting(options: &Options) -> Result<Vec<Row>> {
    let events = options.or(options.events, 500_000, 20_000);
    let contents = stored(events, options)?;
    let (usage, mut rates) = (Usage::now(), [const { Vec::new() }; 3]);
    for _ in 0..options.rounds() {
        rates[0].push(replay::<Plain>(&contents, events).await?);
        rates[1].push(replay::<NothingOld>(&contents, events).await?);
        rates[2].push(replay::<AllOld>(&contents, events).await?);
    }
    let [plain, nothing_old, all_old] = &rates;
    let mut row = Row::new("upcasting", options, &std::env::temp_dir());
    let memory = StoreKind::Memory;
    row.workload.store = store_name(memory).to_owned();
    row.workload.durability = memory.durability().to_owned();
    (row.workload.aggregates, row.workload.clients) = (1, 1);
    row.workload.rounds = plain.len();
    row.foreign_cores = Some(usage.since().1);
    let rate = |rates: &[f64]| median(rates).unwrap_or_default();
    let row = row
        .with_figure(ratio(nothing_old, plain).unwrap_or_default(), "× a type without upcasters")
        .with_detail("plain_events_per_second", rate(plain))
        .with_detail("nothing_old_events_per_second", rate(nothing_old))
        .with_detail("all_old_events_per_second", rate(all_old))
        .with_detail("all_old_ratio", ratio(all_old, plain).unwrap_or_default());
    Ok(vec![row])
}

fn stored(events: u64, options: &Options) -> Result<Arc<Contents>> {
    let (contents, mut rng) = (Arc::default(), Rng::with_seed(options.seed));
    let mut store = memory::reopen(&contents);
    let (stream, metadata) = (Id::<Journal>::new("one")?.stream(), Metadata::default());
    for number in 0..events {
        let mut append = Append::new(stream.clone(), Version::new(number));
        let commit = NewCommit {
            time: Timestamp::default(),
            command_id: format!("command {number}").as_str().into(),
            named_by_caller: false,
            metadata: &metadata,
        };
        let event = JournalEvent::Recorded { note: payload(&mut rng, options.payload_bytes) };
        append.push(commit, Codec::Bincode, &[event], |_| STORED)?;
        let committed = store.writer.commit(&Batch { appends: vec![append], ..Batch::default() });
        committed.map_err(|failure| failure.to_string())?;
    }
    Ok(contents)
}

/// Replays the stream, and returns the events per second.
async fn replay<A: Countable>(contents: &Arc<Contents>, events: u64) -> Result<f64> {
    let runtime = Runtime::builder().on_store(memory::reopen(contents)).await?;
    let journals = runtime.host_with::<A>(Hosting::default().without_snapshots());
    quiet().await;
    let started = Instant::now();
    let notes = journals.query("one", A::notes).await?;
    let took = started.elapsed();
    if notes != events {
        return Err(format!("{notes} of {events} events were replayed").into());
    }
    Ok(events as f64 / took.as_secs_f64())
}

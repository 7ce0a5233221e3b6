//! Compares two releases of an aggregate.

use actuarius_domain::{Aggregate, Position, StreamId, Version};
use actuarius_persistence::{CommitView, EventView, PageLimit, ReadError, Reader};
use serde_json::Value;

use super::pair::{Alike, Divergence, Pair, must_be_none, stream_of, value};
use crate::aggregate::replay;
use crate::schema::decoding::Decoder;
use crate::schema::recorded::StoreShapes;
use crate::testing::fail::fail;

/// Runs two releases of an aggregate over the same real history, and finds the first event after which
/// they differ: `Old` is the current one, `New` the changed one, of the same [`Aggregate::TYPE`]. They may
/// have different events and states; each decodes what is stored with its own
/// [upcasters](Aggregate::upcasters). An event type that has another shape than the one recorded in the store is
/// not read, as by a runtime: that release fails at its first event.
///
/// The history comes from any open store, such as [`Runtime::reader`](crate::Runtime::reader). It is read
/// on this thread, a page at a time; nothing is written.
///
/// ```
/// # use std::convert::Infallible;
/// # use actuarius::{Aggregate, Context, Runtime};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Serialize, Deserialize)]
/// # enum Counted { Added(i64) }
/// # macro_rules! release {
/// #     ($name:ident, $add:expr) => {
/// #         #[derive(Default, Serialize, Deserialize)]
/// #         struct $name { sum: i64 }
/// #         impl Aggregate for $name {
/// #             const TYPE: &'static str = "counter";
/// #             type Command = i64;
/// #             type Event = Counted;
/// #             type Error = Infallible;
/// #             fn decide(&self, amount: i64, _: &Context) -> Result<Vec<Counted>, Infallible> {
/// #                 Ok(vec![Counted::Added(amount)])
/// #             }
/// #             fn apply(&mut self, Counted::Added(amount): &Counted) {
/// #                 let add: fn(i64, i64) -> i64 = $add;
/// #                 self.sum = add(self.sum, *amount);
/// #             }
/// #         }
/// #     };
/// # }
/// # release!(Counter, |sum, amount| sum + amount);
/// # release!(Capped, |sum, amount| (sum + amount).min(9));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use actuarius::testing::divergence;
/// # let runtime = Runtime::in_memory().await?;
/// # let counters = runtime.host::<Counter>();
/// # for amount in [4, 5, 6] { counters.execute("visits", amount).await?; }
///
/// let reader = runtime.reader()?;
/// let found = divergence::<Counter, Capped>(&*reader).find()?.expect("they differ");
/// assert_eq!(found.to_string(), "counter/visits, version 3, position 3: `Added` {\"Added\":6}\n  ~ /sum: 15 -> 9");
/// # Ok(())
/// # }
/// ```
///
/// # Panics
/// If the two have different types.
#[must_use = "nothing is compared before `find` or `then_none`"]
#[track_caller]
pub fn divergence<Old: Aggregate, New: Aggregate>(
    reader: &dyn Reader,
) -> Divergences<'_, Old, New> {
    if Old::TYPE != New::TYPE {
        fail(&format!("{:?} and {:?} have no history in common", Old::TYPE, New::TYPE));
    }
    Divergences { reader, ids: None, until: Position::new(u64::MAX), alike: None }
}

/// Two releases of an aggregate, and the history they are run over.
#[must_use = "nothing is compared before `find` or `then_none`"]
pub struct Divergences<'a, Old, New> {
    reader: &'a dyn Reader,
    ids: Option<Vec<String>>,
    until: Position,
    alike: Option<Alike<Old, New>>,
}

/// The decoders of both releases. Each reads only what has the shape that is recorded in the store.
type Decoders<Old, New> = (Decoder<Old>, Decoder<New>);

impl<Old: Aggregate, New: Aggregate> Divergences<'_, Old, New> {
    /// Compares these aggregates only, in this order. Default: all of the type, in the order in which they
    /// began.
    pub fn of<I: Into<String>>(mut self, ids: impl IntoIterator<Item = I>) -> Self {
        self.ids = Some(ids.into_iter().map(Into::into).collect());
        self
    }

    /// Compares the events up to this position only.
    pub fn until(mut self, position: Position) -> Self {
        self.until = position;
        self
    }

    /// Sets when two states are equal. Default: when they are the same JSON.
    pub fn alike_if(mut self, alike: impl Fn(&Old, &New) -> bool + 'static) -> Self {
        self.alike = Some(Box::new(alike));
        self
    }

    /// Returns the first divergence: that of the first aggregate which has one.
    ///
    /// # Errors
    /// [`ReadError`]; what was read before the failure has no divergence.
    pub fn find(&self) -> Result<Option<Divergence>, ReadError> {
        let shapes = StoreShapes::read(self.reader)?;
        let decoders = (Decoder::of(&shapes), Decoder::of(&shapes));
        let Some(ids) = &self.ids else { return self.find_in_all(decoders) };
        for stream in ids.iter().filter_map(|id| stream_of(Old::TYPE, id)) {
            if let Some(found) = self.find_in(decoders, &stream)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Checks that there is no divergence.
    #[track_caller]
    pub fn then_none(self) {
        must_be_none(self.find());
    }

    /// Finds new aggregates in the log, so that none has to be remembered.
    fn find_in_all(&self, decoders: Decoders<Old, New>) -> Result<Option<Divergence>, ReadError> {
        let mut at = Position::NONE;
        loop {
            let page = self.reader.read_log(at, PageLimit::default())?;
            for commit in &page.commits {
                let view = commit.view();
                at = view.last_position();
                if at > self.until {
                    return Ok(None);
                }
                let begins = view.category == Old::TYPE && view.version == Version::new(1);
                let stream = begins.then(|| stream_of(view.category, view.id)).flatten();
                if let Some(stream) = stream
                    && let Some(found) = self.find_in(decoders, &stream)?
                {
                    return Ok(Some(found));
                }
            }
            if !page.more {
                return Ok(None);
            }
        }
    }

    fn find_in(
        &self,
        (old, new): Decoders<Old, New>,
        stream: &StreamId,
    ) -> Result<Option<Divergence>, ReadError> {
        let (fold_old, fold_new) = (folding(old), folding(new));
        let event_json = |_: &CommitView<'_>, event: &EventView<'_>| {
            event_json(old, event).or_else(|| event_json(new, event))
        };
        let mut pair = Pair {
            old: (Old::default(), &fold_old),
            new: (New::default(), &fold_new),
            alike: self.alike.as_ref(),
            event_json: &event_json,
        };
        // States that rest on removed events cannot be compared.
        let (mut after, mut is_lost) = (Version::NONE, false);
        loop {
            let page =
                self.reader.read_stream(stream, after, Position::NONE, PageLimit::default())?;
            for commit in &page.commits {
                let view = commit.view();
                after = view.last_version();
                is_lost |= commit.gone().is_some();
                for event in view.events().take_while(|event| event.position <= self.until) {
                    if event.deletion().is_some() {
                        // Both start over.
                        (pair.old.0, pair.new.0, is_lost) = (Old::default(), New::default(), false);
                    } else if !is_lost && let Some(found) = pair.take(&view, &event, true) {
                        return Ok(Some(*found));
                    }
                }
            }
            if !page.more {
                return Ok(None);
            }
        }
    }
}

/// Applies an event as recovery does.
fn folding<A: Aggregate>(
    decoder: Decoder<A>,
) -> impl Fn(&mut A, &CommitView<'_>, &EventView<'_>) -> Result<(), String> {
    move |state, _, event| {
        let facts = replay::decode(decoder, event).map_err(|error| error.to_string())?;
        replay::fold(state, &facts).map_err(|panic| format!("`apply` panicked: {panic}"))
    }
}

/// Returns the current events of a stored event, as JSON.
pub(super) fn event_json<A: Aggregate>(
    decoder: Decoder<A>,
    event: &EventView<'_>,
) -> Option<Value> {
    let facts = replay::decode(decoder, event).ok()?;
    let values: Vec<_> = facts.iter().map(value).collect::<Result<_, _>>().ok()?;
    match <[Value; 1]>::try_from(values) {
        Ok([value]) => Some(value),
        Err(values) => Some(Value::Array(values)),
    }
}

//! What happens in the model of followers: jars of coins, and everything that follows them.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use actuarius::error::BoxError;
use actuarius::projection::{
    Database, DeletedAggregate, EventBatch, KeyedProjection, Projection, RawEvent, Rows, View,
};
use actuarius::saga::{Answer, Correlation, Effects, ReactsTo, Saga, Sends};
use actuarius::{Aggregate, Context, Envelope, Id, Personal, Position};
use serde::{Deserialize, Serialize};

/// A jar. Its events name the life of the jar: how often its id was used before.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(super) struct Jar {
    row: Row,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum JarEvent {
    Owned { life: u32, owner: Personal<String> },
    Put { life: u32, coins: i64 },
}

impl Aggregate for Jar {
    const TYPE: &'static str = "jar";
    type Command = Vec<JarEvent>;
    type Event = JarEvent;
    type Error = Infallible;

    fn decide(&self, events: Vec<JarEvent>, _: &Context) -> Result<Vec<JarEvent>, Infallible> {
        Ok(events)
    }

    fn apply(&mut self, event: &JarEvent) {
        self.row.take(event);
    }
}

/// What every view shows of a jar, with the owner in clear text.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Row {
    pub(super) puts: u64,
    pub(super) coins: i64,
    pub(super) owner: Option<String>,
}

impl Row {
    pub(super) fn take(&mut self, event: &JarEvent) {
        match event {
            JarEvent::Owned { owner, .. } => self.owner = owner.get().cloned(),
            JarEvent::Put { coins, .. } => {
                self.puts += 1;
                // Not commutative, so that an order matters.
                self.coins = self.coins.wrapping_mul(3).wrapping_add(*coins);
            }
        }
    }
}

/// The jars in a value in memory.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct InMemoryJars(pub(super) BTreeMap<String, Row>);

impl Projection<Jar> for InMemoryJars {
    fn project(&mut self, envelope: &Envelope<Jar>) {
        self.0.entry(envelope.id.as_str().to_owned()).or_default().take(&envelope.event);
    }
}

impl InMemoryJars {
    pub(super) fn end(&mut self, deleted: &DeletedAggregate<Jar>) {
        self.0.remove(deleted.id.as_str());
    }
}

/// The jars in rows.
pub(super) struct KeyedJars;

impl View for KeyedJars {
    type Key = String;
    type Row = Row;
}

impl KeyedProjection<Jar> for KeyedJars {
    fn project(rows: &mut Rows<'_, Self>, envelope: &Envelope<Jar>) {
        rows.update(envelope.id.as_str(), |row: &mut Row| row.take(&envelope.event));
    }
}

/// The jars in a database of the user's, which survives the process. It keeps no owners: the runtime cannot erase them
/// there.
#[derive(Clone, Default)]
pub(super) struct Shelf {
    stored: Arc<Mutex<Stored>>,
    life: u64,
}

#[derive(Default)]
struct Stored {
    position: Position,
    jars: BTreeMap<String, Row>,
    /// The number of the process that may write.
    life: u64,
}

impl Shelf {
    /// Opens it for the next process. The one before writes no more.
    pub(super) fn reopened(&self) -> Self {
        let mut stored = self.stored.lock().unwrap();
        stored.life += 1;
        Self { stored: self.stored.clone(), life: stored.life }
    }

    pub(super) fn jars(&self) -> BTreeMap<String, Row> {
        self.stored.lock().unwrap().jars.clone()
    }
}

impl Database for Shelf {
    fn position(&mut self) -> Result<Position, BoxError> {
        Ok(self.stored.lock().unwrap().position)
    }

    fn project(&mut self, batch: &EventBatch<'_>) -> Result<(), BoxError> {
        let mut shelf = self.stored.lock().unwrap();
        if shelf.life != self.life {
            return Err("it is closed".into());
        }
        for event in batch.events() {
            if event.is_deletion() {
                shelf.jars.remove(event.id());
                continue;
            }
            for envelope in event.decode::<Jar>()? {
                let row = shelf.jars.entry(event.id().to_owned()).or_default();
                row.take(&envelope.event);
                row.owner = None;
            }
        }
        shelf.position = batch.position();
        Ok(())
    }
}

/// What a handler has received, with the subjects that were forgotten before.
#[derive(Clone, Default)]
pub(super) struct Heard(pub(super) Arc<Mutex<HeardEvents>>);

#[derive(Default)]
pub(super) struct HeardEvents {
    /// By position; an event may be handled twice.
    pub(super) events: BTreeMap<u64, String>,
    pub(super) forgotten: BTreeSet<String>,
    /// What must not happen.
    pub(super) wrong: Vec<String>,
}

impl Heard {
    /// Handles an event; some fail at first.
    pub(super) fn handle(
        &self,
        envelope: &Envelope<Jar>,
        attempts: &mut BTreeSet<u64>,
    ) -> Result<(), BoxError> {
        let position = envelope.header.position.get();
        if position.is_multiple_of(5) && attempts.insert(position) {
            return Err("once".into());
        }
        let mut heard = self.0.lock().unwrap();
        let life = match &envelope.event {
            JarEvent::Owned { life, owner } => {
                if heard.forgotten.contains(owner.subject()) && owner.get().is_some() {
                    heard.wrong.push(format!("clear text at {position} of {}", owner.subject()));
                }
                *life
            }
            JarEvent::Put { life, .. } => *life,
        };
        heard.events.insert(position, life_of(envelope.id.as_str(), life));
        Ok(())
    }
}

/// The name of one life of a jar.
pub(super) fn life_of(id: &str, life: u32) -> String {
    format!("{id}-{life}")
}

/// Counts what the saga has sent for one life of a jar.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(super) struct Tally {
    pub(super) positions: BTreeSet<u64>,
    pub(super) repeated: u32,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Counted {
    Counted(u64),
}

impl Aggregate for Tally {
    const TYPE: &'static str = "tally";
    type Command = u64;
    type Event = Counted;
    type Error = Infallible;

    fn decide(&self, position: u64, _: &Context) -> Result<Vec<Counted>, Infallible> {
        Ok(vec![Counted::Counted(position)])
    }

    fn apply(&mut self, Counted::Counted(position): &Counted) {
        self.repeated += u32::from(!self.positions.insert(*position));
    }
}

/// Counts each put in the tally of its jar's life.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(super) struct Counting;

impl Saga for Counting {
    const TYPE: &'static str = "counting";
    type Deadline = ();
}

impl ReactsTo<Jar> for Counting {
    fn correlate(envelope: &Envelope<Jar>) -> Correlation {
        match envelope.event {
            JarEvent::Put { .. } => Correlation::start(envelope.header.position.to_string()),
            JarEvent::Owned { .. } => Correlation::ignore(),
        }
    }

    fn react(&mut self, envelope: &Envelope<Jar>) -> Effects<Self> {
        let JarEvent::Put { life, .. } = envelope.event else { return Effects::none() };
        let tally = Id::new(life_of(envelope.id.as_str(), life)).expect("a short id");
        Effects::none().send::<Tally>(&tally, envelope.header.position.get())
    }
}

impl Sends<Tally> for Counting {
    fn answered(&mut self, _: Answer<Tally>) -> Effects<Self> {
        Effects::complete()
    }
}

/// Orders by the jar; the end of a stream has its id, too.
pub(super) fn by_jar(event: &RawEvent<'_>) -> String {
    event.id().to_owned()
}

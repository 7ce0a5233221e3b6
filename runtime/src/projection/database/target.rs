use std::fmt::Display;
use std::sync::{Arc, Mutex, PoisonError};

use actuarius_domain::Position;
use actuarius_persistence::Commit;

use super::{Database, EventBatch};
use crate::base::panics::guarded;
use crate::engine::Engine;
use crate::follow::followers::{BoxError, StartError};
use crate::projection::host::{Opened, Source};
use crate::projection::target::{Failed, Target};

/// How many events of other types may pass before the position is stored on its own: at the next
/// start as many are read again.
const PASSED_BY_MAX: u64 = 65_536;

/// What is handed over, and how much at once.
pub(super) struct Demands {
    pub(super) categories: Vec<&'static str>,
    pub(super) batch_events: u64,
}

impl Default for Demands {
    fn default() -> Self {
        Self { categories: vec![], batch_events: 1_000 }
    }
}

/// Where the database of one projection comes from: the user.
pub(super) struct DatabaseSource<D> {
    pub(super) name: String,
    pub(super) engine: Arc<Engine>,
    pub(super) demands: Arc<Demands>,
    pub(super) database: Mutex<Option<D>>,
}

impl<D: Database> Source<DatabaseTarget<D>> for DatabaseSource<D> {
    fn open(&self) -> Result<Opened<DatabaseTarget<D>>, StartError> {
        let refused = |source| StartError::Database { name: self.name.clone(), source };
        let database = self.database.lock().unwrap_or_else(PoisonError::into_inner).take();
        let database = database.ok_or_else(|| {
            refused("it was lost with an actor that failed; start the projection again".into())
        })?;
        let (engine, demands) = (self.engine.clone(), self.demands.clone());
        let mut target = DatabaseTarget::unasked(database, engine, demands);
        target.position = asked(|| target.database.position()).map_err(refused)?;
        target.must_ask = false;
        target.stored = target.position;
        Ok(Opened { target, older: None })
    }

    fn fresh(&self) -> Result<DatabaseTarget<D>, Failed> {
        Err(Failed::at(Position::NONE, "a database is rebuilt beside another one of the user's"))
    }
}

/// Asks the user's database, whose panics are failures, too.
fn asked<T>(ask: impl FnOnce() -> Result<T, BoxError>) -> Result<T, BoxError> {
    guarded(ask).unwrap_or_else(|panic| Err(format!("the database panicked: {panic}").into()))
}

/// Hands events over to a database of the user's.
pub(crate) struct DatabaseTarget<D> {
    database: D,
    engine: Arc<Engine>,
    demands: Arc<Demands>,
    /// Everything up to here is in the database, as far as it was asked for.
    position: Position,
    /// What the database says.
    stored: Position,
    /// Whether what it says is not known: before the first time, and after a failure.
    must_ask: bool,
}

impl<D: Database> DatabaseTarget<D> {
    /// One that is asked for its position when the first events come.
    pub(super) fn unasked(database: D, engine: Arc<Engine>, demands: Arc<Demands>) -> Self {
        let (position, stored, must_ask) = (Position::NONE, Position::NONE, true);
        Self { database, engine, demands, position, stored, must_ask }
    }

    /// Learns where the database stands, which decides from where to go on.
    fn ask(&mut self) -> Result<(), Failed> {
        let position = asked(|| self.database.position());
        let position = position.map_err(|error| self.failed(self.position.next(), error))?;
        let head = self.engine.tail.head();
        if position > head {
            let why = format!("the database is at position {position}, but the log ends at {head}");
            return Err(Failed::at(position, why));
        }
        (self.position, self.stored, self.must_ask) = (position, position, false);
        Ok(())
    }

    fn project(&mut self, commits: &[&Commit], position: Position) -> Result<(), Failed> {
        let batch = EventBatch::of(commits, position);
        let projected = asked(|| self.database.project(&batch));
        projected.map_err(|error| {
            let first = commits.first().map_or(position, |commit| commit.position());
            self.must_ask = true;
            self.failed(first, error)
        })?;
        (self.position, self.stored) = (position, position);
        Ok(())
    }

    fn failed(&self, at: Position, why: impl Display) -> Failed {
        Failed::at(at, format_args!("the database refused: {why}"))
    }

    /// How many commits make a batch, and how many of their events are asked for.
    fn batch(&self, commits: &[Commit]) -> (usize, u64) {
        let mut events = 0;
        for (index, commit) in commits.iter().enumerate() {
            let commit = commit.view();
            let some = if self.wants(commit.category) { commit.events } else { 0 };
            if events > 0 && events + some > self.demands.batch_events {
                return (index, events);
            }
            events += some;
        }
        (commits.len(), events)
    }

    fn wants(&self, category: &str) -> bool {
        self.demands.categories.contains(&category)
    }
}

impl<D: Database> Target for DatabaseTarget<D> {
    fn position(&self) -> Position {
        self.position
    }

    fn take(&mut self, commits: &[Commit]) -> Result<u64, Failed> {
        if self.must_ask {
            self.ask()?;
        }
        // What seemed to fail may have been stored.
        let known = commits.partition_point(|commit| commit.last_position() <= self.position);
        let rest = &commits[known..];
        if let Some(first) = rest.first()
            && first.position() != self.position.next()
        {
            return Err(Failed::at(self.position.next(), "the database was at another position"));
        }
        // One transaction: whatever is asked of the projection waits no longer than that.
        let (length, events) = self.batch(rest);
        let batch = &rest[..length];
        let last = batch.last().map_or(self.position, Commit::last_position);
        if events == 0 {
            self.position = last;
        } else {
            let wanted: Vec<_> = batch.iter().filter(|it| self.wants(it.view().category)).collect();
            self.project(&wanted, last)?;
        }
        Ok(events)
    }

    fn recover(&mut self) {
        if self.must_ask {
            // If it does not say either, it is asked again when events come.
            let _ = self.ask();
        }
    }

    fn is_save_due(&self) -> bool {
        self.position.get().saturating_sub(self.stored.get()) >= PASSED_BY_MAX
    }

    /// The events that were asked for are all stored; this is about those that have passed by since.
    /// A failure costs a longer start at most.
    fn save(&mut self) {
        if self.position > self.stored
            && !self.must_ask
            && let Err(Failed { why, .. }) = self.project(&[], self.position)
        {
            tracing::warn!(target: "actuarius::projection", why, "the position was not stored");
        }
    }

    fn prepare(&mut self) -> Result<(), Failed> {
        if self.must_ask { self.ask() } else { Ok(()) }
    }

    fn serve(&mut self) -> Result<(), Failed> {
        let taken = asked(|| self.database.take_over());
        taken.map_err(|error| {
            // It may have taken over all the same.
            self.must_ask = true;
            self.failed(self.position.next(), error)
        })
    }

    fn look_again(&mut self) {
        self.must_ask = true;
    }
}

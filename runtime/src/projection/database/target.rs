//! `DatabaseTarget`: hands events over to a database of the user.

use std::fmt::Display;
use std::sync::{Arc, Mutex, PoisonError};

use actuarius_domain::Position;
use actuarius_persistence::Commit;
use uuid::Uuid;

use super::batch::EventBatch;
use super::database_trait::Database;
use super::selection::Selection;
use crate::base::panics::guarded;
use crate::engine::Engine;
use crate::follow::followers::{BoxError, StartError};
use crate::projection::host::{Opened, Source};
use crate::projection::target::{Failed, Target, is_position_due, not_yet_taken};

/// Holds the user's database until the projection opens it.
pub(super) struct DatabaseSource<D> {
    name: String,
    engine: Arc<Engine>,
    selection: Arc<Selection>,
    database: Mutex<Option<D>>,
    /// The events that it did not follow at its last start, until it has started.
    widened_by: Mutex<Vec<String>>,
}

impl<D: Database> DatabaseSource<D> {
    pub(super) fn of(
        name: String,
        engine: Arc<Engine>,
        selection: Arc<Selection>,
        (database, widened_by): (Mutex<Option<D>>, Mutex<Vec<String>>),
    ) -> Self {
        Self { name, engine, selection, database, widened_by }
    }

    /// Refuses a database that has passed events which it did not follow then.
    fn unless_widened(&self, position: Position) -> Result<(), StartError> {
        let mut events = self.widened_by.lock().unwrap_or_else(PoisonError::into_inner);
        let events = std::mem::take(&mut *events);
        if events.is_empty() || position == Position::NONE {
            return Ok(());
        }
        let (name, events) = (self.name.clone(), events.join(", "));
        Err(StartError::Widened { name, position, events })
    }
}

impl<D: Database> Source<DatabaseTarget<D>> for DatabaseSource<D> {
    fn open(&self) -> Result<Opened<DatabaseTarget<D>>, StartError> {
        let refused = |source| StartError::Database { name: self.name.clone(), source };
        let database = self.database.lock().unwrap_or_else(PoisonError::into_inner).take();
        let database = database.ok_or_else(|| {
            refused("it was lost with a failed actor; start the projection again".into())
        })?;
        let (engine, selection) = (self.engine.clone(), self.selection.clone());
        let mut target = DatabaseTarget::unchecked(database, engine, selection);
        target.position = call(|| target.database.position()).map_err(refused)?;
        if let Some(store) = target.other_history(target.position).map_err(refused)? {
            let (name, position) = (self.name.clone(), target.position);
            return Err(StartError::OtherHistory { name, store, position });
        }
        self.unless_widened(target.position)?;
        target.must_check = false;
        target.stored = target.position;
        Ok(Opened { target, older: None })
    }

    fn fresh(&self) -> Result<DatabaseTarget<D>, Failed> {
        Err(Failed::at(Position::NONE, "a database is rebuilt only into another database"))
    }
}

/// Calls the user's database. A panic counts as a failure.
fn call<T>(work: impl FnOnce() -> Result<T, BoxError>) -> Result<T, BoxError> {
    guarded(work).unwrap_or_else(|panic| Err(format!("the database panicked: {panic}").into()))
}

/// Hands events over to a database of the user.
pub(crate) struct DatabaseTarget<D> {
    database: D,
    engine: Arc<Engine>,
    selection: Arc<Selection>,
    /// The database has every followed event up to here.
    position: Position,
    /// The position that is stored in the database.
    stored: Position,
    /// Whether that position is unknown: before the first call, and after a failure.
    must_check: bool,
}

impl<D: Database> DatabaseTarget<D> {
    /// Creates a target whose position is read when the first events come.
    pub(super) fn unchecked(database: D, engine: Arc<Engine>, selection: Arc<Selection>) -> Self {
        let (position, stored, must_check) = (Position::NONE, Position::NONE, true);
        Self { database, engine, selection, position, stored, must_check }
    }

    /// Reads the position of the database, after which the projection continues.
    fn check_position(&mut self) -> Result<(), Failed> {
        let position = call(|| self.database.position());
        let position = position.map_err(|error| self.failed(self.position.next(), error))?;
        let head = self.engine.tail.head();
        if position > head {
            let why = format!("the database is at position {position}, but the log ends at {head}");
            return Err(Failed::at(position, why));
        }
        let other = self.other_history(position);
        if let Some(store) = other.map_err(|error| self.failed(position, error))? {
            let why =
                format!("the database is at position {position} of the history of store {store}");
            return Err(Failed::at(position, why));
        }
        (self.position, self.stored, self.must_check) = (position, position, false);
        Ok(())
    }

    /// Returns the store whose events the database has, if the history of this one is another up to `position`.
    fn other_history(&mut self, position: Position) -> Result<Option<Uuid>, BoxError> {
        if position == Position::NONE {
            return Ok(None);
        }
        let store = call(|| self.database.store())?;
        let lineage = self.engine.store.reader()?.maintenance().lineage();
        Ok(store.filter(|store| !lineage.shares(*store, position)))
    }

    fn project(&mut self, commits: &[&Commit], position: Position) -> Result<(), Failed> {
        let reader = self.engine.store.reader().map_err(|error| Failed::at(position, error))?;
        let batch = EventBatch::of(commits, (position, reader.identity()), &self.engine.shapes);
        let projected = call(|| self.database.project(&batch));
        projected.map_err(|error| {
            let first = commits.first().map_or(position, |commit| commit.position());
            self.must_check = true;
            self.failed(first, error)
        })?;
        (self.position, self.stored) = (position, position);
        Ok(())
    }

    fn failed(&self, at: Position, why: impl Display) -> Failed {
        Failed::at(at, format_args!("the database refused: {why}"))
    }

    /// Returns how many commits make a batch, and how many of their events are followed.
    fn batch(&self, commits: &[Commit]) -> (usize, u64) {
        let mut events = 0;
        for (index, commit) in commits.iter().enumerate() {
            let commit = commit.view();
            let some = if self.selection.has(&commit) { commit.events } else { 0 };
            if events > 0 && events + some > self.selection.batch_events {
                return (index, events);
            }
            events += some;
        }
        (commits.len(), events)
    }
}

impl<D: Database> Target for DatabaseTarget<D> {
    fn position(&self) -> Position {
        self.position
    }

    fn take(&mut self, commits: &[Commit]) -> Result<u64, Failed> {
        if self.must_check {
            self.check_position()?;
        }
        let rest = not_yet_taken(commits, self.position, "database")?;
        // One transaction, so that requests to the projection wait no longer than that.
        let (length, events) = self.batch(rest);
        let batch = &rest[..length];
        let last = batch.last().map_or(self.position, Commit::last_position);
        if events == 0 {
            self.position = last;
        } else {
            let wanted: Vec<_> = batch.iter().filter(|it| self.selection.has(&it.view())).collect();
            self.project(&wanted, last)?;
        }
        Ok(events)
    }

    fn recover(&mut self) {
        if self.must_check {
            // After a failure it is read again when events come.
            let _ = self.check_position();
        }
    }

    fn is_save_due(&self) -> bool {
        is_position_due(self.position, self.stored)
    }

    /// Stores the position alone. All followed events are stored, and after a failure at most the next start
    /// takes longer.
    fn save(&mut self) {
        if self.position > self.stored
            && !self.must_check
            && let Err(Failed { why, .. }) = self.project(&[], self.position)
        {
            tracing::warn!(target: "actuarius::projection", why, "the position was not stored");
        }
    }

    fn prepare(&mut self) -> Result<(), Failed> {
        if self.must_check { self.check_position() } else { Ok(()) }
    }

    fn serve(&mut self) -> Result<(), Failed> {
        let taken = call(|| self.database.take_over());
        taken.map_err(|error| {
            // It may have taken over although it failed.
            self.must_check = true;
            self.failed(self.position.next(), error)
        })
    }

    fn recheck(&mut self) {
        self.must_check = true;
    }
}

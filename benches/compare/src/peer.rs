//! The bank on cqrs-es with its store in memory, as its documentation sets it up, and with events in SQLite.

use std::path::Path;
use std::sync::Arc;

use actuarius_bench::Result;
use actuarius_bench::workload::Name;
use cqrs_es::event_sink::EventSink;
use cqrs_es::mem_store::MemStore;
use cqrs_es::persist::PersistedEventStore;
use cqrs_es::{AggregateContext, AggregateError, CqrsFramework, DomainEvent, EventStore};

use crate::bank::{Account, Candidate, Command, Event, Refusal};
use crate::sqlite::SqliteEvents;

impl DomainEvent for Event {
    fn event_type(&self) -> String {
        match self {
            Self::Opened { .. } => "Opened",
            Self::Deposited { .. } => "Deposited",
            Self::Withdrawn { .. } => "Withdrawn",
        }
        .to_owned()
    }

    fn event_version(&self) -> String {
        "1.0".to_owned()
    }
}

impl cqrs_es::Aggregate for Account {
    const TYPE: &'static str = "account";
    type Command = Command;
    type Event = Event;
    type Error = Refusal;
    type Services = ();

    async fn handle(
        &mut self,
        command: Command,
        (): &(),
        sink: &EventSink<Self>,
    ) -> std::result::Result<(), Refusal> {
        let event = self.decide_event(command)?;
        sink.write(event, self).await;
        Ok(())
    }

    fn apply(&mut self, event: Event) {
        self.apply_event(&event);
    }
}

/// The framework, and its store, whose events are read.
pub(crate) struct Peer<S: EventStore<Account>> {
    framework: Arc<CqrsFramework<Account, S>>,
    store: Arc<S>,
}

impl<S: EventStore<Account>> Clone for Peer<S> {
    fn clone(&self) -> Self {
        Self { framework: self.framework.clone(), store: self.store.clone() }
    }
}

impl Peer<MemStore<Account>> {
    pub(crate) fn in_memory() -> Self {
        Self::on(&MemStore::default(), Clone::clone)
    }
}

impl Peer<PersistedEventStore<SqliteEvents, Account>> {
    /// Creates the database in this file.
    pub(crate) fn in_sqlite(path: &Path) -> Result<Self> {
        let events = SqliteEvents::create(path)?;
        Ok(Self::on(&events, |events| PersistedEventStore::new_event_store(events.clone())))
    }
}

impl<S: EventStore<Account>> Peer<S> {
    fn on<T>(source: &T, store: impl Fn(&T) -> S) -> Self {
        let framework = Arc::new(CqrsFramework::new(store(source), vec![], ()));
        Self { framework, store: Arc::new(store(source)) }
    }
}

impl<S: EventStore<Account> + 'static> Candidate for Peer<S>
where
    S::AC: Send,
{
    /// A conflict with another client is tried again, which the library leaves to its users.
    async fn execute(&self, account: usize, command: Command) -> std::result::Result<(), String> {
        let id = Name::of(account);
        for _ in 0..CONFLICTS_MAX {
            match self.framework.execute(id.as_str(), command.clone()).await {
                Err(AggregateError::AggregateConflict) => {}
                executed => return executed.map_err(|error| error.to_string()),
            }
        }
        Err("too many conflicts".to_owned())
    }

    async fn movements(&self, account: usize) -> Result<u64> {
        let loaded = self.store.load_aggregate(Name::of(account).as_str()).await;
        Ok(loaded.map_err(|error| error.to_string())?.aggregate().movements)
    }
}

/// Conflicts in a row after which a command fails: more than there are clients.
const CONFLICTS_MAX: usize = 100_000;

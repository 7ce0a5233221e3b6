//! The bank on cqrs-es with its store in memory, as its documentation sets it up.

use std::sync::Arc;

use actuarius_bench::Result;
use actuarius_bench::workload::Name;
use cqrs_es::event_sink::EventSink;
use cqrs_es::mem_store::MemStore;
use cqrs_es::{AggregateContext, CqrsFramework, DomainEvent, EventStore};

use crate::bank::{Account, Candidate, Command, Event, Refusal};

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
#[derive(Clone)]
pub(crate) struct Peer {
    framework: Arc<CqrsFramework<Account, MemStore<Account>>>,
    store: MemStore<Account>,
}

impl Peer {
    pub(crate) fn new() -> Self {
        let store = MemStore::default();
        let framework = Arc::new(CqrsFramework::new(store.clone(), vec![], ()));
        Self { framework, store }
    }
}

impl Candidate for Peer {
    async fn execute(&self, account: usize, command: Command) -> std::result::Result<(), String> {
        let executed = self.framework.execute(Name::of(account).as_str(), command).await;
        executed.map_err(|error| error.to_string())
    }

    async fn movements(&self, account: usize) -> Result<u64> {
        let loaded = self.store.load_aggregate(Name::of(account).as_str()).await;
        Ok(loaded.map_err(|error| error.to_string())?.aggregate().movements)
    }
}

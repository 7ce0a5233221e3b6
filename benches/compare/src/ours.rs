//! The bank on Actuarius.

use actuarius::{Aggregates, Context, Runtime};
use actuarius_bench::Result;
use actuarius_bench::workload::Name;

use crate::bank::{Account, Candidate, Command, Event, Refusal};

impl actuarius::Aggregate for Account {
    const TYPE: &'static str = "account";
    type Command = Command;
    type Event = Event;
    type Error = Refusal;

    fn decide(&self, command: Command, _: &Context) -> std::result::Result<Vec<Event>, Refusal> {
        self.decide_event(command).map(|event| vec![event])
    }

    fn apply(&mut self, event: &Event) {
        self.apply_event(event);
    }
}

/// The accounts of an open runtime.
#[derive(Clone)]
pub(crate) struct Ours(Aggregates<Account>);

impl Ours {
    pub(crate) fn on(runtime: &Runtime) -> Self {
        Self(runtime.host())
    }
}

impl Candidate for Ours {
    async fn execute(&self, account: usize, command: Command) -> std::result::Result<(), String> {
        let executed = self.0.execute(Name::of(account).as_str(), command).await;
        executed.map(drop).map_err(|error| error.to_string())
    }

    async fn movements(&self, account: usize) -> Result<u64> {
        Ok(self.0.query(Name::of(account).as_str(), |account| account.movements).await?)
    }
}

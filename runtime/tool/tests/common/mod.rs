//! Fills stores for the tests, and runs the program on them.

#![allow(dead_code, reason = "each test file uses its part")]

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use actuarius::{Aggregate, Aggregates, Codec, Context, Hosting, Runtime};
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Account {
    pub(crate) owner: String,
    pub(crate) cents: i64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum AccountEvent {
    Opened { owner: String },
    Deposited(i64),
    Closed,
}

#[derive(Debug, thiserror::Error)]
#[error("no")]
pub(crate) struct No;

impl Aggregate for Account {
    const TYPE: &'static str = "account";
    type Command = Vec<AccountEvent>;
    type Event = AccountEvent;
    type Error = No;

    fn decide(&self, events: Vec<AccountEvent>, _: &Context) -> Result<Vec<AccountEvent>, No> {
        Ok(events)
    }

    fn apply(&mut self, event: &AccountEvent) {
        match event {
            AccountEvent::Opened { owner } => self.owner.clone_from(owner),
            AccountEvent::Deposited(cents) => {
                assert_ne!(*cents, 666, "apply of the test's panics");
                self.cents += cents;
            }
            AccountEvent::Closed => self.cents = 0,
        }
    }
}

/// Fills a store by a runtime, and closes it.
pub(crate) fn filled<T>(
    directory: &Path,
    codec: Codec,
    fill: impl AsyncFnOnce(&Runtime, &Aggregates<Account>) -> T,
) -> T {
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio.block_on(async {
        let runtime = Runtime::open(directory).await.unwrap();
        let accounts = runtime.host_with(Hosting::default().codec(codec));
        let filled = fill(&runtime, &accounts).await;
        assert!(runtime.shutdown(Duration::from_secs(60)).await.is_clean());
        filled
    })
}

/// Fills two accounts with three and two events. The first one has one event in a commit of its
/// own.
pub(crate) fn two_accounts(directory: &Path, codec: Codec) {
    use AccountEvent::{Closed, Deposited, Opened};
    filled(directory, codec, async |_, accounts| {
        let opened = |owner: &str| Opened { owner: owner.to_owned() };
        accounts.execute("alice", vec![opened("Alice")]).await.unwrap();
        let asked = accounts.execute("bob", vec![opened("Bob"), Deposited(7)]).command_id("one");
        asked.await.unwrap();
        accounts.execute("alice", vec![Deposited(500), Closed]).await.unwrap();
    });
}

/// The result of a run of the program.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) errors: String,
}

impl Ran {
    /// Returns the lines of standard output, each of them a JSON document.
    pub(crate) fn json(&self) -> Vec<Value> {
        assert!(self.errors.is_empty(), "{}", self.errors);
        self.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Returns the only JSON document on standard output.
    pub(crate) fn document(&self) -> Value {
        let mut all = self.json();
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    pub(crate) fn fine(self) -> Self {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }
}

/// Runs `actuarius --store DIRECTORY …`.
pub(crate) fn actuarius(directory: &Path, arguments: &[&str]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_actuarius"));
    command.env_remove("ACTUARIUS_STORE").env_remove("ACTUARIUS_MASTER_KEYS");
    command.arg("--store").arg(directory).args(arguments);
    let output = command.output().unwrap();
    Ran {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        errors: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Runs the same with `--json`.
pub(crate) fn json(directory: &Path, arguments: &[&str]) -> Ran {
    actuarius(directory, &[&["--json"], arguments].concat())
}

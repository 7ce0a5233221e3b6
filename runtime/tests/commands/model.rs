//! Compares the whole runtime with a model of a few lines: commands, repetitions, passivation,
//! restarts, crashes and failing stores, in any order that proptest generates.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use actuarius::error::Written;
use actuarius::store::fault::{self, Failure as StoreFailing, Faults};
use actuarius::store::memory::{self, Contents};
use actuarius::{
    Aggregates, ExecuteError, Expected, Failure, Hosting, Position, Receipt, Runtime, Version,
};
use proptest::prelude::*;

use crate::common::{Command, Ledger, Refused};

#[derive(Debug, Clone)]
enum Step {
    /// Commands sent at the same time, so that they meet in inboxes and commits.
    Send(Vec<Order>),
    /// The command with this number, sent again under its own id.
    Repeat(usize),
    Query(u8),
    Passivate(u8),
    Restart,
    Crash,
    /// The store fails at its next commit with this failure. Then the runtime is restarted.
    Fail(StoreFailing, Vec<Order>),
}

#[derive(Debug, Clone)]
struct Order {
    id: u8,
    command: Command,
    expect_now: bool,
}

fn order() -> impl Strategy<Value = Order> {
    let command = prop_oneof![
        6 => any::<i16>().prop_map(|amount| Command::Add(amount.into())),
        2 => proptest::collection::vec(any::<i8>().prop_map(i64::from), 0..4)
            .prop_map(Command::AddAll),
        1 => Just(Command::Nothing),
        1 => Just(Command::Refuse),
        1 => Just(Command::PanicInDecide),
    ];
    (0u8..4, command, proptest::bool::weighted(0.2)).prop_map(|(id, command, expect_now)| Order {
        id,
        command,
        expect_now,
    })
}

fn orders() -> impl Strategy<Value = Vec<Order>> {
    proptest::collection::vec(order(), 1..8)
}

fn step() -> impl Strategy<Value = Step> {
    let failing = prop_oneof![
        Just(StoreFailing::Unwritten),
        Just(StoreFailing::HalfWritten),
        Just(StoreFailing::Unacknowledged),
    ];
    prop_oneof![
        8 => orders().prop_map(Step::Send),
        3 => any::<usize>().prop_map(Step::Repeat),
        2 => (0u8..4).prop_map(Step::Query),
        3 => (0u8..4).prop_map(Step::Passivate),
        1 => Just(Step::Restart),
        1 => Just(Step::Crash),
        1 => (failing, orders()).prop_map(|(failing, orders)| Step::Fail(failing, orders)),
    ]
}

/// The expected state: the entries of each ledger, and the first receipt of each command.
#[derive(Default)]
struct Model {
    ledgers: HashMap<u8, Vec<i64>>,
    events: u64,
    receipts: Vec<(u8, Command, String, Receipt)>,
}

impl Model {
    fn version(&self, id: u8) -> Version {
        Version::new(self.ledgers.get(&id).map_or(0, Vec::len) as u64)
    }

    /// Applies an acknowledged command, and checks its receipt.
    fn accept(&mut self, id: u8, command: &Command, name: String, receipt: Receipt) {
        let amounts = amounts(command);
        self.events += amounts.len() as u64;
        let ledger = self.ledgers.entry(id).or_default();
        ledger.extend(&amounts);
        assert_eq!(receipt.version.get(), ledger.len() as u64);
        assert_eq!(receipt.events, amounts.len() as u64);
        if !amounts.is_empty() {
            self.receipts.push((id, command.clone(), name, receipt));
        }
    }
}

fn amounts(command: &Command) -> Vec<i64> {
    match command {
        Command::Add(amount) => vec![*amount],
        Command::AddAll(amounts) => amounts.clone(),
        _ => vec![],
    }
}

struct World {
    contents: Arc<Contents>,
    model: Model,
    runtime: Runtime,
    ledgers: Aggregates<Ledger>,
    faults: Faults,
    sent: usize,
}

impl World {
    async fn new() -> Self {
        let contents = Arc::default();
        let (runtime, ledgers, faults) = open(&contents).await;
        Self { contents, model: Model::default(), runtime, ledgers, faults, sent: 0 }
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::Send(orders) => self.send(orders).await,
            Step::Repeat(number) => self.repeat(number).await,
            Step::Query(id) => self.check(id).await,
            Step::Passivate(id) => drop(self.ledgers.passivate(id.to_string()).unwrap()),
            Step::Restart => {
                assert!(self.runtime.shutdown(Duration::from_secs(60)).await.is_clean());
                self.reopen().await;
            }
            Step::Crash => self.reopen().await,
            Step::Fail(failing, orders) => self.fail(failing, orders).await,
        }
    }

    async fn reopen(&mut self) {
        (self.runtime, self.ledgers, self.faults) = open(&self.contents).await;
    }

    /// Sends all commands before any is answered. Those of one ledger are decided in this order.
    async fn send(&mut self, orders: Vec<Order>) {
        for (order, name, answer) in self.send_off(orders) {
            match answer.await {
                Ok(receipt) => self.model.accept(order.id, &order.command, name, receipt),
                Err(error) => check_error(&order, &error),
            }
        }
        assert_eq!(self.runtime.head(), Position::new(self.model.events));
    }

    fn send_off(
        &mut self,
        orders: Vec<Order>,
    ) -> Vec<(Order, String, crate::common::Sent<actuarius::request::Executing<Ledger>>)> {
        let mut sent = Vec::new();
        for order in orders {
            self.sent += 1;
            let name = format!("command {}", self.sent);
            let mut execute = self
                .ledgers
                .execute(order.id.to_string(), order.command.clone())
                .command_id(name.as_str());
            if order.expect_now {
                execute = execute.expect(Expected::Exactly(self.model.version(order.id)));
            }
            sent.push((order, name, crate::common::send(execute)));
        }
        sent
    }

    async fn repeat(&mut self, number: usize) {
        if self.model.receipts.is_empty() {
            return;
        }
        let index = number % self.model.receipts.len();
        let (id, command, name, first) = self.model.receipts[index].clone();
        let again = self.ledgers.execute(id.to_string(), command).command_id(name).await.unwrap();
        assert_eq!(again, {
            let mut first = first;
            first.repeated = true;
            first
        });
        assert_eq!(self.runtime.head(), Position::new(self.model.events));
    }

    async fn check(&self, id: u8) {
        let expected = self.model.ledgers.get(&id).cloned().unwrap_or_default();
        let (total, entries) =
            self.ledgers.query(id.to_string(), |it| (it.total, it.entries.clone())).await.unwrap();
        assert_eq!(total, expected.iter().sum::<i64>());
        assert_eq!(entries, expected);
    }

    /// Fails the store, checks the answer of each caller, restarts, and sends again what was not
    /// acknowledged. After that, each command must have happened exactly once.
    async fn fail(&mut self, failing: StoreFailing, orders: Vec<Order>) {
        self.faults.fail_commit(1, failing);
        let mut again = Vec::new();
        for (order, name, answer) in self.send_off(orders) {
            match answer.await {
                Ok(receipt) if receipt.events == 0 => {}
                Ok(receipt) => panic!("acknowledged after the store failed: {receipt:?}"),
                Err(error) => {
                    let written = error.failure().map(Failure::written);
                    let storing = !amounts(&order.command).is_empty();
                    assert!(storing || written != Some(Written::Yes));
                    again.push((order, name, error));
                }
            }
        }
        self.reopen().await;
        let mut late = Vec::new();
        for (order, name, error) in again {
            late.extend(self.send_again(order, name, error).await);
        }
        // Commands written before the failure may be in another order than they are sent again.
        late.sort_by_key(|(_, _, receipt)| receipt.position);
        for (order, name, mut receipt) in late {
            receipt.repeated = false;
            self.model.accept(order.id, &order.command, name, receipt);
        }
    }

    async fn send_again(
        &self,
        order: Order,
        name: String,
        error: ExecuteError<Refused>,
    ) -> Option<(Order, String, Receipt)> {
        let decided = error.rejection().is_some();
        let conflict = error.failure().is_some_and(Failure::is_conflict);
        if decided || conflict || amounts(&order.command).is_empty() {
            return None;
        }
        let execute = self.ledgers.execute(order.id.to_string(), order.command.clone());
        let receipt = execute.command_id(name.as_str()).await.unwrap();
        let perhaps = error.failure().map(Failure::written) == Some(Written::Perhaps);
        assert!(
            perhaps || !receipt.repeated,
            "reported as not written, but it was written: {error}"
        );
        Some((order, name, receipt))
    }
}

fn check_error(order: &Order, error: &ExecuteError<Refused>) {
    let fits = match error {
        ExecuteError::Rejected(Refused) => matches!(order.command, Command::Refuse),
        ExecuteError::Failed(Failure::Panicked { .. }) => {
            matches!(order.command, Command::PanicInDecide)
        }
        ExecuteError::Failed(Failure::Conflict { .. }) => order.expect_now,
        ExecuteError::Failed(_) => false,
    };
    assert!(fits, "{order:?} was answered with {error}");
}

async fn open(contents: &Arc<Contents>) -> (Runtime, Aggregates<Ledger>, Faults) {
    let (store, faults) = fault::over(memory::reopen(contents));
    let runtime = Runtime::builder().on_store(store).await.unwrap();
    let hosting = Hosting::default().snapshot_every(3).resident_limit(2);
    let ledgers = runtime.host_with::<Ledger>(hosting);
    (runtime, ledgers, faults)
}

proptest! {
    // Takes a few seconds. `PROPTEST_CASES` sets another number of cases.
    #![proptest_config(ProptestConfig::with_cases(
        std::env::var("PROPTEST_CASES").ok().and_then(|it| it.parse().ok()).unwrap_or(200)
    ))]

    #[test]
    fn the_runtime_behaves_like_the_model(steps in proptest::collection::vec(step(), 1..40)) {
        let threads = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        threads.block_on(async {
            let mut world = World::new().await;
            for step in steps {
                world.take(step).await;
            }
            for id in 0..4 {
                world.check(id).await;
            }
        });
    }
}

//! A scheduled command is carried out once at its time, or never if it was cancelled or replaced before.

use std::sync::Arc;

use actuarius::clock::ManualClock;
use actuarius::saga::{InstanceStatus, SagaInstance, Schedules};
use actuarius::store::fault::{self, Faults};
use actuarius::store::memory::{self, Contents};
use actuarius::{Aggregates, Id, Runtime, StreamId, Timestamp};

use crate::common::eventually;
use crate::till::{LONG, Till, TillCommand, at_once};

/// Schedules of commands to tills.
struct Desk {
    runtime: Runtime,
    clock: Arc<ManualClock>,
    faults: Faults,
    tills: Aggregates<Till>,
    schedules: Schedules,
}

impl Desk {
    async fn on(contents: &Arc<Contents>, now: i64) -> Self {
        let (store, faults) = fault::over(memory::reopen(contents));
        let clock = Arc::new(ManualClock::at(time(now)));
        let runtime = Runtime::builder().clock(clock.clone()).on_store(store).await.unwrap();
        let tills = runtime.host::<Till>();
        let schedules = runtime.schedules().retry(at_once().attempts(1)).sends_to(&tills);
        let schedules = schedules.start().await.unwrap();
        Self { runtime, clock, faults, tills, schedules }
    }

    async fn schedule(&self, amount: i64, at: i64) -> bool {
        let command = TillCommand::Put(amount);
        self.schedules.schedule_as("bonus", &till(), command, time(at)).await.unwrap()
    }

    async fn replace(&self, amount: i64, at: i64) -> bool {
        let command = TillCommand::Put(amount);
        self.schedules.replace("bonus", &till(), command, time(at)).await.unwrap()
    }

    async fn cancel(&self) -> bool {
        self.schedules.cancel("bonus").await.unwrap()
    }

    async fn put(&self) -> Vec<i64> {
        self.tills.query(till(), |till| till.amounts.clone()).await.unwrap()
    }

    async fn ends(&self) -> InstanceStatus {
        self.schedules.end_of("bonus").await.unwrap()
    }

    fn under_way(&self) -> u64 {
        self.schedules.instances().counts().commands_under_way
    }
}

fn till() -> Id<Till> {
    Id::new("a").unwrap()
}

fn time(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

/// While the command was being sent, `cancel` answered that it was taken back, and it was carried out all the same.
/// The aggregate that could not be loaded made that last as long as it liked.
#[tokio::test]
async fn a_command_that_is_being_sent_is_not_reported_as_cancelled() {
    let desk = Desk::on(&Arc::default(), 0).await;
    desk.faults.fail_reads_of(&StreamId::new("till", "a").unwrap());
    desk.schedule(5, 10).await;
    desk.clock.set(time(10));
    eventually(|| desk.under_way() == 1).await;
    assert!(!desk.cancel().await, "it may have been carried out");
    assert!(!desk.replace(6, 20).await, "the same");
    desk.faults.clear();
    assert_eq!(desk.ends().await, InstanceStatus::Completed);
    assert_eq!(desk.put().await, [5]);
}

/// A name could be used once. A reminder that was taken back could not be set again: the call answered `false`, which
/// looked like "set already", and nothing was ever sent.
#[tokio::test]
async fn a_cancelled_command_is_scheduled_again_under_its_name() {
    let contents = Arc::default();
    let desk = Desk::on(&contents, 0).await;
    assert!(desk.schedule(1, 10).await);
    assert!(!desk.schedule(2, 10).await, "it waits");
    assert!(desk.cancel().await);
    assert!(!desk.cancel().await, "it is cancelled");
    assert!(desk.schedule(3, 20).await);
    assert!(desk.runtime.shutdown(LONG).await.is_clean());
    let desk = Desk::on(&contents, 10).await;
    assert!(!desk.schedule(4, 5).await, "it waits");
    desk.clock.set(time(20));
    assert_eq!(desk.ends().await, InstanceStatus::Completed);
    assert_eq!(desk.put().await, [3]);
    assert!(!desk.schedule(5, 5).await, "it was sent");
    assert!(!desk.cancel().await, "it was sent");
    assert_eq!(desk.put().await, [3]);
}

/// A deadline that moved could only be set under a new name, and the old one had to be found and cancelled.
#[tokio::test]
async fn a_command_is_replaced_as_often_as_it_is_moved() {
    let contents = Arc::default();
    let desk = Desk::on(&contents, 0).await;
    for (amount, at) in [(1, 10), (2, 30), (3, 20)] {
        assert!(desk.replace(amount, at).await);
    }
    let is_next = |it: &SagaInstance| it.next_deadline == Some(time(20));
    eventually(|| desk.schedules.instances().list("", 10, |_| true).iter().any(is_next)).await;
    assert!(desk.runtime.shutdown(LONG).await.is_clean());
    let desk = Desk::on(&contents, 20).await;
    assert_eq!(desk.ends().await, InstanceStatus::Completed);
    assert_eq!(desk.put().await, [3]);
    // Under the same name, after it was sent and after it was cancelled.
    assert!(desk.replace(4, 40).await);
    assert!(desk.cancel().await);
    assert!(desk.replace(5, 50).await);
    desk.clock.set(time(100));
    eventually(|| desk.schedules.instances().counts().completed == 2).await;
    assert_eq!(desk.put().await, [3, 5]);
}

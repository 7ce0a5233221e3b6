//! Random commands, steps of the clock and crashes, compared with a model of what must come.

use std::collections::BTreeMap;

use actuarius::store::fault::Failure;
use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    /// Sets the timer of an aggregate so much later than now, or cancels it.
    Set(u8, Option<i64>),
    /// Does something else.
    Touch(u8),
    /// Moves the clock.
    Pass(i64),
    /// Kills the process, so that the time passes while nothing runs, and starts it again.
    Crash(i64),
    /// Fails the commit of a command, and starts again.
    Fail(u8, Option<i64>, u8),
    Delete(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let later = || prop::option::weighted(0.8, 1..40_i64);
    prop_oneof![
        6 => (0..3_u8, later()).prop_map(|(id, later)| Step::Set(id, later)),
        2 => (0..3_u8).prop_map(Step::Touch),
        4 => (1..30_i64).prop_map(Step::Pass),
        2 => (1..30_i64).prop_map(Step::Crash),
        1 => (0..3_u8, later(), 0..3_u8).prop_map(|(id, at, how)| Step::Fail(id, at, how)),
        1 => (0..3_u8).prop_map(Step::Delete),
    ]
}

/// What the model knows of an aggregate.
#[derive(Debug, Clone, Default, PartialEq)]
struct Known {
    idle: Option<i64>,
    came: usize,
}

struct World {
    contents: Arc<Contents>,
    desk: Option<Desk>,
    now: i64,
    known: BTreeMap<u8, Known>,
}

fn name(id: u8) -> String {
    format!("a{id}")
}

impl World {
    fn desk(&self) -> &Desk {
        self.desk.as_ref().expect("it runs")
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::Set(id, later) => {
                let at = later.map(|later| self.now + later);
                self.desk().send(&name(id), Command::Idle(at)).await;
                self.known.entry(id).or_default().idle = at;
            }
            Step::Touch(id) => self.desk().send(&name(id), Command::Bill(None)).await,
            Step::Pass(by) => {
                self.now += by;
                self.desk().set(self.now);
            }
            Step::Crash(by) => self.restart(by, true).await,
            Step::Fail(id, later, how) => self.fail(id, later, how).await,
            Step::Delete(id) => {
                let reuse = actuarius::operations::Reuse::Allowed;
                self.desk().reminders.delete(&*name(id), reuse).await.unwrap();
                self.known.remove(&id);
            }
        }
        self.check().await;
    }

    async fn restart(&mut self, by: i64, is_killed: bool) {
        let desk = self.desk.take().expect("it runs");
        match is_killed {
            true => desk.kill(&self.contents).await,
            false => desk.leave(&self.contents).await,
        }
        self.now += by;
        let hosting = Hosting::default().remembered_commands(0);
        self.desk = Some(Desk::with(&self.contents, self.now, |made| both(hosting, made)).await);
    }

    async fn fail(&mut self, id: u8, later: Option<i64>, how: u8) {
        let at = later.map(|later| self.now + later);
        let ways = [Failure::Unwritten, Failure::HalfWritten, Failure::Unacknowledged];
        self.desk().faults.fail_commit(1, ways[usize::from(how)]);
        self.desk().reminders.execute(&*name(id), Command::Idle(at)).await.unwrap_err();
        self.restart(1, false).await;
        // Whether it was stored is known now.
        let (idle, came) = self.reminder(id).await;
        let (now, known) = (self.now, self.known.entry(id).or_default());
        if came > known.came {
            let may_come = [known.idle, at].into_iter().flatten().any(|at| at <= now);
            assert!(may_come && came == known.came + 1, "{came} after {known:?}");
            *known = Known { idle: None, came };
        } else if idle == at {
            known.idle = at;
        }
    }

    async fn reminder(&self, id: u8) -> (Option<i64>, usize) {
        let read = |it: &Reminder| (it.idle, it.came.len());
        self.desk().reminders.query(&*name(id), read).await.unwrap()
    }

    /// Waits until what is due has come, and checks that nothing else has.
    async fn check(&mut self) {
        let mut armed = 0;
        for known in self.known.values_mut() {
            if known.idle.is_some_and(|at| at <= self.now) {
                (known.idle, known.came) = (None, known.came + 1);
            }
            armed += usize::from(known.idle.is_some());
        }
        for id in 0..3 {
            let known = self.known.get(&id).cloned().unwrap_or_default();
            let expected = (known.idle, known.came);
            until(async || self.reminder(id).await == expected).await;
        }
        // A timer that was cancelled may still be armed: it is looked at when it is due.
        until(async || self.desk().health().armed >= armed).await;
    }
}

fn run(steps: Vec<Step>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let contents = Arc::default();
        let desk = Desk::on(&contents, 0).await;
        let mut world = World { contents, desk: Some(desk), now: 0, known: BTreeMap::new() };
        for step in steps {
            world.take(step).await;
        }
        world.take(Step::Pass(1_000)).await;
        world.desk().settle(0).await;
        until(async || notes(&world.contents).is_empty()).await;
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever happens: what a state says comes once, and nothing else does.
    #[test]
    fn timers_come_as_a_model_says(steps in prop::collection::vec(step(), 1..25)) {
        run(steps);
    }
}

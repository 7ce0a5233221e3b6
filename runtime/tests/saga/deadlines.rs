//! Deadlines and scheduled commands fire exactly once, at their moment by the runtime's clock.

use std::sync::Arc;
use std::time::Duration;

use actuarius::Timestamp;
use actuarius::clock::ManualClock;
use actuarius::error::WaitError;
use actuarius::store::memory::Contents;

use crate::common::join_all;
use crate::puppet::{Do, Puppet, Said, Script};
use crate::till::{LONG, NOON, Show, TillCommand, compensate, compensated, put};

fn at(micros: i64, name: &str) -> Do {
    Do::RemindAt(NOON + micros, name.to_owned())
}

fn within(micros: u64, name: &str) -> Do {
    Do::RemindIn(Duration::from_micros(micros), name.to_owned())
}

fn forget(name: &str) -> Do {
    Do::Forget(name.to_owned())
}

fn put_at(micros: i64, till: &str, amount: i64) -> Do {
    Do::PutAt(NOON + micros, till.to_owned(), amount)
}

fn clock_at(micros: i64) -> Arc<ManualClock> {
    Arc::new(ManualClock::at(Timestamp::from_micros(NOON + micros)))
}

impl Show {
    /// Sets the clock, and waits until all deadlines due by then have fired.
    async fn set(&self, micros: i64) {
        self.clock.set(Timestamp::from_micros(NOON + micros));
        self.settle().await;
    }

    async fn settle(&self) {
        self.puppets.caught_up(LONG).await.unwrap();
    }

    async fn begin(&self, id: &str, list: impl IntoIterator<Item = Do>) {
        self.tell(Said::start(id, "begin").doing(list)).await;
    }

    /// Returns the names of the fired deadlines, each with its moment.
    async fn came(&self, id: &str) -> Vec<(String, i64)> {
        let mut came = Vec::new();
        let mut before = 0;
        for step in self.puppets.history(id, 0).await.unwrap() {
            let new = step.state.heard[before..].iter();
            let new = new.filter_map(|heard| heard.strip_prefix("due "));
            came.extend(new.map(|name| (name.to_owned(), step.time.as_micros() - NOON)));
            before = step.state.heard.len();
        }
        came
    }
}

fn came<const N: usize>(all: [(&str, i64); N]) -> Vec<(String, i64)> {
    all.map(|(name, at)| (name.to_owned(), at)).to_vec()
}

#[tokio::test]
async fn deadlines_fire_at_their_moment_and_not_before() {
    let show = Show::new().await;
    show.begin("t", [within(10, "in"), at(20, "at")]).await;
    for (micros, expected) in [(9, 0), (10, 1), (19, 1), (20, 2), (1_000, 2)] {
        show.set(micros).await;
        assert_eq!(show.came("t").await.len(), expected, "at {micros}");
    }
    assert_eq!(show.came("t").await, came([("in", 10), ("at", 20)]));
}

#[tokio::test]
async fn several_due_deadlines_fire_once_each_oldest_first() {
    let show = Show::new().await;
    show.begin("t", [at(30, "c"), at(10, "a"), at(20, "b")]).await;
    show.set(100).await;
    let mut all = show.came("t").await;
    all.sort();
    assert_eq!(all, came([("a", 100), ("b", 100), ("c", 100)]));
}

#[tokio::test]
async fn a_cancelled_deadline_never_fires() {
    let show = Show::new().await;
    show.begin("t", [at(10, "a"), at(20, "b"), at(10, "c"), forget("c")]).await;
    show.tell(Said::proceed("t", "no").doing([forget("a"), forget("unknown")])).await;
    show.set(100).await;
    assert_eq!(show.came("t").await, came([("b", 100)]));
}

#[tokio::test]
async fn a_replaced_deadline_fires_once_at_the_new_moment() {
    let show = Show::new().await;
    show.begin("t", [at(10, "later"), at(90, "sooner"), at(10, "twice"), at(40, "twice")]).await;
    show.tell(Said::proceed("t", "go on").doing([at(30, "later"), at(20, "sooner")])).await;
    for micros in [10, 20, 30, 40, 90, 100] {
        show.set(micros).await;
    }
    assert_eq!(show.came("t").await, came([("sooner", 20), ("later", 30), ("twice", 40)]));
}

#[tokio::test]
async fn a_fired_deadline_may_be_set_again() {
    let show = Show::new().await;
    let script = Script::of([at(10, "tick")]).at_due("tick", [within(10, "tick")]);
    show.tell(Said::start("t", "begin").follow(script)).await;
    for micros in [10, 20, 30] {
        show.set(micros).await;
    }
    assert_eq!(show.came("t").await, came([("tick", 10), ("tick", 20), ("tick", 30)]));
}

#[tokio::test]
async fn a_deadline_due_while_nothing_ran_fires_once_at_the_next_start() {
    for is_killed in [false, true] {
        let contents = Arc::default();
        let show = Show::on(&contents).await;
        show.begin("t", [at(10, "a"), at(20, "b")]).await;
        leave(show, &contents, is_killed).await;
        for (micros, expected) in [(5, 0), (15, 1), (15, 1), (30, 2), (99, 2)] {
            let show = Show::at(&contents, clock_at(micros)).await;
            show.settle().await;
            assert_eq!(show.came("t").await.len(), expected, "at {micros}");
            leave(show, &contents, is_killed).await;
        }
        let show = Show::on(&contents).await;
        assert_eq!(show.came("t").await, came([("a", 15), ("b", 30)]));
    }
}

async fn leave(show: Show, contents: &Arc<Contents>, is_killed: bool) {
    if is_killed { show.kill(contents).await } else { show.shut_down().await }
}

#[tokio::test]
async fn a_clock_that_jumps_back_and_forth_fires_each_deadline_once() {
    let show = Show::new().await;
    show.begin("t", [at(10, "a"), at(20, "b")]).await;
    show.set(15).await;
    show.set(-1_000).await;
    show.tell(Said::proceed("t", "go on").doing([within(500, "c")])).await;
    show.set(-600).await;
    show.set(15).await;
    show.set(0).await;
    show.set(20).await;
    assert_eq!(show.came("t").await, came([("a", 15), ("c", 15), ("b", 20)]));
}

#[tokio::test]
async fn a_deadline_in_the_past_fires_immediately() {
    let show = Show::new().await;
    show.begin("t", [at(-100, "past"), at(0, "now"), at(i64::MIN, "ever")]).await;
    show.settle().await;
    assert_eq!(show.came("t").await.len(), 3);
}

#[tokio::test]
async fn a_deadline_beyond_the_largest_timestamp_never_fires() {
    let show = Show::new().await;
    let never = Do::RemindIn(Duration::MAX, "never".to_owned());
    show.begin("t", [never, within(10, "a")]).await;
    show.set(i64::MAX - NOON - 1).await;
    assert_eq!(show.came("t").await.len(), 1);
}

#[tokio::test]
async fn a_scheduled_command_is_sent_at_its_moment() {
    let show = Show::new().await;
    show.begin("t", [put_at(10, "a", 1), put_at(-5, "a", 2), put_at(20, "a", 3)]).await;
    show.settle().await;
    assert_eq!(show.put("a").await, [2]);
    for (micros, expected) in [(9, 1), (10, 2), (19, 2), (20, 3), (50, 3)] {
        show.set(micros).await;
        assert_eq!(show.put("a").await.len(), expected, "at {micros}");
    }
    assert_eq!(show.put("a").await, [2, 1, 3]);
    let heard = ["begin", "2 a accepted", "1 a accepted", "3 a accepted"];
    assert_eq!(show.heard("t").await, heard);
}

#[tokio::test]
async fn an_ended_or_compensating_instance_has_no_deadlines_and_scheduled_commands() {
    let ends = [Do::Complete, Do::Fail("no".to_owned()), compensate("no")];
    for end in ends {
        let show = Show::new().await;
        show.begin("t", [at(10, "a"), put_at(10, "a", 1)]).await;
        show.tell(Said::proceed("t", "the end").doing([end])).await;
        show.end_of("t").await;
        show.set(100).await;
        assert!(show.came("t").await.is_empty() && show.put("a").await.is_empty());
        assert_eq!(show.puppets.ended()[0].next_deadline, None);
    }
    let show = Show::new().await;
    show.begin("t", [at(10, "a"), put_at(10, "a", 1)]).await;
    show.puppets.cancel("t", "no").await.unwrap();
    show.set(100).await;
    assert_eq!(show.end_of("t").await, compensated("no"));
    assert!(show.came("t").await.is_empty() && show.put("a").await.is_empty());
}

#[tokio::test]
async fn thousands_of_deadlines_due_at_one_moment_fire_once_each() {
    // An unoptimized build takes as long for a tenth of them.
    let many: u64 = if cfg!(debug_assertions) { 10_000 } else { 100_000 };
    let show = Show::new().await;
    let instances = show.puppets.clone();
    for hundred in 0..many / 100 {
        let begin = |number: u64| {
            let (instances, id) = (instances.clone(), format!("t-{}", 100 * hundred + number));
            let script = Script::of([at(10, "a")]).at_due("a", [Do::Complete]);
            async move { instances.begin(id, |puppet: &mut Puppet| puppet.follow(script)).await }
        };
        assert!(join_all((0..100).map(begin)).await.into_iter().all(|begun| begun.unwrap()));
    }
    show.clock.set(Timestamp::from_micros(NOON + 10));
    while show.puppets.counts().completed < many {
        tokio::task::yield_now().await;
    }
    assert_eq!(show.puppets.counts().live, 0);
    // Each instance has one step for its start and one for its deadline.
    assert_eq!(show.runtime.head().get(), 2 * many);
}

/// A test set the clock and had to poll the list of instances until the deadlines had come: `Runtime::caught_up` waits
/// only for events.
#[tokio::test]
async fn a_wait_includes_due_deadlines_and_whatever_follows_from_them() {
    let show = Show::new().await;
    let script = Script::of([at(10, "one")]).at_due("one", [put("a", 1), at(5, "two")]);
    let script = script.at_due("two", [put("b", 2)]).at_answer([put("a", 3)]);
    show.tell(Said::start("t", "begin").follow(script)).await;
    show.puppets.caught_up(LONG).await.unwrap();
    assert_eq!(show.heard("t").await, ["begin"]);
    show.clock.set(Timestamp::from_micros(NOON + 10));
    show.puppets.caught_up(LONG).await.unwrap();
    assert_eq!((show.put("a").await, show.put("b").await), (vec![1, 3], vec![2]));
    assert_eq!(show.puppets.counts().commands_under_way, 0);
    // It ends, too, if a command cannot be delivered.
    let _ = show.tills.execute("c", TillCommand::Burst).await;
    show.tell(Said::proceed("t", "more").doing([put("c", 4)])).await;
    let waited = show.puppets.caught_up(Duration::from_millis(50)).await;
    assert!(matches!(waited, Err(WaitError::TimedOut { .. })), "{waited:?}");
}

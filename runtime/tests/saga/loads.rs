//! Sagas under load: waiting events stay in the log and not in memory, and a stopped saga continues
//! at the next start.

use std::sync::Arc;
use std::time::Duration;

use actuarius::saga::{InstanceStatus, Sagas};
use actuarius::store::fault;
use actuarius::store::memory::{self, Contents};
use actuarius::{Runtime, StreamId};

use crate::common::eventually;
use crate::puppet::{Cue, Do, Hint, Marionette, Puppet, Said, Script};
use crate::till::{LONG, Show, Till, at_once, put};

/// The number of instances that may be busy at the same time.
const BUSY_MAX: usize = 4_096;

const TILLS: i64 = 7;

/// Instances that each put their number into one of `tills` tills, and complete.
fn crowd(numbers: std::ops::Range<i64>, tills: i64) -> impl Iterator<Item = Said> {
    numbers.map(move |number| {
        let till = format!("till-{}", number % tills);
        let script = Script::of([put(&till, number)]).at_answer([Do::Complete]);
        Said::start(&format!("t-{number}"), "begin").follow(script)
    })
}

impl Show {
    /// Publishes all events, many in one commit.
    async fn say_all(&self, all: impl Iterator<Item = Said>) {
        let all: Vec<_> = all.collect();
        for some in all.chunks(500) {
            self.cues.execute("crier", some.to_vec()).await.unwrap();
        }
    }

    async fn until_completed(&self, many: u64) {
        eventually(|| self.puppets.counts().completed >= many).await;
        assert_eq!(self.puppets.counts().completed, many);
    }

    /// Returns the contents of `tills` tills, sorted.
    async fn all_put(&self, tills: i64) -> Vec<i64> {
        let mut all = Vec::new();
        for till in 0..tills {
            all.extend(self.put(&format!("till-{till}")).await);
        }
        all.sort_unstable();
        all
    }
}

/// The tills cannot be read, and a failed attempt is repeated after an hour.
async fn show_with_broken_tills(contents: &Arc<Contents>) -> Show {
    let an_hour = Duration::from_secs(3_600);
    let patient = at_once().waits(an_hour, an_hour);
    let show = Show::with(contents, Arc::default(), patient).await;
    for till in 0..TILLS {
        let till = format!("till-{till}");
        show.faults.fail_reads_of(&StreamId::new("till", till.as_str()).unwrap());
    }
    show
}

impl Show {
    fn busy(&self) -> usize {
        self.puppets.list("", 10_000, |shown| shown.commands_under_way > 0).len()
    }

    /// Waits until the maximum number of instances is busy.
    async fn until_all_places_are_taken(&self) {
        while self.busy() < BUSY_MAX {
            // Counting takes a while.
            self.rest().await;
        }
    }

    /// Lets other tasks run for a moment.
    async fn rest(&self) {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn events_for_a_blocked_target_wait_in_the_log() {
    // An unoptimized build takes as long for a third of them.
    let many: i64 = if cfg!(debug_assertions) { 6_000 } else { 20_000 };
    let contents = Arc::default();
    let show = show_with_broken_tills(&contents).await;
    show.say_all(crowd(0..many, TILLS)).await;
    show.until_all_places_are_taken().await;
    for _ in 0..20 {
        assert_eq!(show.busy(), BUSY_MAX);
        show.rest().await;
    }
    assert!(show.puppets.events().unwrap().lag() > 0);
    show.leave(&contents).await;

    let show = Show::on(&contents).await;
    show.until_completed(many as u64).await;
    assert_eq!(show.all_put(TILLS).await, (0..many).collect::<Vec<_>>());
    show.shut_down().await;
}

#[tokio::test]
async fn an_instance_that_waits_for_a_blocked_target_does_not_delay_a_shutdown() {
    let contents = Arc::default();
    let show = show_with_broken_tills(&contents).await;
    show.say_all(crowd(0..BUSY_MAX as i64 + 100, TILLS)).await;
    show.until_all_places_are_taken().await;
    show.shut_down().await;
}

#[tokio::test]
async fn deadlines_fire_while_thousands_wait_for_a_blocked_target() {
    let contents = Arc::default();
    let show = show_with_broken_tills(&contents).await;
    let reminds = Do::RemindIn(Duration::from_secs(1), "wake".to_owned());
    show.tell(Said::start("waits", "begin").doing([reminds])).await;
    show.say_all(crowd(0..BUSY_MAX as i64 + 100, TILLS)).await;
    show.until_all_places_are_taken().await;
    show.clock.advance(Duration::from_secs(1));
    show.until_heard("waits", "due wake").await;
}

#[tokio::test]
async fn a_step_may_send_hundreds_of_commands() {
    let show = Show::new().await;
    let all = (0..200).map(|number| put(&format!("till-{number}"), number));
    let script = (0..199).fold(Script::of(all), |script, _| script.at_answer([]));
    show.say(Said::start("t", "begin").follow(script.at_answer([Do::Complete]))).await;
    assert_eq!(show.end_of("t").await, InstanceStatus::Completed);
    assert_eq!(show.all_put(200).await, (0..200).collect::<Vec<_>>());
    let mut heard = show.heard("t").await;
    heard.sort();
    heard.dedup();
    assert_eq!(heard.len(), 201);
}

#[tokio::test]
async fn two_sagas_react_to_the_same_events_independently() {
    let show = Show::new().await;
    let twins = show.runtime.saga::<Marionette<1>>().reacts_to::<Cue>().reacts_to::<Hint>();
    let twins = twins.sends_to(&show.tills).start().await.unwrap();
    let script = Script::of([put("a", 1)]).at_answer([Do::Complete]);
    show.say(Said::start("t", "begin").follow(script)).await;
    assert_eq!(show.end_of("t").await, InstanceStatus::Completed);
    assert_eq!(twins.end_of("t").await.unwrap(), InstanceStatus::Completed);
    assert_eq!(show.put("a").await, [1, 1]);
}

#[tokio::test]
async fn an_instance_that_sends_to_an_undeclared_type_is_quarantined_with_the_reason() {
    let runtime = Runtime::in_memory().await.unwrap();
    let puppets = runtime.saga::<Puppet>().reacts_to::<Cue>().retry(at_once());
    let puppets = puppets.sends_nothing().start().await.unwrap();
    let cues = runtime.host::<Cue>();
    for said in [Said::start("t", "begin").doing([put("a", 1)]), Said::start("u", "begin")] {
        cues.execute("crier", vec![said]).await.unwrap();
    }
    runtime.caught_up(LONG).await.unwrap();
    let shown = puppets.list("", 10, |_| true);
    let InstanceStatus::Quarantined { why } = &shown[0].status else { panic!("{shown:?}") };
    assert!(why.contains("sends_to") && why.contains("till"), "{why}");
    assert_eq!(shown[1].status, InstanceStatus::Running);
}

#[tokio::test]
async fn a_shutdown_under_load_is_clean_and_the_next_start_continues() {
    for some in [0, 1, 50, 200] {
        let contents = Arc::default();
        let show = Show::on(&contents).await;
        show.say_all(crowd(0..400, TILLS)).await;
        eventually(|| show.puppets.counts().completed >= some).await;
        show.shut_down().await;
        all_end(&contents, 400).await;
    }
}

#[tokio::test]
async fn a_runtime_dropped_under_load_loses_nothing() {
    for some in [0, 1, 50, 200, 399] {
        let contents = Arc::default();
        let show = Show::on(&contents).await;
        show.say_all(crowd(0..400, TILLS)).await;
        eventually(|| show.puppets.counts().completed >= some).await;
        show.leave(&contents).await;
        all_end(&contents, 400).await;
    }
}

#[tokio::test]
async fn a_shutdown_without_time_loses_nothing() {
    for micros in [0, 0, 200, 1_000, 2_000, 5_000] {
        let contents = Arc::default();
        let show = Show::on(&contents).await;
        show.say_all(crowd(0..400, TILLS)).await;
        let _ = show.runtime.shutdown(Duration::from_micros(micros)).await;
        show.leave(&contents).await;
        all_end(&contents, 400).await;
    }
}

/// Runs once more, and checks that everything was done once.
async fn all_end(contents: &Arc<Contents>, many: i64) {
    let show = Show::on(contents).await;
    show.runtime.caught_up(LONG).await.unwrap();
    let parked = show.puppets.events().unwrap().parked().await;
    assert!(parked.is_empty(), "{:?} and more: {}", parked[0], parked.len());
    show.until_completed(many as u64).await;
    assert_eq!(show.all_put(TILLS).await, (0..many).collect::<Vec<_>>());
    show.shut_down().await;
}

#[tokio::test]
async fn a_stopped_saga_can_be_started_again_and_continues() {
    let show = Show::new().await;
    show.say_all(crowd(0..100, TILLS)).await;
    show.puppets.stop().await;
    show.say_all(crowd(100..200, TILLS)).await;
    let puppets = show.runtime.saga::<Puppet>().reacts_to::<Cue>().reacts_to::<Hint>();
    let puppets: Sagas<Puppet> = puppets.sends_to(&show.tills).start().await.unwrap();
    eventually(|| puppets.counts().completed == 200).await;
    assert_eq!(show.all_put(TILLS).await, (0..200).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_runtime_closes_when_its_handles_are_dropped_while_a_saga_runs() {
    let contents: Arc<Contents> = Arc::default();
    let show = Show::on(&contents).await;
    let waits = Do::RemindIn(Duration::from_secs(1), "wake".to_owned());
    show.tell(Said::start("t", "begin").doing([put("a", 1), waits])).await;
    show.until_heard("t", "1 a accepted").await;
    let puppets = show.puppets.clone();
    drop(show);
    // A handle of the saga keeps the runtime open.
    assert_eq!(puppets.query("t", |puppet| puppet.heard.len()).await.unwrap(), Some(2));
    drop(puppets);
    eventually(|| Arc::strong_count(&contents) == 1).await;
}

#[tokio::test]
async fn an_instance_that_cannot_be_read_for_a_while_is_not_quarantined() {
    let contents = Arc::default();
    let (store, faults) = fault::over(memory::reopen(&contents));
    let runtime = Runtime::builder().on_store(store).await.unwrap();
    let puppets = runtime.saga::<Puppet>().reacts_to::<Cue>().retry(at_once().attempts(1));
    let puppets = puppets.sends_to(&runtime.host::<Till>()).start().await.unwrap();
    let cues = runtime.host::<Cue>();
    faults.fail_reads_of(&StreamId::new("puppet", "t").unwrap());
    let reads = faults.counts().reads;
    let script = Script::of([put("a", 1)]).at_answer([Do::Complete]);
    let said = vec![Said::start("t", "begin").follow(script)];
    cues.execute("crier", said).await.unwrap();
    eventually(|| faults.counts().reads > reads).await;
    faults.clear();
    assert_eq!(puppets.end_of("t").await.unwrap(), InstanceStatus::Completed);
}

/// `stop` waited for the event of an instance that could not be loaded, and the event was tried again without end.
#[tokio::test]
async fn a_saga_stops_while_one_of_its_instances_cannot_be_read() {
    let (store, faults) = fault::over(memory::reopen(&Arc::default()));
    let runtime = Runtime::builder().on_store(store).await.unwrap();
    let puppets = runtime.saga::<Puppet>().reacts_to::<Cue>().retry(at_once().attempts(1));
    let puppets = puppets.sends_to(&runtime.host::<Till>()).start().await.unwrap();
    faults.fail_reads_of(&StreamId::new("puppet", "t").unwrap());
    let reads = faults.counts().reads;
    let said = vec![Said::start("t", "begin")];
    runtime.host::<Cue>().execute("crier", said).await.unwrap();
    eventually(|| faults.counts().reads > reads).await;
    let stopped = tokio::time::timeout(LONG, puppets.stop()).await;
    assert!(stopped.is_ok(), "it stops");
}

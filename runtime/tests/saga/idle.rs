//! Events that change nothing of an instance, and replaced deadlines, store little.

use std::sync::Arc;

use actuarius::clock::ManualClock;
use actuarius::saga::{
    Answer, Correlation, Effects, Outcome, ReactsTo, STEPPED, Saga, Sagas, Sends,
};
use actuarius::store::fault::{self, Failure, Faults};
use actuarius::store::memory::{self, Contents};
use actuarius::store::{Commit, PageLimit};
use actuarius::{
    Aggregate, Codec, Context, Envelope, Id, Position, Runtime, StreamId, Timestamp, Version,
};
use serde::{Deserialize, Serialize};

use crate::common::eventually;
use crate::rewriting::{Lost, migrated};
use crate::till::{LONG, NOON, Till, TillCommand};

/// What a watch does with an event.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
enum Rang {
    /// Begins the instance, and is nothing to it afterwards.
    Once,
    Counts,
    /// Replaces the deadline by one at this time.
    Remind(i64),
    Forget,
    /// The next deadline sets one at this time.
    Again(i64),
    /// Sends a command.
    Sends,
    /// Counts a hundred, if there was a deadline or a reply before.
    CountsLater,
    Completes,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Bell;

impl Aggregate for Bell {
    const TYPE: &'static str = "bell";
    type Command = Rang;
    type Event = Rang;
    type Error = std::convert::Infallible;

    fn decide(&self, rang: Rang, _: &Context) -> Result<Vec<Rang>, Self::Error> {
        Ok(vec![rang])
    }

    fn apply(&mut self, _: &Rang) {}
}

/// Receives every event of one bell.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
struct Watch {
    /// As much as a state of a real service.
    notes: String,
    count: u64,
    replies: u64,
    again: Option<i64>,
}

impl Saga for Watch {
    const TYPE: &'static str = "watch";
    type Deadline = ();

    fn due(&mut self, (): ()) -> Effects<Self> {
        self.replies += 1;
        match self.again.take() {
            Some(at) => Effects::none().schedule_at(moment(at), ()),
            None => Effects::none(),
        }
    }
}

impl ReactsTo<Bell> for Watch {
    fn correlate(event: &Envelope<Bell>) -> Correlation {
        Correlation::start_or_proceed(event.id.as_str())
    }

    fn react(&mut self, event: &Envelope<Bell>) -> Effects<Self> {
        self.rings(event.event)
    }
}

impl Watch {
    fn rings(&mut self, rang: Rang) -> Effects<Self> {
        match rang {
            Rang::Once if self.notes.is_empty() => self.notes = "a note, ".repeat(100),
            Rang::CountsLater if self.replies > 0 => self.count += 100,
            Rang::Once | Rang::CountsLater => {}
            Rang::Counts => self.count += 1,
            Rang::Again(at) => self.again = Some(at),
            Rang::Remind(at) => return Effects::none().schedule_at(moment(at), ()),
            Rang::Forget => return Effects::none().cancel(()),
            Rang::Sends => return Effects::none().send(&till(), TillCommand::Put(1)),
            Rang::Completes => return Effects::complete(),
        }
        Effects::none()
    }
}

impl Sends<Till> for Watch {
    fn answered(&mut self, answer: Answer<Till>) -> Effects<Self> {
        self.replies += u64::from(matches!(answer.outcome, Outcome::Accepted { .. }));
        Effects::none()
    }
}

fn moment(at: i64) -> Timestamp {
    Timestamp::from_micros(NOON + at)
}

fn till() -> Id<Till> {
    Id::new("till").unwrap()
}

struct Scene {
    runtime: Runtime,
    faults: Faults,
    clock: Arc<ManualClock>,
    watches: Sagas<Watch>,
}

impl Scene {
    async fn on(contents: &Arc<Contents>, codec: Codec, now: i64) -> Self {
        let (store, faults) = fault::over(memory::reopen(contents));
        let clock = Arc::new(ManualClock::at(moment(now)));
        let runtime = Runtime::builder().clock(clock.clone()).on_store(store).await.unwrap();
        let watches = runtime.saga::<Watch>().reacts_to::<Bell>().codec(codec);
        let watches = watches.sends_to(&runtime.host::<Till>()).start().await.unwrap();
        Self { runtime, faults, clock, watches }
    }

    async fn new() -> Self {
        Self::on(&Arc::default(), Codec::MessagePack, 0).await
    }

    /// Publishes an event, and waits until everything that follows has happened.
    async fn ring(&self, rang: Rang) {
        self.runtime.host::<Bell>().execute("b", rang).await.unwrap();
        self.watches.caught_up(LONG).await.unwrap();
    }

    async fn state(&self) -> Watch {
        self.watches.query("b", Watch::clone).await.unwrap().unwrap()
    }

    fn steps(&self) -> Vec<Commit> {
        let limit = PageLimit { commits: usize::MAX, bytes: usize::MAX };
        let (reader, stream) =
            (self.runtime.reader().unwrap(), StreamId::new("watch", "b").unwrap());
        reader.read_stream(&stream, Version::NONE, Position::NONE, limit).unwrap().commits
    }

    /// Returns the event type of each step, and its bytes.
    fn stored(&self) -> Vec<(String, usize)> {
        let steps = self.steps();
        let events = steps.iter().flat_map(|commit| commit.view().events().collect::<Vec<_>>());
        events.map(|event| (event.event_type.to_owned(), event.payload().len())).collect()
    }

    /// No more writes reach the store, and everything is dropped.
    async fn kill(self, contents: &Arc<Contents>) {
        self.faults.fail_commit(1, Failure::Unwritten);
        drop(self);
        eventually(|| Arc::strong_count(contents) == 1).await;
    }
}

/// A saga that received every event of a busy service stored all that it knew for each of them, though it reacted to few.
#[tokio::test]
async fn an_event_that_changes_nothing_stores_a_step_without_the_state() {
    let contents = Arc::default();
    let scene = Scene::on(&contents, Codec::MessagePack, 0).await;
    scene.ring(Rang::Once).await;
    for _ in 0..50 {
        scene.ring(Rang::Once).await;
    }
    let stored = scene.stored();
    assert!(stored.len() == 51 && stored[0].1 > 800, "{stored:?}");
    assert!(stored[1..].iter().all(|(_, bytes)| *bytes < 150), "{stored:?}");
    scene.ring(Rang::Counts).await;
    scene.kill(&contents).await;

    let scene = Scene::on(&contents, Codec::MessagePack, 0).await;
    scene.watches.caught_up(LONG).await.unwrap();
    scene.ring(Rang::Once).await;
    assert_eq!((scene.steps().len(), scene.state().await.count), (53, 1));
    let shown = scene.watches.list("", 10, |_| true);
    assert_eq!((shown.len(), shown[0].steps), (1, 53));
}

/// Each event moved a deadline of 30 days, and each time all that the saga knew was written with it.
#[tokio::test]
async fn a_replaced_deadline_costs_a_step_without_the_state() {
    for codec in [Codec::MessagePack, Codec::Json, Codec::Bincode] {
        let contents = Arc::default();
        let scene = Scene::on(&contents, codec, 0).await;
        scene.ring(Rang::Once).await;
        for at in 1..=20 {
            scene.ring(Rang::Remind(100 + at)).await;
        }
        let stored = scene.stored();
        let (first, others) = stored.split_first().unwrap();
        assert!(first.0 == STEPPED && first.1 > 800, "{first:?}");
        assert_eq!(others.len(), 20);
        for (event_type, bytes) in others {
            assert!(event_type == "SteppedInPlace" && *bytes < 300, "{codec:?}: {bytes} bytes");
        }
        scene.kill(&contents).await;

        let scene = Scene::on(&contents, codec, 0).await;
        scene.clock.set(moment(119));
        scene.watches.caught_up(LONG).await.unwrap();
        assert_eq!(scene.state().await.replies, 0);
        scene.clock.set(moment(120));
        scene.watches.caught_up(LONG).await.unwrap();
        let state = scene.state().await;
        assert_eq!((state.replies, state.notes.len()), (1, 800));
    }
}

#[tokio::test]
async fn a_deadline_that_is_set_to_the_time_it_has_stays() {
    let scene = Scene::new().await;
    scene.ring(Rang::Once).await;
    scene.ring(Rang::Remind(10)).await;
    let set = scene.stored()[1].1;
    scene.ring(Rang::Remind(10)).await;
    assert!(scene.stored()[2].1 < set, "{:?}", scene.stored());
    scene.ring(Rang::Remind(11)).await;
    scene.ring(Rang::Remind(10)).await;
    scene.clock.set(moment(10));
    scene.watches.caught_up(LONG).await.unwrap();
    assert_eq!(scene.state().await.replies, 1);
}

/// A deadline set itself to the moment at which it came, and was taken for one that is set already: the instance waited
/// permanently.
#[tokio::test]
async fn a_deadline_that_is_set_to_its_own_time_when_it_comes_is_a_new_one() {
    let scene = Scene::new().await;
    scene.ring(Rang::Once).await;
    scene.ring(Rang::Again(10)).await;
    scene.ring(Rang::Remind(10)).await;
    scene.clock.set(moment(10));
    scene.watches.caught_up(LONG).await.unwrap();
    assert_eq!(scene.state().await.replies, 2);
}

#[tokio::test]
async fn the_history_shows_the_state_after_each_step_also_if_it_is_not_stored_with_it() {
    let scene = Scene::new().await;
    scene.ring(Rang::Once).await;
    for at in 0..150 {
        scene.ring(if at == 40 { Rang::Counts } else { Rang::Remind(100 + at) }).await;
    }
    let stored = scene.stored();
    let whole: Vec<_> = (1..).zip(&stored).filter(|(_, it)| it.0 == STEPPED).collect();
    let whole: Vec<u64> = whole.iter().map(|(version, _)| *version).collect();
    assert_eq!(whole, [1, 42, 64, 128]);
    for after in 0..=151 {
        let steps = scene.watches.history("b", after).await.unwrap();
        let numbers: Vec<_> = steps.iter().map(|step| step.number).collect();
        assert_eq!(numbers, (after + 1..=151).collect::<Vec<_>>());
        for step in steps {
            assert_eq!(step.state.count, u64::from(step.number >= 42), "step {}", step.number);
            assert_eq!(step.state.notes.len(), 800);
        }
    }
}

/// The positions in a step without a state are moved with the events, too. Otherwise the next event was ignored.
#[tokio::test]
async fn an_instance_continues_after_a_migration_that_leaves_events_out() {
    for codec in [Codec::MessagePack, Codec::Json] {
        let contents = Arc::default();
        let scene = Scene::on(&contents, codec, 0).await;
        for amount in 0..100 {
            let lost = scene.runtime.host::<Till>();
            lost.execute("lost", TillCommand::Put(amount)).await.unwrap();
        }
        for rang in [Rang::Once, Rang::Remind(4), Rang::Remind(5), Rang::CountsLater] {
            scene.ring(rang).await;
        }
        scene.clock.set(moment(5));
        scene.watches.caught_up(LONG).await.unwrap();
        for rang in [Rang::Remind(7), Rang::CountsLater] {
            scene.ring(rang).await;
        }
        assert!(scene.runtime.shutdown(LONG).await.is_clean());
        drop(scene);
        eventually(|| Arc::strong_count(&contents) == 1).await;

        let scene = Scene::on(&migrated(&contents, Lost::Dropped), codec, 5).await;
        scene.ring(Rang::Counts).await;
        assert_eq!(scene.state().await.count, 101);
        scene.clock.set(moment(7));
        scene.watches.caught_up(LONG).await.unwrap();
        assert_eq!(scene.state().await.replies, 2);
    }
}

/// A generator of numbers, by Marsaglia.
struct Random(u64);

impl Random {
    fn below(&mut self, end: i64) -> i64 {
        for (left, by) in [(true, 13), (false, 7), (true, 17)] {
            self.0 ^= if left { self.0 << by } else { self.0 >> by };
        }
        (self.0 >> 20) as i64 % end
    }
}

/// What a watch is expected to have after the same events, each received once.
#[derive(Default)]
struct Model {
    watch: Watch,
    deadline: Option<i64>,
    now: i64,
}

impl Model {
    fn ring(&mut self, rang: Rang) {
        let _ = self.watch.rings(rang);
        match rang {
            Rang::Remind(at) => self.deadline = Some(at),
            Rang::Forget => self.deadline = None,
            Rang::Sends => self.watch.replies += 1,
            _ => {}
        }
        self.set(self.now);
    }

    fn set(&mut self, now: i64) {
        self.now = now;
        if self.deadline.is_some_and(|at| at <= now) {
            self.deadline = None;
            self.watch.replies += 1;
        }
    }
}

/// If an event without effect had no step, it was received again after a crash, and had an effect on the state that a
/// deadline had changed in the meantime.
#[tokio::test]
async fn each_event_counts_once_and_in_its_order_through_crashes_at_any_moment() {
    let mut restarts = 0;
    for seed in 0..40 {
        let mut random = Random(seed + 1);
        let codec = [Codec::MessagePack, Codec::Json, Codec::Bincode][seed as usize % 3];
        let (contents, mut model) = (Arc::default(), Model::default());
        let mut scene = Scene::on(&contents, codec, 0).await;
        scene.ring(Rang::Once).await;
        model.ring(Rang::Once);
        let mut told = Vec::new();
        for _ in 0..5 + random.below(20) {
            let at = model.now + random.below(5);
            let all = [
                Rang::Once,
                Rang::Counts,
                Rang::Remind(at),
                Rang::Forget,
                Rang::Sends,
                Rang::CountsLater,
                Rang::CountsLater,
            ];
            match random.below(10) {
                0..=5 => {
                    let rang = all[random.below(all.len() as i64) as usize];
                    told.push(format!("{rang:?}"));
                    scene.ring(rang).await;
                    model.ring(rang);
                }
                6..=7 => {
                    told.push(format!("at {at}"));
                    scene.clock.set(moment(at));
                    scene.watches.caught_up(LONG).await.unwrap();
                    model.set(at);
                }
                _ => {
                    told.push("killed".to_owned());
                    restarts += 1;
                    scene.kill(&contents).await;
                    scene = Scene::on(&contents, codec, model.now).await;
                    scene.watches.caught_up(LONG).await.unwrap();
                }
            }
            assert_eq!(scene.state().await, model.watch, "seed {seed}: {told:?}");
        }
        scene.ring(Rang::Completes).await;
        scene.kill(&contents).await;
    }
    assert!(restarts > 50, "only {restarts} restarts");
}

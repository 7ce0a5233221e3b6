//! The state at a moment equals a fold over the events up to then, for any events and any
//! snapshots.

use actuarius::history::{Moment, Past};
use actuarius::operations::{ArchivePart, ArchivingError};
use actuarius::{Aggregate, Envelope, Hosting, Position, Timestamp, Version};
use proptest::prelude::*;

use super::scene::{Ground, Scene};
use crate::common::{Command, Event, Ledger, eventually};

#[derive(Debug, Clone)]
enum Step {
    Add(u8, Vec<i64>),
    /// Moves the clock by this many microseconds, also backwards.
    Move(i64),
    Passivate(u8),
    Restart,
    /// Archives what can be archived of one ledger, if there is an archive.
    Archive(u8, ArchivePart),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0u8..3, proptest::collection::vec(-9i64..9, 1..5))
            .prop_map(|(id, amounts)| Step::Add(id, amounts)),
        4 => (-3i64..5).prop_map(Step::Move),
        2 => (0u8..3).prop_map(Step::Passivate),
        1 => Just(Step::Restart),
        1 => (0u8..3, prop_oneof![Just(ArchivePart::Whole), Just(ArchivePart::BeforeSnapshot)])
            .prop_map(|(id, part)| Step::Archive(id, part)),
    ]
}

fn hosting() -> impl Strategy<Value = Hosting> {
    prop_oneof![
        Just(Hosting::default().without_snapshots()),
        Just(Hosting::default().snapshot_every(1_000)),
        (1u64..9, 1u32..50).prop_map(|(every, kept)| {
            Hosting::default().snapshot_every(every).snapshots_kept(kept)
        }),
    ]
}

async fn take(mut scene: Scene, step: Step) -> Scene {
    match step {
        Step::Add(id, amounts) => {
            let command = Command::AddAll(amounts);
            scene.ledgers.execute(name(id), command).await.unwrap();
        }
        Step::Move(by) => {
            let now = actuarius::Clock::now(&scene.clock).as_micros();
            scene.clock.set(Timestamp::from_micros(now + by));
        }
        Step::Passivate(id) => {
            let resident = scene.ledgers.resident();
            if scene.ledgers.passivate(name(id)).unwrap() {
                eventually(|| scene.ledgers.resident() < resident).await;
            }
        }
        Step::Restart => scene = scene.restart().await,
        Step::Archive(id, part) => match scene.ledgers.archive(name(id), part).await {
            Ok(_) | Err(ArchivingError::Unsupported) => {}
            Err(error) => panic!("{error}"),
        },
    }
    scene
}

fn name(id: u8) -> String {
    format!("ledger-{id}")
}

/// Folds all events of the log up to a moment.
fn folded(events: &[Envelope<Ledger>], moment: Moment) -> Past<Ledger> {
    let was_there = |event: &&Envelope<Ledger>| match moment {
        Moment::Version(version) => event.header.version <= version,
        Moment::Position(position) => event.header.position <= position,
        Moment::Time(time) => event.header.time <= time,
    };
    let (state, version, position) = (Ledger::default(), Version::NONE, Position::NONE);
    let mut past = Past { state, version, position, time: None };
    for Envelope { header, event, .. } in events.iter().take_while(was_there) {
        past.state.apply(event);
        (past.version, past.position) = (header.version, header.position);
        past.time = Some(header.time);
    }
    past
}

async fn check_all(scene: &Scene, id: &str) {
    let events = scene.ledgers.events(id, Version::NONE).await.unwrap();
    let versions = (0..events.len() as u64 + 3).map(Version::new).map(Moment::from);
    let positions = (0..scene.runtime.head().get() + 3).map(Position::new).map(Moment::from);
    let near = |event: &Envelope<Ledger>| {
        let time = event.header.time.as_micros();
        [time - 1, time, time + 1].map(Timestamp::from_micros).map(Moment::from)
    };
    let ends = [
        Moment::Version(Version::new(u64::MAX)),
        Moment::Position(Position::new(u64::MAX)),
        Moment::Time(Timestamp::from_micros(i64::MAX)),
        Moment::Time(Timestamp::from_micros(i64::MIN)),
    ];
    let moments = versions.chain(positions).chain(ends).chain(events.iter().flat_map(near));
    for moment in moments {
        let past = scene.ledgers.as_of(id, moment).await.unwrap();
        assert_eq!(past, folded(&events, moment), "{id} at {moment:?}");
    }
    check_steps(scene, id, &events).await;
}

/// Asserts that a history from and up to each version has the events and the states of the fold.
async fn check_steps(scene: &Scene, id: &str, events: &[Envelope<Ledger>]) {
    let end = events.len() as u64;
    for (from, until) in (0..=end + 1).map(|from| (from, end + 1 - from)) {
        let history = scene.ledgers.history(id).from(Version::new(from));
        let mut history = history.until(Version::new(until));
        let mut next = from.max(1);
        while let Some(step) = history.next().await.unwrap() {
            let version = Version::new(next);
            assert_eq!(step.envelope.header, events[next as usize - 1].header);
            assert_eq!(step.state, &folded(events, version.into()).state);
            next += 1;
        }
        assert_eq!(next, (until.min(end) + 1).max(from.max(1)), "{id} from {from} to {until}");
        assert!(history.next().await.unwrap().is_none());
    }
}

async fn check(steps: Vec<Step>, ground: Ground, hosting: Hosting) {
    let mut scene = Scene::on(ground, hosting).await;
    for step in steps {
        scene = take(scene, step).await;
    }
    let resident = scene.ledgers.resident();
    for id in 0..4 {
        check_all(&scene, &name(id)).await;
    }
    assert_eq!(scene.ledgers.resident(), resident, "no aggregate was loaded");
}

fn block_on(what: impl Future<Output = ()>) {
    let threads = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    threads.block_on(what);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(
        std::env::var("PROPTEST_CASES").ok().and_then(|it| it.parse().ok()).unwrap_or(60)
    ))]

    #[test]
    fn the_state_at_a_moment_is_a_fold_over_the_log(
        steps in proptest::collection::vec(step(), 1..30),
        hosting in hosting(),
    ) {
        block_on(check(steps, Ground::Memory(std::sync::Arc::default()), hosting));
    }
}

proptest! {
    // Each case takes as long as opening a store a few times.
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn the_state_at_a_moment_is_a_fold_over_the_log_on_disk(
        steps in proptest::collection::vec(step(), 1..20),
        hosting in hosting(),
    ) {
        block_on(check(steps, Ground::disk(), hosting));
    }
}

#[tokio::test]
async fn a_history_of_many_pages_is_folded_page_by_page() {
    let hosting = Hosting::default().snapshot_every(700).snapshots_kept(100);
    for hosting in [hosting, Hosting::default().without_snapshots()] {
        let scene = Scene::open(hosting).await;
        let amounts = |hundred: i64| (100 * hundred..100 * (hundred + 1)).collect();
        for hundred in 0..25 {
            scene.ledgers.execute("a", Command::AddAll(amounts(hundred))).await.unwrap();
            scene.ledgers.execute("a", Command::Blob(100_000)).await.unwrap();
        }
        for version in [0, 1, 101, 999, 1_000, 1_001, 2_024, 2_525] {
            let past = scene.ledgers.as_of("a", Version::new(version)).await.unwrap();
            let events = past.state.entries.len() as u64 + version / 101;
            assert_eq!((past.version.get(), events), (version, version));
        }
        let mut history = scene.ledgers.history("a");
        let mut steps = 0;
        while let Some(step) = history.next().await.unwrap() {
            steps += 1;
            assert_eq!(step.envelope.header.version.get(), steps);
            let is_blob = matches!(step.envelope.event, Event::Blob(_));
            assert_eq!(is_blob, steps.is_multiple_of(101));
        }
        assert_eq!(steps, 2_525);
    }
}

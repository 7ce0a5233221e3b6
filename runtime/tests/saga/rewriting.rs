//! Live instances continue after their history was rewritten, or the migration is refused before it writes anything.

use std::error::Error;
use std::sync::Arc;

use actuarius::health::Status;
use actuarius::operations::Reencode;
use actuarius::saga::{InstanceStatus, SagaNotCarried, Sagas};
use actuarius::store::fault::Failure;
use actuarius::store::memory::{self, Contents};
use actuarius::store::migrate::{self, BoxError, MigrateError, Migrated, Rewrite, Transform};
use actuarius::store::{CommitView, EncodedEvent, Reader, ignore_progress};
use actuarius::{Codec, Position, Runtime};

use crate::common::eventually;
use crate::puppet::{Cue, Do, Hint, Puppet, Said, Script};
use crate::till::{LONG, Show, Till, TillCommand, put, put_for_now};

/// What becomes of the tills called `lost`; all else stays.
#[derive(Clone, Copy)]
pub(crate) enum Lost {
    Dropped,
    Doubled,
    Kept,
}

impl Transform for Lost {
    fn transform(&mut self, commit: &CommitView<'_>, out: &mut Rewrite) -> Result<(), BoxError> {
        let times = match self {
            Self::Dropped => 0,
            Self::Doubled => 2,
            Self::Kept => 1,
        };
        if times == 1 || (commit.category, commit.id) != ("till", "lost") {
            out.keep();
            return Ok(());
        }
        for event in commit.events() {
            (0..times).for_each(|_| out.put(&event));
        }
        Ok(())
    }
}

fn migrated_by(
    contents: &Arc<Contents>,
    transform: &mut dyn Transform,
) -> (Arc<Contents>, Result<Migrated, MigrateError>) {
    let (from, new) = (memory::reopen(contents), Arc::default());
    let mut to = memory::reopen(&new);
    let result = migrate::run(&*from.reader, &mut to, transform, &mut ignore_progress);
    assert!(result.is_ok() || to.reader.head() == Position::NONE, "something was written");
    (new, result)
}

pub(crate) fn migrated(contents: &Arc<Contents>, mut transform: impl Transform) -> Arc<Contents> {
    let (new, result) = migrated_by(contents, &mut transform);
    result.unwrap();
    new
}

fn refused(contents: &Arc<Contents>, mut transform: impl Transform) -> SagaNotCarried {
    let (_, result) = migrated_by(contents, &mut transform);
    match result.unwrap_err() {
        MigrateError::Begin(why) => *why.downcast().unwrap(),
        other => panic!("{other}"),
    }
}

/// Puts many events into a till that no saga knows.
async fn fill(show: &Show) {
    for _ in 0..100 {
        show.till(TillCommand::Put(0), "lost").await;
    }
}

/// A store with an instance that waits for its next event, after many events that no saga knows.
async fn waiting() -> Arc<Contents> {
    let contents = Arc::default();
    let show = Show::on(&contents).await;
    fill(&show).await;
    show.tell(Said::start("t", "begin").known_as("k").doing([put("a", 1)])).await;
    show.tell(Said::start("u", "begin").doing([Do::Complete])).await;
    show.until_heard("t", "1 a accepted").await;
    show.shut_down().await;
    contents
}

/// A saga waited for a parcel while the history was migrated. A hundred events of another type were left out, and
/// the next hundred events that the saga should have received were ignored silently.
#[tokio::test]
async fn an_instance_that_waits_receives_its_next_event_after_events_were_left_out() {
    let show = Show::on(&migrated(&waiting().await, Lost::Dropped)).await;
    show.tell(Said::by("k", "by key")).await;
    show.tell(Said::proceed("t", "end").doing([put("a", 2), Do::Complete])).await;
    assert_eq!(show.end_of("t").await, InstanceStatus::Completed);
    assert_eq!(show.heard("t").await, ["begin", "1 a accepted", "by key", "end"]);
    assert_eq!(show.put("a").await, [1, 2]);
    assert_eq!(show.put("lost").await, [0_i64; 0]);
}

/// With more events than before, an instance received events a second time, and sent its commands again.
#[tokio::test]
async fn nothing_is_received_twice_after_events_were_split() {
    let show = Show::on(&migrated(&waiting().await, Lost::Doubled)).await;
    show.runtime.caught_up(LONG).await.unwrap();
    assert_eq!(show.put("lost").await.len(), 200);
    assert_eq!(show.heard("t").await, ["begin", "1 a accepted"]);
    assert_eq!(show.heard("u").await, ["begin"]);
    show.tell(Said::proceed("t", "end").doing([Do::Complete])).await;
    assert_eq!(show.end_of("t").await, InstanceStatus::Completed);
    assert_eq!(show.put("a").await, [1]);
}

/// A command had been carried out, and its saga had not received the reply, when the history was migrated. It is found
/// where it is now.
#[tokio::test]
async fn a_command_in_flight_is_carried_out_once_whatever_the_migration_does() {
    for commit in 1..=6 {
        for lost in [Lost::Dropped, Lost::Doubled, Lost::Kept] {
            let contents = Arc::default();
            let show = Show::on(&contents).await;
            fill(&show).await;
            show.tell(Said::start("t", "begin")).await;
            show.faults.fail_commit(commit, Failure::Unwritten);
            let script = Script::of([put("a", 1)]).at_answer([put("a", 2), Do::Complete]);
            let said = Said::proceed("t", "go").follow(script);
            let is_said = show.cues.execute("crier", vec![said.clone()]).await.is_ok();
            let has_failed = || matches!(show.runtime.health().status, Status::Poisoned(_));
            eventually(has_failed).await;
            show.leave(&contents).await;
            let show = Show::on(&migrated(&contents, lost)).await;
            if !is_said {
                show.tell(said).await;
            }
            assert_eq!(show.end_of("t").await, InstanceStatus::Completed, "{commit}");
            assert_eq!(show.put("a").await, [1, 2], "{commit}");
        }
    }
}

/// An event waited, and the saga had begun with the end of the log: with its checkpoint left behind, it would begin with
/// the end again.
#[tokio::test]
async fn a_saga_resumes_where_it_was() {
    let contents = Arc::default();
    let show = Show::on(&contents).await;
    fill(&show).await;
    show.tell(Said::start("t", "begin").doing([Do::Panic("resumes".to_owned())])).await;
    show.tell(Said::start("u", "begin")).await;
    show.puppets.events().unwrap().pause().await;
    show.say(Said::proceed("u", "end").doing([Do::Complete])).await;
    show.shut_down().await;
    let contents = migrated(&contents, Lost::Dropped);
    let runtime = Runtime::builder().on_store(memory::reopen(&contents)).await.unwrap();
    let tills = runtime.host::<Till>();
    let puppets = runtime.saga::<Puppet>().reacts_to::<Cue>().reacts_to::<Hint>();
    let puppets = puppets.sends_to(&tills).from_end().start().await.unwrap();
    puppets.events().unwrap().resume();
    assert_eq!(puppets.end_of("u").await.unwrap(), InstanceStatus::Completed);
    crate::puppet::repair("resumes");
    puppets.retry("t").await.unwrap();
    runtime.caught_up(LONG).await.unwrap();
    assert_eq!(heard(&puppets, "t").await, ["begin"]);
    assert_eq!(heard(&puppets, "u").await, ["begin", "end"]);
}

async fn heard(puppets: &Sagas<Puppet>, id: &str) -> Vec<String> {
    puppets.query(id, |puppet| puppet.heard.clone()).await.unwrap().unwrap()
}

/// Leaves out or renames what the function names.
struct Without(fn(&CommitView<'_>) -> bool);

impl Transform for Without {
    fn transform(&mut self, commit: &CommitView<'_>, out: &mut Rewrite) -> Result<(), BoxError> {
        if !(self.0)(commit) {
            out.keep();
        }
        Ok(())
    }
}

/// A part of a store was copied, without the steps of a live instance or without what it had done. In the copy its saga
/// did everything again.
#[tokio::test]
async fn a_copy_without_what_a_live_instance_needs_is_refused() {
    let contents = Arc::default();
    let show = Show::on(&contents).await;
    show.tell(Said::start("t", "begin").doing([put_for_now("a", 1)])).await;
    show.until_heard("t", "1 a accepted").await;
    show.tell(Said::start("u", "begin").doing([put("b", 1), Do::Complete])).await;
    assert!(show.end_of("u").await.has_ended());
    show.shut_down().await;
    let why = refused(&contents, Without(|commit| commit.category == "puppet"));
    assert!(matches!(&why, SagaNotCarried::Instance { instance } if instance.id() == "t"), "{why}");
    let why = refused(&contents, Without(|commit| commit.id == "a"));
    let SagaNotCarried::Target { instance, target } = &why else { panic!("{why}") };
    assert_eq!((instance.id(), target.id()), ("t", "a"));
    // Nothing needs an instance that has ended, nor what it has sent to.
    migrated(&contents, Without(|commit| ["u", "b"].contains(&commit.id)));
}

/// Encodes the steps of puppets again, and drops the till called `lost`.
struct Both(Reencode, Lost);

impl Transform for Both {
    fn begin(&mut self, from: &dyn Reader) -> Result<(), BoxError> {
        self.0.begin(from)
    }

    fn transform(&mut self, commit: &CommitView<'_>, out: &mut Rewrite) -> Result<(), BoxError> {
        match commit.category {
            "puppet" => self.0.transform(commit, out),
            _ => self.1.transform(commit, out),
        }
    }
}

async fn puppets(contents: &Arc<Contents>, codec: Codec) -> (Runtime, Sagas<Puppet>) {
    let runtime = Runtime::builder().on_store(memory::reopen(contents)).await.unwrap();
    let tills = runtime.host::<Till>();
    let puppets = runtime.saga::<Puppet>().reacts_to::<Cue>().sends_to(&tills).codec(codec);
    let puppets = puppets.start().await.unwrap();
    (runtime, puppets)
}

#[tokio::test]
async fn steps_of_every_codec_are_moved_or_refused_by_name() {
    for codec in [Codec::Json, Codec::MessagePack, Codec::Bincode] {
        let contents = Arc::default();
        let (runtime, _puppets) = puppets(&contents, codec).await;
        let tills = runtime.host::<Till>();
        for _ in 0..100 {
            tills.execute("lost", TillCommand::Put(0)).await.unwrap();
        }
        let cues = runtime.host::<Cue>();
        let begins = Said::start("t", "begin").doing([put_for_now("a", 1)]);
        cues.execute("crier", vec![begins]).await.unwrap();
        runtime.caught_up(LONG).await.unwrap();
        assert!(runtime.shutdown(LONG).await.is_clean());
        let contents = if codec == Codec::Bincode {
            let why = refused(&contents, Lost::Dropped);
            assert!(matches!(why, SagaNotCarried::Opaque { .. }), "{why}");
            migrated(&contents, Lost::Kept);
            migrated(
                &contents,
                Both(Reencode::default().on_saga::<Puppet>(Codec::Json), Lost::Dropped),
            )
        } else {
            migrated(&contents, Lost::Dropped)
        };
        let (runtime, puppets) = puppets(&contents, codec).await;
        let ends = Said::proceed("t", "end").doing([Do::Compensate("no".to_owned())]);
        runtime.host::<Cue>().execute("crier", vec![ends]).await.unwrap();
        assert!(puppets.end_of("t").await.unwrap().has_ended());
        let put = runtime.host::<Till>().query("a", |till| till.amounts.clone()).await.unwrap();
        assert_eq!(put, [1, -1]);
    }
}

/// An event with another number of events in its commit is not a step, whatever its name is.
#[test]
fn events_of_others_that_have_the_name_of_steps_are_left_alone() -> Result<(), Box<dyn Error>> {
    let mut from = memory::open();
    let stream = actuarius::StreamId::new("walker", "w")?;
    let mut append = actuarius::store::Append::new(stream, actuarius::Version::NONE);
    let metadata = actuarius::Metadata::default();
    let time = actuarius::Timestamp::default();
    for number in 0..3_u128 {
        let command_id = actuarius::store::Uuid::from_u128(number).into();
        let new = actuarius::store::NewCommit {
            time,
            command_id,
            named_by_caller: true,
            metadata: &metadata,
        };
        append
            .push_encoded(new, &[EncodedEvent::new("Stepped", 1, Codec::Json, "{\"steps\":5}")])?;
    }
    from.writer.commit(&actuarius::store::Batch { appends: vec![append], ..Default::default() })?;
    let mut to = memory::open();
    let mut transform = Without(|commit| commit.version.get() == 1);
    let done = migrate::run(&*from.reader, &mut to, &mut transform, &mut ignore_progress)?;
    assert_eq!(done.events_written, 2);
    Ok(())
}

//! What can never succeed is in trouble, is shown, and has a way out; and no instance hides the others.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use actuarius::operations::Reuse;
use actuarius::saga::{
    Answer, Correlation, Effects, InstanceStatus, ReactsTo, Saga, Sagas, Sends, Stage,
};
use actuarius::store::memory::{self, Contents};
use actuarius::{Aggregate, Aggregates, Context, Envelope, Id, Runtime};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

use crate::puppet::{Do, Said, Script};
use crate::till::{LONG, Show, TillCommand, at_once, compensate, compensated, put, put_for_now};

impl Show {
    async fn delete(&self, till: &str) {
        self.tills.delete(till, Reuse::Never).await.unwrap();
    }

    /// Starts an instance whose command is to a till that was deleted permanently.
    async fn send_to_deleted(&self, script: Script) {
        self.till(TillCommand::Put(9), "gone").await;
        self.delete("gone").await;
        self.tell(Said::start("t", "begin").follow(script)).await;
        let status = self.until_in_trouble("t").await;
        assert!(matches!(status, InstanceStatus::Quarantined { .. }), "{status}");
        assert_eq!(self.puppets.counts().in_trouble, 1);
    }
}

/// The target of a command was deleted permanently. After an operator had skipped the command, the instance was blocked
/// at the same command again, each time, with all of its later events.
#[tokio::test]
async fn a_command_to_a_deleted_aggregate_can_be_skipped_and_the_instance_continues() {
    let show = Show::new().await;
    show.send_to_deleted(Script::of([put("gone", 1)])).await;
    show.tell(Said::proceed("t", "go on").doing([Do::Complete])).await;
    show.puppets.skip("t").await.unwrap();
    assert_eq!(show.end_of("t").await, InstanceStatus::Completed);
    assert_eq!(show.heard("t").await, ["begin", "go on"]);
    show.until_none_in_trouble().await;
}

impl Show {
    async fn until_none_in_trouble(&self) {
        while self.puppets.counts().in_trouble > 0 {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn an_instance_with_a_command_to_a_deleted_aggregate_can_be_cancelled() {
    let show = Show::new().await;
    show.send_to_deleted(Script::of([put_for_now("gone", 1)])).await;
    assert!(show.puppets.cancel("t", "enough").await.unwrap());
    assert_eq!(show.end_of("t").await, compensated("enough"));
}

/// An undo went to an aggregate that was deleted permanently. Neither `skip` nor `cancel` let the instance end.
#[tokio::test]
async fn an_undo_to_a_deleted_aggregate_can_be_skipped_and_the_others_are_done() {
    for is_killed in [false, true] {
        let contents = Arc::default();
        let show = Show::on(&contents).await;
        let script = Script::of([put_for_now("first", 1)]).at_answer([put_for_now("gone", 2)]);
        show.tell(Said::start("t", "begin").follow(script)).await;
        show.until_heard("t", "2 gone accepted").await;
        show.delete("gone").await;
        show.tell(Said::proceed("t", "stop").doing([compensate("no")])).await;
        show.until_in_trouble("t").await;
        let show = if is_killed {
            show.kill(&contents).await;
            Show::on(&contents).await
        } else {
            show
        };
        show.puppets.skip("t").await.unwrap();
        assert_eq!(show.end_of("t").await, compensated("no"));
        assert_eq!(show.put("first").await, [1, -1]);
    }
}

/// The values that a later release cannot read any more. Each test has values of its own.
static BROKEN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

fn break_value(value: &str) {
    BROKEN.lock().unwrap().insert(value.to_owned());
}

fn repair_value(value: &str) {
    BROKEN.lock().unwrap().remove(value);
}

fn readable<'de, D: Deserializer<'de>>(value: D) -> Result<String, D::Error> {
    let value = String::deserialize(value)?;
    match BROKEN.lock().unwrap().contains(&value) {
        true => Err(D::Error::custom("it cannot be read any more")),
        false => Ok(value),
    }
}

#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
struct Brittle {
    #[serde(deserialize_with = "readable")]
    value: String,
}

/// An aggregate whose commands a later release may be unable to read.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Parcel;

#[derive(Debug, Serialize, Deserialize)]
enum Put {
    Put(String),
}

impl Aggregate for Parcel {
    const TYPE: &'static str = "parcel";
    type Command = Brittle;
    type Event = Put;
    type Error = Infallible;

    fn decide(&self, command: Brittle, _: &Context) -> Result<Vec<Put>, Infallible> {
        Ok(vec![Put::Put(command.value)])
    }

    fn apply(&mut self, _: &Put) {}
}

impl Saga for Brittle {
    const TYPE: &'static str = "brittle";
    type Deadline = ();
}

impl ReactsTo<Parcel> for Brittle {
    fn correlate(event: &Envelope<Parcel>) -> Correlation {
        Correlation::proceed(event.id.as_str())
    }

    fn react(&mut self, _: &Envelope<Parcel>) -> Effects<Self> {
        Effects::complete()
    }
}

impl Sends<Parcel> for Brittle {
    fn answered(&mut self, _: Answer<Parcel>) -> Effects<Self> {
        Effects::complete()
    }
}

struct Fragile {
    runtime: Runtime,
    sagas: Sagas<Brittle>,
    boxes: Aggregates<Parcel>,
}

impl Fragile {
    async fn on(contents: &Arc<Contents>) -> Self {
        let runtime = Runtime::builder().on_store(memory::reopen(contents)).await.unwrap();
        let boxes = runtime.host::<Parcel>();
        let sagas = runtime.saga::<Brittle>().reacts_to::<Parcel>().sends_to(&boxes);
        // A command is encoded by then, and not sent yet.
        let breaking = |stage, id: &str| {
            if stage == Stage::Reacted {
                break_value(&format!("{id} command"));
            }
        };
        let sagas = sagas.retry(at_once()).watched_by(breaking).start().await.unwrap();
        Self { runtime, sagas, boxes }
    }

    async fn until_in_trouble(&self, many: u64) {
        while self.sagas.counts().in_trouble != many {
            tokio::task::yield_now().await;
        }
    }

    async fn shut_down(self) {
        assert!(self.runtime.shutdown(LONG).await.is_clean());
    }
}

/// The state of one instance could not be read by a new release. The saga did not start any more, and no instance of
/// it continued.
#[tokio::test]
async fn one_instance_that_cannot_be_read_hides_no_other_and_is_shown_in_trouble() {
    let contents = Arc::default();
    let before = Fragile::on(&contents).await;
    for id in ["good", "bad"] {
        let value = format!("{id} state");
        let begin = move |saga: &mut Brittle| {
            saga.value = value;
            Effects::none()
        };
        assert!(before.sagas.begin(id, begin).await.unwrap());
    }
    before.shut_down().await;
    break_value("bad state");
    let after = Fragile::on(&contents).await;
    assert!(after.sagas.status("bad").await.is_err());
    after.until_in_trouble(1).await;
    let listed = after.sagas.list("", 10, |shown| shown.status.is_in_trouble());
    assert_eq!(listed.iter().map(|shown| shown.id.as_str()).collect::<Vec<_>>(), ["bad"]);
    assert_eq!(after.sagas.counts().live, 2);
    let go_on = Brittle { value: "go on".to_owned() };
    after.boxes.execute("good", go_on).await.unwrap();
    assert_eq!(after.sagas.end_of("good").await.unwrap(), InstanceStatus::Completed);
    assert!(after.sagas.retry("bad").await.is_err());
    repair_value("bad state");
    after.sagas.retry("bad").await.unwrap();
    after.until_in_trouble(0).await;
    assert_eq!(after.sagas.status("bad").await.unwrap(), Some(InstanceStatus::Running));
}

/// The command type was changed while a command waited. The command was tried every ten seconds without end, and
/// nothing but warnings in the log told of it.
#[tokio::test]
async fn a_command_that_does_not_decode_any_more_is_in_trouble_and_has_each_way_out() {
    let contents = Arc::default();
    for way in ["retry", "skip", "cancel"] {
        let word = format!("{way} command");
        let command = Brittle { value: word.clone() };
        let id = Id::<Parcel>::new("target").unwrap();
        let show = Fragile::on(&contents).await;
        let begin = move |_: &mut Brittle| Effects::none().send(&id, command);
        assert!(show.sagas.begin(way, begin).await.unwrap());
        show.until_in_trouble(1).await;
        show.shut_down().await;
        let show = Fragile::on(&contents).await;
        show.until_in_trouble(1).await;
        match way {
            "retry" => {
                repair_value(&word);
                show.sagas.retry(way).await.unwrap();
                assert_eq!(show.sagas.end_of(way).await.unwrap(), InstanceStatus::Completed);
            }
            "skip" => {
                show.sagas.skip(way).await.unwrap();
                assert_eq!(show.sagas.status(way).await.unwrap(), Some(InstanceStatus::Running));
            }
            _ => {
                assert!(show.sagas.cancel(way, "enough").await.unwrap());
                assert_eq!(show.sagas.end_of(way).await.unwrap(), compensated("enough"));
            }
        }
        show.until_in_trouble(0).await;
        show.shut_down().await;
    }
}

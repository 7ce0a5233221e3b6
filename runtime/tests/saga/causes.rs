//! What a command of a saga or a schedule names as its cause.

use std::sync::Arc;

use actuarius::clock::ManualClock;
use actuarius::store::PageLimit;
use actuarius::{
    Aggregate, Aggregates, CausationId, CommandId, EventId, Id, Metadata, Position, StreamId,
    Timestamp, Version,
};
use serde::de::DeserializeOwned;

use crate::puppet::{Do, Said, Script};
use crate::till::{NOON, Show, Till, TillCommand, compensate, put, put_for_now};

/// Returns, of each event of an aggregate, its id, its command and what it names as its cause.
async fn events<A>(all: &Aggregates<A>, id: &str) -> Vec<(EventId, CommandId, Option<CausationId>)>
where
    A: Aggregate<Event: DeserializeOwned>,
{
    let events = all.events(id, Version::NONE).await.unwrap();
    let headers = events.into_iter().map(|event| event.header);
    headers.map(|it| (it.event_id, it.command_id, it.causation_id)).collect()
}

impl Show {
    async fn causes(&self, till: &str) -> Vec<Option<CausationId>> {
        events(&self.tills, till).await.into_iter().map(|(_, _, cause)| cause).collect()
    }

    async fn said(&self, index: usize) -> Option<CausationId> {
        events(&self.cues, "crier").await.get(index).map(|(id, _, _)| (*id).into())
    }

    /// Returns the id of the command of the first step of an instance.
    fn call_of(&self, saga: &str, id: &str) -> Option<CausationId> {
        let (stream, limit) = (StreamId::new(saga, id).unwrap(), PageLimit::default());
        let reader = self.runtime.reader().unwrap();
        let page = reader.read_stream(&stream, Version::NONE, Position::NONE, limit).unwrap();
        page.commits.first().map(|commit| commit.view().command_id.into())
    }
}

/// An auditor followed the causes of a payment back to the order. Each command of the saga named itself as its cause, so
/// the trail ended there.
#[tokio::test]
async fn a_command_of_a_saga_names_what_the_saga_has_reacted_to_as_its_cause() {
    let show = Show::new().await;
    let script = Script::of([put_for_now("a", 1), Do::RemindAt(NOON + 10, "later".to_owned())]);
    let script = script.at_answer([put("b", 2)]).at_due("later", [put("c", 3)]);
    show.tell(Said::start("t", "begin").follow(script)).await;
    show.until_heard("t", "2 b accepted").await;
    show.clock.set(Timestamp::from_micros(NOON + 10));
    show.until_heard("t", "3 c accepted").await;
    show.tell(Said::proceed("t", "stop").doing([compensate("no")])).await;
    assert!(show.end_of("t").await.has_ended());

    let (begin, stop) = (show.said(0).await, show.said(1).await);
    assert!(begin.is_some() && stop.is_some());
    assert_eq!(show.causes("a").await, [begin, stop], "an event, also for the undo");
    let (_, first_command, _) = events(&show.tills, "a").await[0];
    assert_eq!(show.causes("b").await, [Some(first_command.into())], "the answered command");
    assert_eq!(show.causes("c").await, [begin], "what has set the deadline");
}

/// A command that was not delivered before a restart is sent from what is stored. It has the same cause.
#[tokio::test]
async fn a_command_that_is_sent_after_a_restart_names_the_same_cause() {
    let contents = Arc::default();
    let show = Show::on(&contents).await;
    show.tills.execute("a", TillCommand::Burst).await.unwrap_err();
    show.tell(Said::start("t", "begin").doing([put("a", 1)])).await;
    let begin = show.said(0).await;
    show.shut_down().await;
    let show = Show::on(&contents).await;
    show.until_heard("t", "1 a accepted").await;
    assert!(begin.is_some());
    assert_eq!(show.causes("a").await, [begin]);
}

#[tokio::test]
async fn what_a_call_has_caused_names_the_cause_of_the_caller_or_the_call() {
    let show = Show::new().await;
    let caller = Some(CausationId::from("a request"));
    let named = show.puppets.with_metadata(Metadata { causation: caller, ..Metadata::default() });
    assert!(named.begin("t", |puppet| puppet.follow(Script::of([put("a", 1)]))).await.unwrap());
    show.until_heard("t", "1 a accepted").await;
    let unnamed = &show.puppets;
    assert!(unnamed.begin("u", |puppet| puppet.follow(Script::of([put("b", 2)]))).await.unwrap());
    show.until_heard("u", "2 b accepted").await;
    assert_eq!(show.causes("a").await, [caller]);
    assert_eq!(show.causes("b").await, [show.call_of("puppet", "u")]);
}

/// A handler scheduled a reminder because of an event. The reminder named a command of the schedule as its cause that
/// nobody had ever sent.
#[tokio::test]
async fn a_scheduled_command_names_the_cause_of_the_caller_or_the_call_that_has_scheduled_it() {
    let contents = Arc::default();
    let show = Show::on(&contents).await;
    let caller = Some(CausationId::from("an event"));
    let (a, b) = (Id::<Till>::new("a").unwrap(), Id::<Till>::new("b").unwrap());
    let at = Timestamp::from_micros(NOON + 10);
    let schedules = show.runtime.schedules().sends_to(&show.tills).start().await.unwrap();
    let named = schedules.with_metadata(Metadata { causation: caller, ..Metadata::default() });
    assert!(named.schedule_as("one", &a, TillCommand::Put(1), at).await.unwrap());
    assert!(schedules.schedule_as("two", &b, TillCommand::Put(2), at).await.unwrap());
    drop((named, schedules));
    show.shut_down().await;
    let show = Show::at(&contents, Arc::new(ManualClock::at(at))).await;
    let schedules = show.runtime.schedules().sends_to(&show.tills).start().await.unwrap();
    for name in ["one", "two"] {
        assert!(schedules.end_of(name).await.unwrap().has_ended());
    }
    assert_eq!(show.causes("a").await, [caller]);
    assert_eq!(show.causes("b").await, [show.call_of("schedule", "two")]);
}

//! The user and the entries of metadata travel through a saga to the commands that it sends.

use std::sync::Arc;

use actuarius::clock::ManualClock;
use actuarius::store::PageLimit;
use actuarius::store::memory::Contents;
use actuarius::{Id, Metadata, Position, Runtime, StreamId, Timestamp, Version};

use crate::puppet::{Do, Said, Script};
use crate::till::{LONG, NOON, Show, Till, TillCommand, compensate, put, put_for_now};

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn of(user: &str) -> Metadata {
    Metadata::default().on_behalf_of(user).with("tenant", "acme").with("traceparent", TRACE)
}

fn at(micros: i64) -> Arc<ManualClock> {
    Arc::new(ManualClock::at(Timestamp::from_micros(NOON + micros)))
}

impl Show {
    async fn say_for(&self, user: &str, said: Said) {
        let receipt = self.cues.execute("crier", vec![said]).metadata(of(user)).await.unwrap();
        self.puppets.wait_for_within(receipt.position, LONG).await.unwrap();
    }
}

/// Returns for whom each commit of a stream was made, and checks that no entry is missing.
fn users(runtime: &Runtime, category: &str, id: &str) -> Vec<Option<String>> {
    let stream = StreamId::new(category, id).unwrap();
    let reader = runtime.reader().unwrap();
    let page = reader.read_stream(&stream, Version::NONE, Position::NONE, PageLimit::default());
    let commits = page.unwrap().commits;
    let metadata = commits.iter().map(|commit| commit.view().metadata());
    let user = |metadata: Metadata| {
        let user = metadata.user?;
        assert_eq!(metadata.entries, of(&user).entries, "{category}/{id}: {user}");
        Some(user)
    };
    metadata.map(user).collect()
}

fn some(users: &[&str]) -> Vec<Option<String>> {
    users.iter().map(|user| Some((*user).to_owned())).collect()
}

/// A service with many tenants put the tenant into the metadata of each command. Behind a saga it was lost: the
/// accounts received commands of no tenant and no user.
#[tokio::test]
async fn a_command_carries_the_user_and_the_entries_of_the_event_that_has_caused_it() {
    let show = Show::new().await;
    let script = Script::of([put("a", 1), Do::RemindAt(NOON + 10, "later".to_owned())]);
    let script = script.at_answer([put("a", 2)]).at_due("later", [put("b", 3)]);
    show.say_for("alice", Said::start("t", "begin").follow(script)).await;
    show.until_heard("t", "2 a accepted").await;
    show.say_for("bob", Said::proceed("t", "more").doing([put("c", 4)])).await;
    show.say(Said::proceed("t", "nobody's").doing([put("d", 5)])).await;
    show.until_heard("t", "5 d accepted").await;
    show.clock.set(Timestamp::from_micros(NOON + 10));
    show.until_heard("t", "3 b accepted").await;
    assert_eq!(users(&show.runtime, "till", "a"), some(&["alice", "alice"]));
    assert_eq!(users(&show.runtime, "till", "b"), some(&["alice"]));
    assert_eq!(users(&show.runtime, "till", "c"), some(&["bob"]));
    assert_eq!(users(&show.runtime, "till", "d"), [None]);
}

/// The undos are made for whom the instance gives up, and so is what it sends in the end.
#[tokio::test]
async fn undos_carry_the_metadata_of_what_has_made_the_instance_compensate() {
    let show = Show::new().await;
    let script = Script::of([put_for_now("a", 1)]).at_answer([put_for_now("a", 2)]);
    let script = script.at_last([put("b", 9)]);
    show.say_for("alice", Said::start("t", "begin").follow(script)).await;
    show.until_heard("t", "2 a accepted").await;
    let gives_up = Said::proceed("t", "stop").doing([compensate("no")]);
    show.say_for("bob", gives_up).await;
    assert!(show.end_of("t").await.has_ended());
    assert_eq!(users(&show.runtime, "till", "a"), some(&["alice", "alice", "bob", "bob"]));
    assert_eq!(users(&show.runtime, "till", "b"), some(&["bob"]));
}

/// A deadline, a command for later and a command that was not delivered wait in the store for the next start.
#[tokio::test]
async fn metadata_survives_restarts() {
    let contents: Arc<Contents> = Arc::default();
    let show = Show::on(&contents).await;
    let script = Script::of([
        Do::PutAt(NOON + 10, "a".to_owned(), 1),
        Do::RemindAt(NOON + 20, "later".to_owned()),
    ]);
    let script = script.at_due("later", [put("b", 2)]);
    show.say_for("alice", Said::start("t", "begin").follow(script)).await;
    show.say_for("bob", Said::proceed("t", "more")).await;
    show.shut_down().await;
    let show = Show::at(&contents, at(10)).await;
    show.until_heard("t", "1 a accepted").await;
    show.kill(&contents).await;
    let show = Show::at(&contents, at(20)).await;
    show.until_heard("t", "2 b accepted").await;
    assert_eq!(users(&show.runtime, "till", "a"), some(&["alice"]));
    assert_eq!(users(&show.runtime, "till", "b"), some(&["alice"]));
}

#[tokio::test]
async fn what_is_begun_or_cancelled_with_metadata_carries_it() {
    let show = Show::new().await;
    let alice = show.puppets.with_metadata(of("alice"));
    let begins = Script::of([put_for_now("a", 1)]);
    assert!(alice.begin("t", |puppet| puppet.follow(begins)).await.unwrap());
    show.until_heard("t", "1 a accepted").await;
    assert!(show.puppets.with_metadata(of("bob")).cancel("t", "no").await.unwrap());
    assert!(show.end_of("t").await.has_ended());
    // Without metadata of its own, a cancel counts for whom the instance was begun.
    let begins = Script::of([put_for_now("b", 1)]);
    assert!(alice.begin("u", |puppet| puppet.follow(begins)).await.unwrap());
    show.until_heard("u", "1 b accepted").await;
    assert!(show.puppets.cancel("u", "no").await.unwrap());
    assert!(show.end_of("u").await.has_ended());
    assert_eq!(users(&show.runtime, "till", "a"), some(&["alice", "bob"]));
    assert_eq!(users(&show.runtime, "till", "b"), some(&["alice", "alice"]));
    // The steps themselves say for whom they were taken: begun, answered, cancelled, undone.
    assert_eq!(users(&show.runtime, "puppet", "t"), some(&["alice", "alice", "bob", "bob"]));
}

#[tokio::test]
async fn a_scheduled_command_carries_the_metadata_that_it_was_scheduled_with() {
    let show = Show::new().await;
    let schedules = show.runtime.schedules().sends_to(&show.tills).start().await.unwrap();
    let till = Id::<Till>::new("a").unwrap();
    let at = Timestamp::from_micros(NOON + 10);
    let alice = schedules.with_metadata(of("alice"));
    assert!(alice.schedule_as("one", &till, TillCommand::Put(1), at).await.unwrap());
    let bob = schedules.with_metadata(of("bob"));
    assert!(bob.replace("one", &till, TillCommand::Put(2), at).await.unwrap());
    show.clock.set(at);
    assert!(schedules.end_of("one").await.unwrap().has_ended());
    assert_eq!(users(&show.runtime, "till", "a"), some(&["bob"]));
}

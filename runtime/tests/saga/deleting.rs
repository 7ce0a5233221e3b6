//! Sagas and aggregates that are deleted, and sagas that react to more than before.

use std::sync::Arc;
use std::time::Duration;

use actuarius::error::StartError;
use actuarius::operations::Reuse;
use actuarius::saga::{InstanceStatus, Sagas};
use actuarius::subscription::Widening;
use actuarius::{Failure, Runtime};

use crate::common::{eventually, open_on};
use crate::puppet::{Cue, Do, Hint, Puppet, Said};
use crate::till::{LONG, Show, Till};

/// An instance was quarantined at an event, and its aggregate was deleted. The event could neither be handled nor read any
/// more, and held up all later ones of the instance.
#[tokio::test]
async fn an_instance_gets_past_an_event_whose_aggregate_was_deleted() {
    let show = Show::new().await;
    show.tell(Said::start("t", "begin")).await;
    let bad = Said::proceed("t", "bad").doing([Do::Panic("never repaired".to_owned())]);
    show.hints.execute("liar", vec![bad]).await.unwrap();
    show.until_in_trouble("t").await;
    for word in ["one", "two"] {
        show.tell(Said::proceed("t", word)).await;
    }
    show.hints.delete("liar", Reuse::Never).await.unwrap();
    show.puppets.retry("t").await.unwrap();
    show.until_heard("t", "two").await;
    assert_eq!(show.heard("t").await, ["begin", "one", "two"]);
    assert_eq!(show.puppets.counts().in_trouble, 0);
}

/// An instance `t` whose first event was poison, and the aggregate of that event was deleted.
async fn unbegun() -> Show {
    let show = Show::new().await;
    let bad = Said::start("t", "bad").doing([Do::Panic("never begun".to_owned())]);
    show.hints.execute("liar", vec![bad]).await.unwrap();
    show.until_in_trouble("t").await;
    show.hints.delete("liar", Reuse::Never).await.unwrap();
    show
}

/// A retry left an instance that ran, waited for an event that never came, and could neither be cancelled nor retried.
#[tokio::test]
async fn an_instance_whose_first_event_was_deleted_stays_quarantined_until_it_is_skipped() {
    let show = unbegun().await;
    show.tell(Said::proceed("t", "one")).await;
    for _ in 0..2 {
        show.puppets.retry("t").await.unwrap();
        let status = show.puppets.status("t").await.unwrap().unwrap();
        let InstanceStatus::Quarantined { why } = &status else { panic!("{status}") };
        assert!(why.contains("deleted"), "{why}");
        let counts = show.puppets.counts();
        assert_eq!((counts.live, counts.in_trouble), (1, 1));
    }
    show.puppets.skip("t").await.unwrap();
    let ended = show.puppets.status("t").await.unwrap().unwrap();
    assert!(matches!(ended, InstanceStatus::Failed { .. }), "{ended}");
    assert!(show.heard("t").await.is_empty());
    eventually(|| show.puppets.counts().failed == 1).await;
    let counts = show.puppets.counts();
    assert_eq!((counts.live, counts.in_trouble), (0, 0));
}

/// Whether a later event began the instance depended on how far the saga had read when an operator retried.
#[tokio::test]
async fn a_later_event_begins_the_instance_whether_it_was_read_before_the_retry_or_after() {
    for is_read_before in [true, false] {
        let show = unbegun().await;
        if !is_read_before {
            show.puppets.events().unwrap().pause().await;
        }
        show.say(Said::start("t", "begin")).await;
        if is_read_before {
            show.puppets.wait_for(show.runtime.head()).await.unwrap();
        }
        show.puppets.retry("t").await.unwrap();
        show.puppets.events().unwrap().resume();
        show.until_heard("t", "begin").await;
        assert_eq!(show.puppets.status("t").await.unwrap(), Some(InstanceStatus::Running));
        eventually(|| show.puppets.counts().in_trouble == 0).await;
    }
}

/// The events were retried by the subscription, so that nothing was parked when the instance was.
#[tokio::test]
async fn an_instance_without_parked_events_can_be_retried() {
    let show = unbegun().await;
    assert_eq!(show.puppets.events().unwrap().retry_parked("t").await, Ok(0));
    show.tell(Said::start("t", "begin")).await;
    show.puppets.retry("t").await.unwrap();
    show.until_heard("t", "begin").await;
}

/// If another parked event begins the instance, the deleted one is passed over.
#[tokio::test]
async fn an_instance_whose_first_event_was_deleted_begins_with_the_next_one_that_begins_it() {
    let show = Show::new().await;
    let bad = Said::start("t", "bad").doing([Do::Panic("never the first".to_owned())]);
    show.hints.execute("liar", vec![bad]).await.unwrap();
    show.until_in_trouble("t").await;
    show.tell(Said::start("t", "begin")).await;
    show.tell(Said::proceed("t", "one")).await;
    show.hints.delete("liar", Reuse::Never).await.unwrap();
    show.puppets.retry("t").await.unwrap();
    show.until_heard("t", "one").await;
    assert_eq!(show.heard("t").await, ["begin", "one"]);
    assert_eq!(show.puppets.counts().failed, 0);
}

/// A deletion must not take the last event of an aggregate from a saga that has not received it yet.
#[tokio::test]
async fn a_deletion_waits_for_a_saga_that_is_paused() {
    let show = Show::new().await;
    show.puppets.events().unwrap().pause().await;
    show.say(Said::start("t", "begin")).await;
    let deleting = show.cues.delete("crier", Reuse::Never).waits_at_most(Duration::ZERO);
    let Failure::FollowersLag { followers, .. } = deleting.await.unwrap_err() else {
        panic!("another failure")
    };
    // Another follower of the saga may have had no time for the event either.
    assert!(followers.iter().any(|it| &*it.name == "saga.puppet.events"), "{followers:?}");
    show.puppets.events().unwrap().resume();
    show.cues.delete("crier", Reuse::Never).waits_at_most(LONG).await.unwrap();
    assert_eq!(show.heard("t").await, ["begin"]);
}

async fn puppets(runtime: &Runtime, widening: Widening) -> Result<Sagas<Puppet>, StartError> {
    let puppets = runtime.saga::<Puppet>().reacts_to::<Cue>().reacts_to::<Hint>();
    puppets.sends_to(&runtime.host::<Till>()).on_widening(widening).start().await
}

/// A saga reacted to a further aggregate type. It had passed the earlier events of that type, and said nothing.
#[tokio::test]
async fn a_saga_widened_by_a_type_is_refused_until_a_choice_is_made() {
    for (choice, heard) in [(Widening::FromHere, 1), (Widening::FromBeginning, 2)] {
        let contents = Arc::default();
        let (runtime, _) = open_on(&contents).await;
        let before = runtime.saga::<Puppet>().reacts_to::<Cue>();
        let before = before.sends_to(&runtime.host::<Till>()).start().await.unwrap();
        let hint = Said::start("early", "begin");
        runtime.host::<Hint>().execute("crier", vec![hint]).await.unwrap();
        runtime.caught_up(LONG).await.unwrap();
        drop(before);
        assert!(runtime.shutdown(LONG).await.is_clean());
        drop(runtime);

        let (runtime, _) = open_on(&contents).await;
        match puppets(&runtime, Widening::Refused).await {
            Err(StartError::Widened { events, .. }) => assert!(events.contains("hint"), "{events}"),
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("it has started"),
        }
        assert!(runtime.shutdown(LONG).await.is_clean());
        drop(runtime);

        let (runtime, _) = open_on(&contents).await;
        let puppets = puppets(&runtime, choice).await.unwrap();
        let hint = Said::start("late", "begin");
        runtime.host::<Hint>().execute("crier", vec![hint]).await.unwrap();
        runtime.caught_up(LONG).await.unwrap();
        let mut started = 0;
        for id in ["early", "late"] {
            started += usize::from(puppets.status(id).await.unwrap().is_some());
        }
        assert_eq!(started, heard, "{choice:?}");
    }
}

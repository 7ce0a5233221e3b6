//! Steps of sagas that do not read back.

use std::convert::Infallible;
use std::net::IpAddr;
use std::time::Duration;

use actuarius::saga::{
    Answer, Correlation, Effects, InstanceStatus, ReactsTo, Retry, Saga, SagaError, Sagas, Sends,
};
use actuarius::store::memory;
use actuarius::{Aggregate, Aggregates, Context, Envelope, Failure, Id, Position, Runtime};
use serde::{Deserialize, Serialize};

use crate::world::LONG;

/// The names of people. It remembers what it was sent.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Names {
    updates: u32,
    last: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Update {
    nick: Option<Option<String>>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
enum NameEvent {
    Updated(String),
}

impl Aggregate for Names {
    const TYPE: &'static str = "names";
    type Command = Update;
    type Event = NameEvent;
    type Error = Infallible;

    fn decide(&self, update: Update, _: &Context) -> Result<Vec<NameEvent>, Infallible> {
        Ok(vec![NameEvent::Updated(format!("{update:?}"))])
    }

    fn apply(&mut self, NameEvent::Updated(update): &NameEvent) {
        self.updates += 1;
        self.last.clone_from(update);
    }
}

/// MessagePack cannot read an address inside a tagged enum.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "t")]
enum Peer {
    Ip { address: IpAddr },
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Call {
    peer: Option<Peer>,
    heard: Vec<String>,
}

impl Saga for Call {
    const TYPE: &'static str = "call";
    type Deadline = Option<Option<u8>>;
}

impl Sends<Names> for Call {
    fn answered(&mut self, _: Answer<Names>) -> Effects<Self> {
        Effects::none()
    }
}

impl ReactsTo<Names> for Call {
    fn correlate(event: &Envelope<Names>) -> Correlation {
        Correlation::start_or_proceed(event.id.as_str())
    }

    fn react(&mut self, event: &Envelope<Names>) -> Effects<Self> {
        let NameEvent::Updated(update) = &event.event;
        self.heard.push(update.clone());
        if update.contains("127.0.0.1") {
            self.peer = Some(unreadable());
        }
        Effects::none()
    }
}

fn unreadable() -> Peer {
    Peer::Ip { address: IpAddr::from([127, 0, 0, 1]) }
}

async fn calls(runtime: &Runtime) -> (Aggregates<Names>, Sagas<Call>) {
    let names = runtime.host::<Names>();
    let at_once = Retry::default().attempts(2).waits(Duration::ZERO, Duration::ZERO);
    let calls = runtime.saga::<Call>().reacts_to::<Names>().sends_to(&names).retry(at_once);
    let calls = calls.start().await.unwrap();
    (names, calls)
}

/// The saga sent a command with `nick: Some(None)`, which removes a name. The aggregate received `None`, which
/// leaves it, while the state of the saga said `Some(None)`.
#[tokio::test]
async fn a_command_that_does_not_read_back_is_refused_when_it_is_sent() {
    let runtime = Runtime::in_memory().await.unwrap();
    let (names, calls) = calls(&runtime).await;
    let (ada, removed) = (Id::new("ada").unwrap(), Update { nick: Some(None) });
    let kept = Update { nick: Some(Some("Ada".to_owned())) };
    let (to, update) = (ada.clone(), removed.clone());
    let sent = calls.begin("send", move |_| Effects::none().send(&to, update)).await;
    assert!(matches!(&sent, Err(SagaError::Unwritable(why)) if why.contains("Update")), "{sent:?}");
    let (to, update) = (ada.clone(), kept.clone());
    let undo = move |_: &mut Call| Effects::none().send_with_undo(&to, update, removed);
    assert!(matches!(calls.begin("undo", undo).await, Err(SagaError::Unwritable(_))));
    let name = Effects::none().schedule_in(Duration::from_secs(1), Some(None));
    let begun = calls.begin("deadline", move |_| name).await;
    assert!(matches!(begun, Err(SagaError::Unwritable(_))), "{begun:?}");
    assert_eq!(runtime.head(), Position::NONE, "nothing was written");

    let to = ada.clone();
    assert!(calls.begin("send", move |_| Effects::none().send(&to, kept)).await.unwrap());
    while names.query("ada", |names| names.updates).await.unwrap() == 0 {
        tokio::task::yield_now().await;
    }
    let last = names.query("ada", |names| names.last.clone()).await.unwrap();
    assert_eq!(last, r#"Update { nick: Some(Some("Ada")) }"#);
}

/// One instance had a state that did not decode. The index of all instances halted at it: no instance was listed
/// any more, and after a restart the saga could not be started.
#[tokio::test]
async fn an_instance_whose_state_does_not_read_back_is_refused_and_hides_no_other_one() {
    let contents = std::sync::Arc::default();
    for life in 1..=2 {
        let runtime = Runtime::builder().on_store(memory::reopen(&contents)).await.unwrap();
        let (names, calls) = calls(&runtime).await;
        let bad = calls.begin("bad", |call| {
            call.peer = Some(unreadable());
            Effects::none()
        });
        let bad = bad.await;
        let unstorable = matches!(&bad, Err(SagaError::Failed(Failure::Unstorable(_))));
        assert!(unstorable, "{bad:?}");
        assert!(calls.begin(format!("good-{life}"), |_| Effects::none()).await.unwrap());
        runtime.caught_up(LONG).await.unwrap();
        let listed = calls.list("", 10, |_| true);
        assert_eq!((listed.len(), calls.counts().live), (life, life as u64));
        assert_eq!(calls.status("bad").await.unwrap(), None);
        drop((names, calls));
        assert!(runtime.shutdown(LONG).await.is_clean());
    }
}

/// An event led to a state that did not decode: the step was stored, and the instance could never be loaded again.
#[tokio::test]
async fn an_event_after_which_the_state_does_not_read_back_quarantines_its_instance_only() {
    let runtime = Runtime::in_memory().await.unwrap();
    let (names, calls) = calls(&runtime).await;
    let named = |nick: &str| Update { nick: Some(Some(nick.to_owned())) };
    for (id, nick) in [("a", "one"), ("a", "127.0.0.1"), ("a", "two"), ("b", "three")] {
        names.execute(id, named(nick)).await.unwrap();
    }
    runtime.caught_up(LONG).await.unwrap();
    while calls.counts().in_trouble == 0 {
        tokio::task::yield_now().await;
    }
    let status = calls.status("a").await.unwrap().unwrap();
    let why = "expected IP address";
    let is_known = matches!(&status, InstanceStatus::Quarantined { why: it } if it.contains(why));
    assert!(is_known, "{status}");
    let heard = |id| calls.query(id, |call| call.heard.len());
    assert_eq!(heard("a").await.unwrap(), Some(1), "as before the event");
    assert_eq!(heard("b").await.unwrap(), Some(1));
    assert_eq!(calls.list("", 10, |_| true).len(), 2);
    while calls.events().unwrap().parked_of("a").await.len() < 2 {
        tokio::task::yield_now().await;
    }
    calls.skip("a").await.unwrap();
    while heard("a").await.unwrap() < Some(2) {
        tokio::task::yield_now().await;
    }
}

/// A reaction panicked when an instance began. The caller received "undone, try again", at each attempt.
#[tokio::test]
async fn the_first_reaction_runs_once_and_its_failure_is_reported() {
    let runtime = Runtime::in_memory().await.unwrap();
    let (_names, calls) = calls(&runtime).await;
    let begun = calls.begin("t", |_| std::panic::resume_unwind(Box::new("bad start"))).await;
    let is_told = |error: &SagaError| error.to_string().contains("bad start");
    assert!(matches!(&begun, Err(error) if is_told(error)), "{begun:?}");
    assert_eq!(calls.status("t").await.unwrap(), None);
    assert!(calls.begin("t", |_| Effects::none()).await.unwrap());
    assert!(!calls.begin("t", |_| panic!("it has begun")).await.unwrap());
}

//! A saga that sends personal values from one aggregate to another.

use std::sync::OnceLock;
use std::time::Duration;

use actuarius::saga::{Answer, Correlation, Effects, ReactsTo, Saga, Sends};
use actuarius::{Aggregate, Codec, Context, Envelope, Hosting, Id, Personal};
use serde::{Deserialize, Serialize};

use super::customers::{CODECS, Customer, CustomerEvent, Place, hosting, register, subject};

const LONG: Duration = Duration::from_secs(60);

/// The letter to a customer of this name is decided until [`SLOW_ENDS`].
pub(crate) const SLOW: &str = "Slow";
pub(crate) static SLOW_BEGUN: OnceLock<()> = OnceLock::new();
pub(crate) static SLOW_ENDS: OnceLock<()> = OnceLock::new();

#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(crate) struct Mailbox {
    pub(crate) letters: Vec<Personal<String>>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Letter {
    Posted(Personal<String>),
}

impl Aggregate for Mailbox {
    const TYPE: &'static str = "mailbox";
    type Command = Personal<String>;
    type Event = Letter;
    type Error = std::convert::Infallible;

    fn decide(&self, text: Personal<String>, _: &Context) -> Result<Vec<Letter>, Self::Error> {
        if text.get().is_some_and(|name| name == SLOW) {
            SLOW_BEGUN.get_or_init(|| ());
            SLOW_ENDS.wait();
        }
        Ok(vec![Letter::Posted(text)])
    }

    fn apply(&mut self, Letter::Posted(text): &Letter) {
        self.letters.push(text.clone());
    }
}

/// Welcomes each customer twice: immediately, and much later.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(crate) struct Welcome {
    pub(crate) name: Personal<String>,
}

impl Saga for Welcome {
    const TYPE: &'static str = "welcome";
    type Deadline = ();

    fn due(&mut self, (): ()) -> Effects<Self> {
        Effects::complete()
    }
}

impl ReactsTo<Customer> for Welcome {
    fn correlate(event: &Envelope<Customer>) -> Correlation {
        Correlation::start(event.id.as_str())
    }

    fn react(&mut self, event: &Envelope<Customer>) -> Effects<Self> {
        let CustomerEvent::Registered { name } = &event.event else { return Effects::none() };
        self.name = name.clone();
        let mailbox = Id::<Mailbox>::new(event.id.as_str()).unwrap();
        Effects::none().send(&mailbox, name.clone()).schedule_in(Duration::from_secs(1_000_000), ())
    }
}

impl Sends<Mailbox> for Welcome {
    fn answered(&mut self, answer: Answer<Mailbox>) -> Effects<Self> {
        assert_eq!(answer.command.subject(), self.name.subject());
        Effects::none()
    }
}

async fn scene(codec: Codec) {
    let place = Place::new();
    let runtime = place.open().await;
    let customers = runtime.host_with::<Customer>(hosting(codec));
    let mailboxes = runtime.host_with::<Mailbox>(Hosting::default().codec(codec).snapshot_every(1));
    let welcomes = runtime.saga::<Welcome>().reacts_to::<Customer>().sends_to(&mailboxes);
    let welcomes = welcomes.codec(codec).start().await.unwrap();
    let (ada, bob) = (register(&customers, "ada").await, register(&customers, "bob").await);
    runtime.caught_up(LONG).await.unwrap();
    crate::common::eventually(|| mailboxes.resident() == 2).await;
    let letter = async |id: &str| mailboxes.query(id, |it| it.letters[0].clone()).await.unwrap();
    assert_eq!(letter("ada").await.get(), Some(&ada));
    assert!(!place.says(&ada), "{codec:?}");

    let forgotten = runtime.forget(subject("ada")).await.unwrap();
    assert!(forgotten.is_complete());
    assert_eq!(forgotten.aggregates, 3, "the customer, the mailbox and the instance");
    assert!(letter("ada").await.is_erased());
    assert_eq!(letter("bob").await.get(), Some(&bob));
    assert!(!place.says(&ada));
    // The instance continues without the personal values.
    assert!(!welcomes.status("ada").await.unwrap().unwrap().has_ended());
    assert!(welcomes.query("ada", |it| it.name.is_erased()).await.unwrap().unwrap());
    drop((customers, mailboxes, welcomes));
    assert!(runtime.shutdown(LONG).await.is_clean());

    let runtime = place.open().await;
    let mailboxes = runtime.host_with::<Mailbox>(Hosting::default().codec(codec));
    let welcomes = runtime.saga::<Welcome>().reacts_to::<Customer>().sends_to(&mailboxes);
    let welcomes = welcomes.codec(codec).start().await.unwrap();
    runtime.caught_up(LONG).await.unwrap();
    assert!(!welcomes.status("ada").await.unwrap().unwrap().has_ended());
    assert!(runtime.health().is_good(), "{:?}", runtime.health());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_saga_keeps_personal_values_encrypted_and_continues_after_their_erasure() {
    for codec in CODECS {
        scene(codec).await;
    }
}

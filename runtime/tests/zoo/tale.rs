//! Shapes as states, commands and deadlines of a saga.

use std::convert::Infallible;
use std::marker::PhantomData;
use std::time::Duration;

use actuarius::saga::{Answer, Effects, Saga, SagaError, Sagas, Sends};
use actuarius::{Aggregate, Aggregates, Codec, Context, Failure, Id, Runtime, Timestamp};
use serde::{Deserialize, Serialize};

use crate::shape::{Picks, Shape, picked, same};
use crate::world::{LONG, Outcome, World};

/// Compares the commands it receives with the values that its id names.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
struct Listener<S> {
    heard: Vec<bool>,
    shape: PhantomData<fn() -> S>,
}

impl<S> Default for Listener<S> {
    fn default() -> Self {
        Self { heard: Vec::new(), shape: PhantomData }
    }
}

#[derive(Serialize, Deserialize)]
enum Heard {
    Heard { is_same: bool },
}

impl<S: Shape> Aggregate for Listener<S> {
    const TYPE: &'static str = "listener";
    type Command = Vec<S>;
    type Event = Heard;
    type Error = Infallible;

    fn decide(&self, command: Vec<S>, context: &Context) -> Result<Vec<Heard>, Infallible> {
        Ok(vec![Heard::Heard { is_same: same(&command, &named(context.id())) }])
    }

    fn apply(&mut self, Heard::Heard { is_same }: &Heard) {
        self.heard.push(*is_same);
    }
}

/// Ids are made of the picks.
fn id_of(word: &str, picks: &Picks) -> String {
    format!("{word}/{}", serde_json::to_string(picks).expect("plain numbers"))
}

fn named<S: Shape>(id: &str) -> Vec<S> {
    let (_, picks) = id.split_once('/').expect("an id of this test");
    picked(&serde_json::from_str(picks).expect("an id of this test"))
}

/// The state has the values, or remembers that a deadline had them.
#[derive(Clone, Serialize, Deserialize)]
#[serde(bound = "")]
struct Tale<S: Shape> {
    values: Vec<S>,
    due: Vec<(Picks, bool)>,
}

impl<S: Shape> Default for Tale<S> {
    fn default() -> Self {
        Self { values: Vec::new(), due: Vec::new() }
    }
}

/// The name of a deadline.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
struct Name<S: Shape> {
    values: Vec<S>,
    picks: Picks,
}

impl<S: Shape> Saga for Tale<S> {
    const TYPE: &'static str = "tale";
    type Deadline = Name<S>;

    fn due(&mut self, Name { values, picks }: Name<S>) -> Effects<Self> {
        let is_same = same(&values, &picked(&picks));
        self.due.push((picks, is_same));
        Effects::none()
    }
}

impl<S: Shape> Sends<Listener<S>> for Tale<S> {
    fn answered(&mut self, _: Answer<Listener<S>>) -> Effects<Self> {
        Effects::none()
    }
}

/// A running saga and the aggregate that it sends to.
struct Stage<S: Shape> {
    runtime: Runtime,
    tales: Sagas<Tale<S>>,
    listeners: Aggregates<Listener<S>>,
}

impl<S: Shape> Stage<S> {
    async fn open(world: &World, codec: Codec) -> Self {
        let runtime = world.open().await;
        let listeners = runtime.host::<Listener<S>>();
        let tales = runtime.saga::<Tale<S>>().codec(codec).sends_to(&listeners);
        let tales = tales.start().await.expect("it starts");
        Self { runtime, tales, listeners }
    }

    /// Begins an instance, unless what it has to store is refused.
    async fn begin(
        &self,
        id: &str,
        reaction: impl FnOnce(&mut Tale<S>) -> Effects<Tale<S>> + Send + 'static,
    ) -> Outcome {
        let head = self.runtime.head();
        match self.tales.begin(id, reaction).await {
            Ok(true) => Outcome::Kept,
            Err(SagaError::Unwritable(_) | SagaError::Failed(Failure::Unstorable(_))) => {
                assert_eq!(self.runtime.head(), head, "nothing is written");
                let status = self.tales.status(id).await.expect("it can be loaded");
                assert_eq!(status, None, "the instance has not begun");
                Outcome::Refused
            }
            other => panic!("neither begun nor refused: {other:?}"),
        }
    }

    async fn check_state(&self, expected: &[S], outcome: Outcome) {
        let values = self.tales.query("state", |tale| tale.values.clone()).await;
        match values.expect("it can be loaded") {
            Some(values) => assert!(same(&values, expected), "the state has {values:?}"),
            None => assert_eq!(outcome, Outcome::Refused, "the instance is missing"),
        }
    }

    async fn heard(&self, word: &str, picks: &Picks) -> Vec<bool> {
        let heard = self.listeners.query(id_of(word, picks), |listener| listener.heard.clone());
        heard.await.expect("it can be loaded")
    }

    /// Waits until the listener has received one command for an instance that was begun.
    async fn until_heard(&self, word: &str, picks: &Picks, outcome: Outcome) {
        let most = usize::from(outcome == Outcome::Kept);
        let mut heard = self.heard(word, picks).await;
        while heard.len() < most {
            tokio::task::yield_now().await;
            heard = self.heard(word, picks).await;
        }
        assert_eq!(heard, vec![true; most], "the command of {word:?}");
    }

    async fn until_due(&self, outcome: Outcome) {
        loop {
            let due = self.tales.query("deadline", |tale| tale.due.clone()).await;
            match due.expect("it can be loaded") {
                Some(due) if due.is_empty() => tokio::task::yield_now().await,
                Some(due) => return assert!(due.iter().all(|(_, is_same)| *is_same), "{due:?}"),
                None => return assert_eq!(outcome, Outcome::Refused, "the instance is missing"),
            }
        }
    }

    async fn close(self, world: &World) {
        let Self { runtime, tales, listeners } = self;
        assert_eq!(tales.counts().in_trouble, 0);
        drop((tales, listeners));
        world.close(runtime).await;
    }
}

const LATER: Duration = Duration::from_secs(60);

/// What became of the state, the commands and the deadline.
pub struct Told {
    pub state: Outcome,
    pub command: Outcome,
    pub deadline: Outcome,
}

/// Stores values in a saga in each place, and reads them live and after a restart.
pub async fn as_saga<S: Shape>(world: &World, codec: Codec, picks: &Picks) -> Told {
    let expected = picked::<S>(picks);
    let moment = Timestamp::from_micros(1_000_000_000).plus(LATER);
    let stage = Stage::<S>::open(world, codec).await;
    if stage.begin("good", |_| Effects::none()).await == Outcome::Refused {
        // A part of the family has a shape that is not known, so this codec takes none of its states.
        assert_eq!(codec, Codec::Bincode);
        stage.close(world).await;
        return Told {
            state: Outcome::Refused,
            command: Outcome::Refused,
            deadline: Outcome::Refused,
        };
    }
    let values = expected.clone();
    let state = stage.begin("state", move |tale| {
        tale.values = values;
        Effects::none()
    });
    let state = state.await;
    stage.check_state(&expected, state).await;

    let listener = |word: &str| Id::<Listener<S>>::new(id_of(word, picks)).expect("a valid id");
    let (values, to) = (expected.clone(), listener("now"));
    let command = stage.begin("now", move |_| Effects::none().send(&to, values)).await;
    stage.until_heard("now", picks, command).await;
    let (values, to) = (expected.clone(), listener("later"));
    let later = stage.begin("later", move |_| Effects::none().send_at(moment, &to, values)).await;
    let (values, to) = (expected.clone(), listener("undo"));
    let undo = move |_: &mut Tale<S>| Effects::none().send_with_undo(&to, values.clone(), values);
    let undo = stage.begin("undo", undo).await;
    assert_eq!((command, command), (later, undo), "one rule for all commands");
    let name = Name { values: expected.clone(), picks: picks.clone() };
    let deadline = stage.begin("deadline", move |_| Effects::none().schedule_at(moment, name));
    let deadline = deadline.await;
    stage.close(world).await;

    let stage = Stage::<S>::open(world, codec).await;
    stage.runtime.caught_up(LONG).await.expect("nothing halts");
    stage.check_state(&expected, state).await;
    world.clock.advance(2 * LATER);
    stage.until_heard("now", picks, command).await;
    stage.until_heard("later", picks, command).await;
    stage.until_due(deadline).await;
    let names: Vec<_> = stage.tales.list("", 10, |_| true).into_iter().map(|it| it.id).collect();
    let kept = |outcome, name| (outcome == Outcome::Kept).then_some(name);
    let all = [kept(deadline, "deadline"), Some("good"), kept(later, "later")];
    let all =
        all.into_iter().chain([kept(command, "now"), kept(state, "state"), kept(undo, "undo")]);
    assert_eq!(names, all.flatten().collect::<Vec<_>>(), "no instance hides another one");
    stage.close(world).await;
    Told { state, command, deadline }
}

//! Recursive untagged types in events, states, views, sagas and commands: none of them overflows the stack of the
//! thread that looks at its shape.

use std::convert::Infallible;
use std::future::IntoFuture;
use std::sync::Arc;

use actuarius::projection::Projection;
use actuarius::saga::{Answer, Correlation, Effects, ReactsTo, Saga, Sends};
use actuarius::{Aggregate, Codec, Context, Envelope, ExecuteError, Failure, Hosting, Id, Runtime};
use serde::{Deserialize, Serialize};

use super::shapes::shut;
use crate::common::{eventually, open_on};

/// `serde` tries `More` endlessly on a value that is not a number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Chain {
    End(u8),
    More(Box<Chain>),
}

impl Default for Chain {
    fn default() -> Self {
        Self::More(Box::new(Self::End(7)))
    }
}

#[derive(Debug, Default, Clone, Serialize, Deserialize)]
struct Links(Vec<Chain>);

#[derive(Debug, Clone, Serialize, Deserialize)]
enum Grown {
    Grew(Chain),
    Doubled { links: Vec<Chain>, last: Option<Chain> },
}

impl Aggregate for Links {
    const TYPE: &'static str = "links";
    type Command = Grown;
    type Event = Grown;
    type Error = Infallible;
    fn decide(&self, event: Grown, _: &Context) -> Result<Vec<Grown>, Infallible> {
        Ok(vec![event])
    }
    fn apply(&mut self, event: &Grown) {
        match event {
            Grown::Grew(chain) => self.0.push(chain.clone()),
            Grown::Doubled { links, last } => self.0.extend(links.iter().chain(last).cloned()),
        }
    }
}

impl Projection<Links> for Links {
    fn project(&mut self, envelope: &Envelope<Links>) {
        self.apply(&envelope.event);
    }
}

/// Copies what grows in one aggregate to another one.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
struct Copier(Links);

impl Saga for Copier {
    const TYPE: &'static str = "copier";
    type Deadline = Chain;
}

impl Sends<Links> for Copier {
    fn answered(&mut self, _: Answer<Links>) -> Effects<Self> {
        Effects::none()
    }
}

impl ReactsTo<Links> for Copier {
    fn correlate(envelope: &Envelope<Links>) -> Correlation {
        match envelope.id.as_str() == "copy" {
            true => Correlation::ignore(),
            false => Correlation::start(envelope.id.as_str()),
        }
    }
    fn react(&mut self, envelope: &Envelope<Links>) -> Effects<Self> {
        self.0.apply(&envelope.event);
        let copy = Id::<Links>::new("copy").expect("it is an id");
        Effects::none().send(&copy, envelope.event.clone())
    }
}

async fn grows(runtime: &Runtime, codec: Codec) -> Result<(), ExecuteError<Infallible>> {
    let hosting = Hosting::default().codec(codec).snapshot_every(1);
    let links = runtime.host_with::<Links>(hosting);
    let view = runtime.projection::<Links>("view").on::<Links>().start().await.unwrap();
    let copier = runtime.saga::<Copier>().reacts_to::<Links>().sends_to(&links).codec(codec);
    let _copier = copier.start().await.unwrap();
    let grew = Grown::Grew(Chain::default());
    links.execute("a", grew).consistent_with(&view).into_future().await?;
    let doubled = Grown::Doubled { links: vec![Chain::default()], last: Some(Chain::End(1)) };
    links.execute("a", doubled).await?;
    // What the saga has copied is there, too.
    eventually(|| view.read(|view| view.0.len() > 3)).await;
    Ok(())
}

/// An aggregate with such an event could not be hosted: the process ended with "stack overflow", at each start.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recursive_untagged_type_is_stored_with_names_and_refused_without() {
    let contents = Arc::default();
    let (runtime, _) = open_on(&contents).await;
    // On a worker, whose stack is smaller than that of the main thread.
    let growing = tokio::spawn(async move {
        grows(&runtime, Codec::MessagePack).await.unwrap();
        runtime
    });
    shut(growing.await.unwrap()).await;
    let (runtime, _) = open_on(&contents).await;
    let reading = tokio::spawn(async move {
        let links = runtime.host::<Links>();
        assert_eq!(links.query("a", |it| it.0.len()).await.unwrap(), 3);
        // `More(End(7))` and `End(7)` are written alike, and the first variant is read.
        assert_eq!(links.query("copy", |it| it.0[0].clone()).await.unwrap(), Chain::End(7));
        runtime
    });
    shut(reading.await.unwrap()).await;
    let (runtime, _) = open_on(&Arc::default()).await;
    let refused = tokio::spawn(async move { grows(&runtime, Codec::Bincode).await });
    let refused = refused.await.unwrap().unwrap_err();
    let ExecuteError::Failed(Failure::Unstorable(error)) = &refused else { panic!("{refused}") };
    assert!(error.to_string().contains("use MessagePack or JSON"), "{error}");
}

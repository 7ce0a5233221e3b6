//! States that do not read back.

use std::convert::Infallible;

use actuarius::store::memory;
use actuarius::{Aggregate, Codec, Context, Hosting, Runtime, StreamId, Version};
use serde::{Deserialize, Serialize};

use super::{count, counting};
use crate::world::LONG;

/// JSON reads `Some(None)` as `None`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Profile {
    changes: u32,
    nick: Option<Option<String>>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
enum Changed {
    Named(String),
    Removed,
}

impl Aggregate for Profile {
    const TYPE: &'static str = "profile";
    type Command = Changed;
    type Event = Changed;
    type Error = Infallible;

    fn decide(&self, change: Changed, _: &Context) -> Result<Vec<Changed>, Infallible> {
        Ok(vec![change])
    }

    fn apply(&mut self, event: &Changed) {
        self.changes += 1;
        self.nick = match event {
            Changed::Named(nick) => Some(Some(nick.clone())),
            Changed::Removed => Some(None),
        };
    }
}

fn newest(runtime: &Runtime) -> Option<Version> {
    let stream = StreamId::new("profile", "ada").unwrap();
    runtime.reader().unwrap().snapshot(&stream, None).unwrap().map(|snapshot| snapshot.version)
}

/// A snapshot decoded, to another state: after a restart the removed name was one that was never set, and the next
/// decision was wrong.
#[test]
fn a_snapshot_that_reads_back_as_another_state_is_not_kept() {
    let counters = counting(async {
        let contents = std::sync::Arc::default();
        let hosting = Hosting::default().snapshot_every(1).snapshot_codec(Codec::Json);
        let named = Changed::Named("Ada".to_owned());
        for (change, nick, snapshot) in [
            (Some(named), Some(Some("Ada".to_owned())), Some(Version::new(1))),
            (Some(Changed::Removed), Some(None), Some(Version::new(1))),
            (None, Some(None), Some(Version::new(1))),
        ] {
            let runtime = Runtime::builder().on_store(memory::reopen(&contents)).await.unwrap();
            let profiles = runtime.host_with::<Profile>(hosting.clone());
            if let Some(change) = change {
                profiles.execute("ada", change).await.unwrap();
            }
            let shown = profiles.query("ada", |profile| profile.nick.clone()).await.unwrap();
            assert_eq!(shown, nick);
            drop(profiles);
            assert!(runtime.shutdown(LONG).await.is_clean());
            let runtime = Runtime::builder().on_store(memory::reopen(&contents)).await.unwrap();
            assert_eq!(newest(&runtime), snapshot);
            assert!(runtime.shutdown(LONG).await.is_clean());
        }
    });
    assert_eq!(count(&counters, "actuarius_snapshots_total", "taken"), 1);
    assert!(count(&counters, "actuarius_snapshots_total", "dropped") >= 1);
}

/// A state that contains itself through newtypes and options alone.
#[derive(Default, Serialize, Deserialize)]
struct Endless(Option<Box<Endless>>);

impl Aggregate for Endless {
    const TYPE: &'static str = "endless";
    type Command = ();
    type Event = Happened;
    type Error = Infallible;

    fn decide(&self, (): (), _: &Context) -> Result<Vec<Happened>, Infallible> {
        Ok(vec![Happened::Happened])
    }

    fn apply(&mut self, _: &Happened) {
        *self = Self(Some(Box::new(std::mem::take(self))));
    }
}

#[derive(Serialize, Deserialize)]
enum Happened {
    Happened,
}

/// The shape of such a type was followed without an end: the first snapshot overflowed the stack, which ended the
/// process.
#[tokio::test]
async fn a_state_that_contains_itself_through_newtypes_alone_is_hosted() {
    let contents = std::sync::Arc::default();
    for life in 1..=2 {
        let runtime = Runtime::builder().on_store(memory::reopen(&contents)).await.unwrap();
        let hosting = Hosting::default().snapshot_every(1);
        let all = runtime.host_with::<Endless>(hosting);
        all.execute("a", ()).await.unwrap();
        let levels = all.query("a", |state| {
            std::iter::successors(state.0.as_ref(), |inner| inner.0.as_ref()).count()
        });
        assert_eq!(levels.await.unwrap(), life);
        drop(all);
        assert!(runtime.shutdown(LONG).await.is_clean());
    }
}

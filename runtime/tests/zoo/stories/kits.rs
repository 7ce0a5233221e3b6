//! The test kits apply the rules of a running runtime.

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};

use actuarius::projection::{KeyedProjection, Projection, Rows, View};
use actuarius::saga::{Effects, Saga};
use actuarius::testing::{given, rows_of, saga, view};
use actuarius::{Aggregate, Codec, Context, Envelope};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Profile {
    nick: Option<Option<String>>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Changed {
    Changed { nick: Option<Option<String>> },
}

impl Aggregate for Profile {
    const TYPE: &'static str = "profile";
    type Command = Changed;
    type Event = Changed;
    type Error = Infallible;

    fn decide(&self, change: Changed, _: &Context) -> Result<Vec<Changed>, Infallible> {
        Ok(vec![change])
    }

    fn apply(&mut self, Changed::Changed { nick }: &Changed) {
        self.nick.clone_from(nick);
    }
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Nick(Option<Option<String>>);

impl Projection<Profile> for Nick {
    fn project(&mut self, _: &Envelope<Profile>) {
        self.0 = Some(None);
    }
}

impl View for Nick {
    type Key = String;
    type Row = Option<Option<u8>>;
}

impl KeyedProjection<Profile> for Nick {
    fn project(rows: &mut Rows<'_, Self>, envelope: &Envelope<Profile>) {
        rows.put(envelope.id.as_str(), Some(None));
    }
}

impl Saga for Nick {
    const TYPE: &'static str = "nick";
    type Deadline = Option<Option<u8>>;
}

fn message(check: impl FnOnce()) -> Option<String> {
    let panic = catch_unwind(AssertUnwindSafe(check)).err()?;
    panic.downcast_ref::<String>().cloned()
}

fn removed() -> Changed {
    Changed::Changed { nick: Some(None) }
}

fn kept() -> Changed {
    Changed::Changed { nick: None }
}

/// A unit test of a decision passed, and the event was another one after a restart.
#[test]
fn a_decision_whose_event_does_not_read_back_fails_its_test() {
    for (codec, passes) in
        [(Codec::Bincode, true), (Codec::Json, false), (Codec::MessagePack, false)]
    {
        let test = || drop(given::<Profile>([]).with_codec(codec).when(removed()));
        let failed = message(test);
        assert_eq!(failed.is_none(), passes, "{codec:?}: {failed:?}");
        assert!(passes || failed.is_some_and(|why| why.contains("Changed")), "{codec:?}");
    }
}

/// A unit test of a saga used bincode, which bears what MessagePack, the codec of sagas, does not.
#[test]
fn a_saga_is_tested_with_the_codec_of_sagas() {
    let begins = |it: Nick| {
        move || {
            drop(saga::<Nick>("t").when_begun(move |nick| {
                *nick = it;
                Effects::none()
            }));
        }
    };
    assert!(message(begins(Nick(Some(None)))).is_some());
    assert!(message(begins(Nick(Some(Some("Ada".to_owned()))))).is_none());
    let deadline = || {
        let wait = std::time::Duration::from_secs(1);
        drop(saga::<Nick>("t").when_begun(move |_| Effects::none().schedule_in(wait, Some(None))));
    };
    assert!(message(deadline).is_some());
    let bincode = || {
        let test = saga::<Nick>("t").with_codec(Codec::Bincode);
        drop(test.when_begun(|nick| {
            nick.0 = Some(None);
            Effects::none()
        }));
    };
    assert_eq!(message(bincode), None);
}

/// A unit test of rows or of a view passed, and what was stored was another one.
#[test]
fn rows_and_views_that_do_not_read_back_fail_their_tests() {
    for (codec, passes) in
        [(Codec::Bincode, true), (Codec::Json, false), (Codec::MessagePack, false)]
    {
        let rows = || drop(rows_of::<Nick>().with_codec(codec).given::<Profile>("a", [kept()]));
        let failed = message(rows);
        assert_eq!(failed.is_none(), passes, "{codec:?}: {failed:?}");
        let view = || drop(view::<Nick>().with_codec(codec).given::<Profile>("a", [kept()]));
        let failed = message(view);
        assert_eq!(failed.is_none(), passes, "{codec:?}: {failed:?}");
    }
}

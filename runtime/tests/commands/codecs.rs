//! Events and their codecs: what is applied is what is stored, and what does not read back is refused.

use std::convert::Infallible;
use std::sync::Arc;

use actuarius::error::{CodecError, Written};
use actuarius::operations::Reencode;
use actuarius::store::memory::{self, Contents};
use actuarius::store::{PageLimit, ignore_progress, migrate};
use actuarius::{Aggregate, Aggregates, Codec, Context, Failure, Hosting, Position, Runtime};
use serde::{Deserialize, Serialize};

use crate::common::open_on;

const ALL: [Codec; 3] = [Codec::MessagePack, Codec::Json, Codec::Bincode];

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind")]
enum Method {
    Card { last4: String },
    Cash,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Amount {
    Cents(u32),
    Text(String),
}

/// An event type with the shapes that once were acknowledged and could not be read again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Fact {
    Noted(String),
    Paid {
        method: Method,
    },
    Charged(Amount),
    Described {
        data: serde_json::Value,
    },
    Renamed {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        nick: Option<String>,
        name: String,
    },
    Updated {
        nick: Option<Option<String>>,
    },
    Measured(f64),
    Cached {
        sum: u32,
        #[serde(skip)]
        cache: Option<u32>,
    },
    Nested(Deep),
    /// Its `Deserialize` panics.
    Explosive(Explosive),
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
struct Deep {
    children: Vec<Deep>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Explosive;

impl<'de> Deserialize<'de> for Explosive {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        panic!("a bug in a `Deserialize`")
    }
}

/// Collects its events.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Facts(Vec<Fact>);

impl Aggregate for Facts {
    const TYPE: &'static str = "facts";
    type Command = Vec<Fact>;
    type Event = Fact;
    type Error = Infallible;

    fn decide(&self, facts: Vec<Fact>, _: &Context) -> Result<Vec<Fact>, Infallible> {
        Ok(facts)
    }

    fn apply(&mut self, fact: &Fact) {
        self.0.push(fact.clone());
    }
}

fn hosting(codec: Codec) -> Hosting {
    // Everything is recovered from events.
    Hosting::default().codec(codec).without_snapshots()
}

async fn open(contents: &Arc<Contents>, codec: Codec) -> (Runtime, Aggregates<Facts>) {
    let (runtime, _) = open_on(contents).await;
    let facts = runtime.host_with::<Facts>(hosting(codec));
    (runtime, facts)
}

async fn facts_of(hosted: &Aggregates<Facts>, id: &str) -> Vec<Fact> {
    hosted.query(id, |facts| facts.0.clone()).await.expect("it can be read")
}

/// Returns whether the fact is stored. Then it is the same at once, and after a restart; otherwise
/// nothing was written.
async fn is_stored(codec: Codec, fact: Fact) -> bool {
    let contents = Arc::<Contents>::default();
    let (runtime, hosted) = open(&contents, codec).await;
    let before = vec![Fact::Noted("before".to_owned())];
    hosted.execute("a", before.clone()).await.expect("it is stored");
    let both = vec![Fact::Noted("beside".to_owned()), fact.clone()];
    let answer = hosted.execute("a", both.clone()).returning(|facts| facts.0.clone()).await;
    let expected = match &answer {
        Ok(_) => [before, both].concat(),
        Err(error) => {
            let failure = error.failure().expect("a technical failure");
            assert!(matches!(failure, Failure::Unstorable(_)), "{codec:?}: {failure:?}");
            assert_eq!(failure.written(), Written::No);
            before
        }
    };
    assert_eq!(facts_of(&hosted, "a").await, expected, "{codec:?}");
    let head = runtime.head();
    drop((hosted, runtime));
    let (runtime, hosted) = open(&contents, codec).await;
    assert_eq!((runtime.head(), facts_of(&hosted, "a").await), (head, expected), "{codec:?}");
    answer.is_ok()
}

#[track_caller]
fn assert_stored(fact: &Fact, stored: [bool; 3], expected: [bool; 3]) {
    assert_eq!(stored, expected, "with MessagePack, JSON and bincode: {fact:?}");
}

/// With the default codec of that time, bincode, a service stored tagged and untagged enums, JSON values and
/// skipped fields, got receipts, and could not load the aggregates after a restart.
#[tokio::test]
async fn an_event_is_refused_before_anything_is_written_or_the_same_after_a_restart() {
    let facts = [
        (Fact::Paid { method: Method::Card { last4: "1234".to_owned() } }, [true, true, false]),
        (Fact::Paid { method: Method::Cash }, [true, true, false]),
        (Fact::Charged(Amount::Cents(5)), [true, true, false]),
        (Fact::Charged(Amount::Text("five".to_owned())), [true, true, false]),
        (Fact::Described { data: serde_json::json!({"a": [1, 2.5, null]}) }, [true, true, false]),
        (Fact::Renamed { nick: None, name: "b".to_owned() }, [true, true, false]),
        (Fact::Renamed { nick: Some("a".to_owned()), name: "b".to_owned() }, [true, true, true]),
        (Fact::Updated { nick: Some(None) }, [false, false, true]),
        (Fact::Updated { nick: None }, [true, true, true]),
        (Fact::Measured(f64::INFINITY), [true, false, true]),
        (Fact::Measured(0.091_443_385_121_092_89), [true, true, true]),
        (Fact::Explosive(Explosive), [false, false, false]),
    ];
    for (fact, expected) in facts {
        let mut stored = [false; 3];
        for (stored, codec) in stored.iter_mut().zip(ALL) {
            *stored = is_stored(codec, fact.clone()).await;
        }
        assert_stored(&fact, stored, expected);
    }
}

/// A tree of many levels was stored with bincode and ended the process with a stack overflow, also at each
/// following start.
#[tokio::test]
async fn an_event_that_is_nested_too_deeply_is_refused() {
    let deep = |levels| {
        Fact::Nested((0..levels).fold(Deep::default(), |inner, _| Deep { children: vec![inner] }))
    };
    for codec in ALL {
        assert!(is_stored(codec, deep(50)).await);
        assert!(!is_stored(codec, deep(2_000)).await);
    }
}

#[tokio::test]
async fn a_refusal_names_the_event_type_the_codec_and_the_reason() {
    let (_runtime, hosted) = open(&Arc::default(), Codec::Bincode).await;
    let refused = hosted.execute("a", vec![Fact::Paid { method: Method::Cash }]).await;
    let refused = refused.expect_err("bincode cannot read it");
    let Some(Failure::Unstorable(CodecError::DoesNotReadBack { name, codec, reason })) =
        refused.failure()
    else {
        panic!("{refused:?}")
    };
    assert_eq!((&**name, *codec), ("Paid", Codec::Bincode));
    assert!(reason.contains("AnyNotSupported"), "{reason}");
}

/// A state computed from a field that serde skips was right until the aggregate was unloaded. Now `apply`
/// sees the field as it will be after a restart.
#[tokio::test]
async fn apply_sees_what_is_stored() {
    for codec in ALL {
        let contents = Arc::default();
        let (runtime, hosted) = open(&contents, codec).await;
        let cached = vec![Fact::Cached { sum: 7, cache: Some(7) }];
        let seen = hosted.execute("a", cached).returning(|facts| facts.0.clone()).await.unwrap();
        let stored = vec![Fact::Cached { sum: 7, cache: None }];
        assert_eq!(seen, stored);
        drop((runtime, hosted));
        let (_runtime, hosted) = open(&contents, codec).await;
        assert_eq!(facts_of(&hosted, "a").await, stored);
    }
}

#[tokio::test]
async fn a_trusted_codec_is_not_checked() {
    let runtime = Runtime::in_memory().await.unwrap();
    let hosted = runtime.host_with::<Facts>(hosting(Codec::Json).trust_codec());
    let nick = vec![Fact::Updated { nick: Some(None) }];
    let seen = hosted.execute("a", nick.clone()).returning(|facts| facts.0.clone()).await.unwrap();
    assert_eq!(seen, nick, "it is applied as it was decided");
}

#[tokio::test]
async fn the_defaults_are_messagepack_for_events_and_bincode_for_snapshots() {
    assert_eq!((Codec::default(), Codec::SNAPSHOTS), (Codec::MessagePack, Codec::Bincode));
    let contents = Arc::<Contents>::default();
    let (runtime, _) = open_on(&contents).await;
    let fact = vec![Fact::Paid { method: Method::Cash }];
    runtime.host::<Facts>().execute("a", fact).await.unwrap();
    let log = memory::reopen(&contents).reader.read_log(Position::NONE, PageLimit::default());
    let commits = log.expect("readable").commits;
    let codecs: Vec<u8> = commits[0].view().events().map(|event| event.codec_byte()).collect();
    assert_eq!(codecs, [Codec::MessagePack.byte()]);
}

/// A program that knows only some events of a type.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Few(Vec<FewFact>);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum FewFact {
    Noted(String),
    #[serde(other)]
    Other,
}

impl Aggregate for Few {
    const TYPE: &'static str = Facts::TYPE;
    type Command = ();
    type Event = FewFact;
    type Error = Infallible;

    fn decide(&self, (): (), _: &Context) -> Result<Vec<FewFact>, Infallible> {
        Ok(vec![])
    }

    fn apply(&mut self, fact: &FewFact) {
        self.0.push(fact.clone());
    }
}

/// An older release, with a catch-all variant, met events of a newer one with content, and quarantined
/// their aggregates.
#[tokio::test]
async fn a_catch_all_variant_takes_unknown_events_with_content_and_never_rewrites_them() {
    for codec in ALL {
        let contents = Arc::default();
        let (runtime, hosted) = open(&contents, codec).await;
        let renamed = Fact::Renamed { nick: Some("a".to_owned()), name: "b".to_owned() };
        let facts = vec![Fact::Noted("n".to_owned()), renamed, Fact::Nested(Deep::default())];
        hosted.execute("a", facts.clone()).await.unwrap();
        drop((hosted, runtime));
        let (runtime, _) = open_on(&contents).await;
        let few = runtime.host::<Few>().query("a", |few| few.0.clone()).await.unwrap();
        assert_eq!(few, [FewFact::Noted("n".to_owned()), FewFact::Other, FewFact::Other]);
        drop(runtime);
        // A migration by the program that knows only some of them keeps the others as they are.
        let copy = Arc::<Contents>::default();
        let old = memory::reopen(&contents);
        let mut reencode = Reencode::default().on::<Few>(Codec::Json);
        migrate::run(&*old.reader, &mut memory::reopen(&copy), &mut reencode, &mut ignore_progress)
            .unwrap();
        let (_runtime, hosted) = open(&copy, codec).await;
        assert_eq!(facts_of(&hosted, "a").await, facts);
    }
}

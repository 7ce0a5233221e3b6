//! Types with a part whose shape cannot be seen are not stored with a codec that would misread them later.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use actuarius::error::CodecError;
use actuarius::projection::{KeyedProjection, Projection, Rows, View};
use actuarius::store::memory;
use actuarius::{
    Aggregate, Codec, Context, Envelope, ExecuteError, Failure, Hosting, Runtime, StreamId,
};
use serde::{Deserialize, Serialize};

use super::shapes;
use crate::common::open_on;

mod hidden {
    use super::*;

    #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
    #[serde(try_from = "String", into = "String")]
    pub(super) struct Code(pub(super) String);

    impl TryFrom<String> for Code {
        type Error = String;
        fn try_from(text: String) -> Result<Self, String> {
            if text.starts_with("code/7/") { Ok(Self(text)) } else { Err(text) }
        }
    }

    impl From<Code> for String {
        fn from(code: Code) -> Self {
            code.0
        }
    }

    #[derive(Default, Serialize, Deserialize)]
    pub(super) struct Shelf(pub(super) BTreeMap<Code, (u32, u64)>);

    #[derive(Clone, Serialize, Deserialize)]
    pub(super) enum Event {
        Put(Code, u32, u64),
    }

    impl Aggregate for Shelf {
        const TYPE: &'static str = "shelf";
        type Command = Event;
        type Event = Event;
        type Error = Infallible;
        fn decide(&self, event: Event, _: &Context) -> Result<Vec<Event>, Infallible> {
            Ok(vec![event])
        }
        fn apply(&mut self, Event::Put(code, number, cents): &Event) {
            self.0.insert(code.clone(), (*number, *cents));
        }
    }
}

/// What follows a value that accepts no sample cannot be compared later, so it is not stored with a codec that
/// would misread it. The error names the place and the way out.
#[tokio::test]
async fn an_event_whose_shape_is_not_known_is_not_stored_with_bincode() {
    let (runtime, _) = open_on(&Arc::default()).await;
    let shelves = runtime.host_with::<hidden::Shelf>(shapes::bincode());
    let put = hidden::Event::Put(hidden::Code("code/7/a".to_owned()), 3, 500);
    let refused = shelves.execute("a", put.clone()).await.unwrap_err();
    let ExecuteError::Failed(Failure::Unstorable(error)) = &refused else { panic!("{refused}") };
    assert!(matches!(error, CodecError::UnknownShape { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("`Put`") && text.contains("MessagePack or JSON"), "{text}");
    assert!(!shelves.exists("a").await.unwrap());
}

/// A state of that kind is saved with a self-describing codec instead: its snapshots are used.
#[tokio::test]
async fn a_snapshot_of_an_unknown_shape_is_self_describing() {
    let contents = Arc::default();
    let (runtime, _) = open_on(&contents).await;
    let hosting = Hosting::default().codec(Codec::MessagePack).snapshot_codec(Codec::Bincode);
    let shelves = runtime.host_with::<hidden::Shelf>(hosting.clone());
    let code = hidden::Code("code/7/a".to_owned());
    let put = hidden::Event::Put(code.clone(), 3, 500);
    shelves.execute("a", put).await.unwrap();
    shapes::shut(runtime).await;
    let stream = StreamId::new("shelf", "a").unwrap();
    let snapshot =
        memory::reopen(&contents).reader.snapshot(&stream, None).unwrap().expect("taken");
    assert_eq!(snapshot.payload[1], Codec::MessagePack.byte());
    let (runtime, _) = open_on(&contents).await;
    let shelves = runtime.host_with::<hidden::Shelf>(hosting);
    assert_eq!(
        shelves.query("a", move |it| it.0.get(&code).copied()).await.unwrap(),
        Some((3, 500))
    );
}

#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
struct Free {
    cents: u64,
    #[serde(flatten)]
    rest: BTreeMap<String, serde_json::Value>,
}

impl Projection<shapes::first::Order> for Free {
    fn project(&mut self, event: &Envelope<shapes::first::Order>) {
        self.cents += 1;
        self.rest.insert(event.id.as_str().to_owned(), serde_json::json!({ "n": self.cents }));
    }
}

struct Shown;

impl View for Shown {
    type Key = String;
    type Row = Free;
}

impl KeyedProjection<shapes::first::Order> for Shown {
    fn project(rows: &mut Rows<'_, Self>, event: &Envelope<shapes::first::Order>) {
        let row = Free { cents: 7, rest: [("a".to_owned(), serde_json::json!([1, "b"]))].into() };
        rows.put(event.id.as_str().to_owned(), row);
    }
}

/// With bincode, the default codec of views, a view with a flattened map was rebuilt at every start, and a row
/// with one was unreadable from the first event on.
#[tokio::test]
async fn views_of_an_unknown_shape_are_stored_with_a_self_describing_codec() {
    let (contents, views) = (shapes::stored().await, tempfile::tempdir().unwrap());
    for start in 0..2 {
        let place = actuarius::store::sled::views(views.path());
        let runtime =
            Runtime::builder().views(place).on_store(memory::reopen(&contents)).await.unwrap();
        let free =
            runtime.projection::<Free>("free").on::<shapes::first::Order>().start().await.unwrap();
        let rows =
            runtime.keyed::<Shown>("rows").on::<shapes::first::Order>().start().await.unwrap();
        if start == 1 {
            assert_eq!(free.read(|it| it.cents), 3, "it was saved, and is not built again");
        }
        runtime.caught_up(Duration::from_secs(60)).await.unwrap();
        assert_eq!(free.read(|it| it.rest["s"].clone()), serde_json::json!({ "n": 3 }));
        assert_eq!(rows.get("e").unwrap().map(|row| row.rest.len()), Some(1));
        shapes::shut(runtime).await;
    }
}

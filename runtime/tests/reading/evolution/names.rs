//! Names of event types and schema versions that do not fit together are reported at the start.

use std::convert::Infallible;
use std::sync::Arc;

use actuarius::error::{BoxError, HostError, SchemaError, StartError};
use actuarius::projection::Projection;
use actuarius::schema::{Recast, Upcasters};
use actuarius::{Aggregate, Context, Envelope};
use serde::{Deserialize, Serialize};

use crate::common::open_on;

/// The same aggregate in several releases.
macro_rules! release {
    ($name:ident { $($variants:tt)* } $version:literal $upcasters:expr) => {
        #[allow(unreachable_patterns)] // rustc notices two variants of one name
        mod $name {
            use super::*;

            #[derive(Default, Serialize, Deserialize)]
            pub(super) struct Ticket;

            #[derive(Debug, Serialize, Deserialize)]
            #[serde(rename_all = "snake_case")]
            pub(super) enum Event { $($variants)* }

            impl Aggregate for Ticket {
                const TYPE: &'static str = "ticket";
                type Command = Event;
                type Event = Event;
                type Error = Infallible;
                fn decide(&self, event: Event, _: &Context) -> Result<Vec<Event>, Infallible> {
                    Ok(vec![event])
                }
                fn apply(&mut self, _: &Event) {}
                fn schema_version(event_type: &str) -> u32 {
                    if event_type == "opened" { $version } else { 1 }
                }
                fn upcasters() -> Upcasters {
                    $upcasters
                }
            }
        }
    };
}

release!(plain { Opened, Closed } 1 Upcasters::new());
release!(catching { Opened, Closed, #[serde(other)] Other } 1 Upcasters::new());
release!(gap { Opened, Closed } 3 Upcasters::new().upcast("opened", 2, |(): ()| Recast::to(3, ())));
release!(unread { Opened, Closed } 2 Upcasters::new());
release!(declared { Opened, Closed } 3
    Upcasters::new().upcast("opened", 2, |(): ()| Recast::to(3, ())).never_stored("opened", ..2));
release!(misspelt { Opened, Closed } 1
    Upcasters::new().upcast("begun", 1, |old: String| Recast::renamed("opend", 1, old)));
release!(mislabelled { Opened, Closed } 1 Upcasters::new().rename("begun", 1, "opend", 1));
release!(short { Opened, Closed } 3 Upcasters::new()
    .upcast("opened", 1, |(): ()| Recast::to(2, ()))
    .upcast("opened", 2, |(): ()| Recast::to(4, ())));
release!(twins { #[serde(rename = "closed")] Opened, Closed } 1 Upcasters::new());
release!(twins_and_any { Opened, #[serde(rename = "opened")] Closed, #[serde(other)] Other } 1 Upcasters::new());
release!(alias { Opened, #[serde(alias = "opened")] Closed } 1 Upcasters::new());
release!(own_alias { Opened, #[serde(alias = "closed", alias = "ended")] Closed } 1 Upcasters::new());
release!(by_content { Opened, Closed } 1
    Upcasters::new().upcast("named", 1, |name: String| Recast::renamed(name, 1, ())));

fn names() -> Vec<String> {
    vec!["opened".to_owned(), "closed".to_owned()]
}

/// A gap in the chain of upcasters, and a misspelt result of one, were found when the first old event was read:
/// a projection halted days after the release, and `host` and `start` had said nothing.
#[tokio::test]
async fn a_chain_of_upcasters_with_a_gap_or_a_misspelt_end_is_not_hosted() {
    let (runtime, _) = open_on(&Arc::default()).await;
    let (aggregate, event_type) = ("ticket", "opened".to_owned());
    let missing = |current| {
        let event_type = event_type.clone();
        HostError::from(SchemaError::MissingUpcaster { aggregate, event_type, missing: 1, current })
    };
    assert_eq!(runtime.try_host::<gap::Ticket>().err(), Some(missing(3)));
    assert_eq!(runtime.try_host::<unread::Ticket>().err(), Some(missing(2)));
    let nowhere = HostError::from(SchemaError::UpcasterLeadsNowhere {
        aggregate,
        event_type: "begun".to_owned(),
        schema_version: 1,
        to: "opend".to_owned(),
        names: names(),
    });
    assert_eq!(runtime.try_host::<misspelt::Ticket>().err(), Some(nowhere.clone()));
    assert_eq!(runtime.try_host::<mislabelled::Ticket>().err(), Some(nowhere.clone()));
    assert_eq!(
        nowhere.to_string(),
        "the upcaster of `begun`, schema version 1, leads to `opend`, but \"ticket\" has no event type of this \
         name; it has `opened`, `closed`"
    );
    let early = HostError::from(SchemaError::UpcasterEndsTooEarly {
        aggregate,
        event_type: event_type.clone(),
        schema_version: 2,
        to: event_type.clone(),
        to_version: 4,
        current: 3,
    });
    assert_eq!(runtime.try_host::<short::Ticket>().err(), Some(early));
    // Nothing is hosted under the name, so another release can be.
    assert!(runtime.try_host::<declared::Ticket>().is_ok());
}

#[tokio::test]
#[should_panic(
    expected = "`opened` of \"ticket\" has schema version 2 today, and no upcaster reads version 1"
)]
async fn host_panics_with_the_message_of_the_error() {
    let (runtime, _) = open_on(&Arc::default()).await;
    let _ = runtime.host::<unread::Ticket>();
}

/// Two variants were renamed to one name. Nothing noticed it, and events of the second one were stored as the first.
#[tokio::test]
async fn two_variants_of_one_name_are_not_hosted() {
    let (runtime, _) = open_on(&Arc::default()).await;
    let shared = |name: &str| {
        let event_type = name.to_owned();
        Some(HostError::from(SchemaError::SharedName { aggregate: "ticket", event_type }))
    };
    assert_eq!(runtime.try_host::<twins::Ticket>().err(), shared("closed"));
    assert_eq!(runtime.try_host::<twins_and_any::Ticket>().err(), shared("opened"));
    assert_eq!(runtime.try_host::<alias::Ticket>().err(), shared("opened"));
    assert!(runtime.try_host::<own_alias::Ticket>().is_ok());
}

/// A result whose name comes from the content cannot be judged from samples.
#[tokio::test]
async fn an_upcaster_whose_result_depends_on_the_content_is_hosted() {
    let (runtime, _) = open_on(&Arc::default()).await;
    assert!(runtime.try_host::<by_content::Ticket>().is_ok());
}

async fn send<A: Aggregate>(_: Envelope<A>) -> Result<(), BoxError> {
    Ok(())
}

/// The variants were renamed by `rename_all`, and the filter was not: the handler was never called, the
/// subscription went past every event, and after the correction they were behind its checkpoint.
#[tokio::test]
async fn a_handler_for_a_name_that_no_variant_has_is_not_started() {
    let (runtime, _) = open_on(&Arc::default()).await;
    let letters = runtime.subscribe("letters").on_only(["Opened"], send::<plain::Ticket>);
    let Err(StartError::Schema { name, source }) = letters.start().await else { panic!("started") };
    let event_type = "Opened".to_owned();
    let unknown = SchemaError::UnknownEventType { aggregate: "ticket", event_type, names: names() };
    assert_eq!((name.as_str(), source), ("letters", unknown));
    let letters = runtime.subscribe("letters").on_only(["opened"], send::<plain::Ticket>);
    letters
        .start()
        .await
        .expect("the name is right, and the subscription was not registered before");
}

#[tokio::test]
async fn a_catch_all_variant_allows_filters_for_any_name() {
    let (runtime, _) = open_on(&Arc::default()).await;
    let letters = runtime.subscribe("letters").on_only(["later"], send::<catching::Ticket>);
    letters.start().await.expect("an event of this name may come");
}

#[derive(Default, Serialize, Deserialize)]
struct Count(u64);

impl Projection<gap::Ticket> for Count {
    fn project(&mut self, _: &Envelope<gap::Ticket>) {
        self.0 += 1;
    }
}

#[tokio::test]
async fn followers_of_a_type_that_does_not_fit_are_not_started() {
    let (runtime, _) = open_on(&Arc::default()).await;
    let count = runtime.projection::<Count>("count").on::<gap::Ticket>().start().await;
    assert!(matches!(count, Err(StartError::Schema { .. })));
    let letters = runtime.subscribe("letters").on(send::<gap::Ticket>).start().await;
    assert!(matches!(letters, Err(StartError::Schema { .. })));
}

//! A keyed view stores the aggregate types it follows, and refuses others without a new version.
//!
//! Earlier, a view with one more `on` and the same version continued at the old position: the older
//! events of the new type were never counted, and no error was reported.

use std::convert::Infallible;

use actuarius::error::StartError;
use actuarius::projection::{Keyed, KeyedProjection, ProjectionBuilder, Rows, View};
use actuarius::{Aggregate, Context, Envelope, Runtime};
use serde::{Deserialize, Serialize};

use super::views::{Kept, show_all};
use crate::common::{Command, Ledger};

/// A second aggregate type.
#[derive(Default, Serialize, Deserialize)]
struct Visit;

#[derive(Serialize, Deserialize)]
struct Came;

#[derive(Serialize, Deserialize)]
enum VisitEvent {
    Came(Came),
}

impl Aggregate for Visit {
    const TYPE: &'static str = "visit";
    type Command = ();
    type Event = VisitEvent;
    type Error = Infallible;

    fn decide(&self, (): (), _: &Context) -> Result<Vec<VisitEvent>, Infallible> {
        Ok(vec![VisitEvent::Came(Came)])
    }

    fn apply(&mut self, _: &VisitEvent) {}
}

/// The number of events of each type.
struct Counts;

impl View for Counts {
    type Key = String;
    type Row = u64;
}

impl KeyedProjection<Ledger> for Counts {
    fn project(rows: &mut Rows<'_, Self>, _: &Envelope<Ledger>) {
        rows.update("ledger", |count| *count += 1);
    }
}

impl KeyedProjection<Visit> for Counts {
    fn project(rows: &mut Rows<'_, Self>, _: &Envelope<Visit>) {
        rows.update("visit", |count| *count += 1);
    }
}

fn counts(runtime: &Runtime) -> ProjectionBuilder<Keyed<Counts>> {
    runtime.keyed::<Counts>("counts")
}

/// Three events of ledgers and two visits, followed by a view of ledgers only.
async fn of_ledgers() -> (Kept, Runtime) {
    let kept = Kept::in_memory();
    let runtime = kept.open().await;
    for ledger in ["a", "b", "c"] {
        runtime.host::<Ledger>().execute(ledger, Command::Add(1)).await.unwrap();
    }
    for visit in ["a", "b"] {
        runtime.host::<Visit>().execute(visit, ()).await.unwrap();
    }
    let view = counts(&runtime).on::<Ledger>().start().await.unwrap();
    show_all(&runtime, &view).await;
    view.stop().await;
    (kept, runtime)
}

async fn both(runtime: &Runtime, start: ProjectionBuilder<Keyed<Counts>>) {
    let view = start.on::<Visit>().on::<Ledger>().start().await.unwrap();
    show_all(runtime, &view).await;
    let rows = [("ledger".to_owned(), 3), ("visit".to_owned(), 2)];
    assert_eq!(view.rows().list().unwrap(), rows);
    view.stop().await;
}

#[tokio::test]
async fn another_type_without_another_version_is_refused() {
    let (_kept, runtime) = of_ledgers().await;
    let refused = counts(&runtime).on::<Ledger>().on::<Visit>().start().await.err().unwrap();
    assert!(
        matches!(&refused, StartError::OtherTypes { name, .. } if name == "counts"),
        "{refused}"
    );
    let said = refused.to_string();
    assert!(said.contains("of ledger and") && said.contains("follows ledger, visit"), "{said}");
    // One type in place of the other is refused, too.
    let refused = counts(&runtime).on::<Visit>().start().await.err().unwrap();
    assert!(matches!(refused, StartError::OtherTypes { .. }), "{refused}");
    let view = counts(&runtime).on::<Ledger>().start().await.unwrap();
    assert_eq!(view.get("ledger").unwrap(), Some(3), "nothing was changed");
}

#[tokio::test]
async fn another_version_sees_the_other_type_from_its_first_event_on() {
    let (_kept, runtime) = of_ledgers().await;
    both(&runtime, counts(&runtime).version(2)).await;
    // The order of the types does not matter.
    let view = counts(&runtime).version(2).on::<Ledger>().on::<Visit>().start().await.unwrap();
    assert_eq!(view.position(), runtime.head());
}

#[tokio::test]
async fn from_scratch_sees_the_other_type_from_its_first_event_on() {
    let (_kept, runtime) = of_ledgers().await;
    both(&runtime, counts(&runtime).from_scratch()).await;
}

//! A value that does not decode any more is quoted nowhere.

use std::convert::Infallible;
use std::time::Duration;

use actuarius::error::BoxError;
use actuarius::health::FollowerStatus;
use actuarius::projection::Projection;
use actuarius::subscription::{OnPoison, Retry};
use actuarius::{Aggregate, Codec, Context, Envelope, Personal, Runtime};
use serde::{Deserialize, Serialize};

use super::customers::{CODECS, Place, hosting, says, subject, token};
use crate::common::eventually;
use crate::projections::log::Log;

const LONG: Duration = Duration::from_secs(60);

/// The first release: codes are texts.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
struct Chart;

#[derive(Debug, Clone, Serialize, Deserialize)]
enum ChartEvent {
    Diagnosed { code: Personal<String>, ward: String },
}

impl Aggregate for Chart {
    const TYPE: &'static str = "chart";
    type Command = (Personal<String>, String);
    type Event = ChartEvent;
    type Error = Infallible;

    fn decide(
        &self,
        (code, ward): Self::Command,
        _: &Context,
    ) -> Result<Vec<ChartEvent>, Infallible> {
        Ok(vec![ChartEvent::Diagnosed { code, ward }])
    }

    fn apply(&mut self, _: &ChartEvent) {}
}

/// The next release: codes and wards are enums, whose names are others than the texts.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
struct NextChart(u32);

#[derive(Debug, Clone, Serialize, Deserialize)]
enum NextEvent {
    Diagnosed { code: Personal<Code>, ward: Code },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Code {
    #[serde(rename = "flu")]
    Flu,
}

impl Aggregate for NextChart {
    const TYPE: &'static str = "chart";
    type Command = ();
    type Event = NextEvent;
    type Error = Infallible;

    fn decide(&self, (): (), _: &Context) -> Result<Vec<NextEvent>, Infallible> {
        Ok(vec![])
    }

    fn apply(&mut self, _: &NextEvent) {
        self.0 += 1;
    }
}

impl Projection<NextChart> for NextChart {
    fn project(&mut self, _: &Envelope<NextChart>) {
        self.0 += 1;
    }
}

/// A renamed code made its events undecodable. The text of the error quoted it: in the log, in the health, in the
/// status of what had halted, and in a parked note, which stayed in the store and in all later backups.
async fn scene(codec: Codec) {
    let log = Log::of_this_process();
    let (place, elsewhere) = (Place::new(), tempfile::tempdir().unwrap());
    let (code, ward) = (token(&format!("code {codec:?}")), token(&format!("ward {codec:?}")));
    let runtime = place.open().await;
    let diagnosed = (Personal::new(subject("ada"), code.clone()), ward.clone());
    runtime.host_with::<Chart>(hosting(codec)).execute("ada", diagnosed).await.unwrap();
    assert!(runtime.shutdown(LONG).await.is_clean());
    drop(runtime);

    let runtime: Runtime = place.open().await;
    let charts = runtime.host_with::<NextChart>(hosting(codec));
    let refused = charts.query("ada", NextChart::clone).await.unwrap_err();
    let on_event = |_: Envelope<NextChart>| async { Ok::<(), BoxError>(()) };
    let once = || Retry::default().attempts(1);
    let parking = runtime.subscribe("parking").on(on_event).retry(once());
    let parking = parking.on_poison(OnPoison::Park).start().await.unwrap();
    let halting = runtime.subscribe("halting").on(on_event).retry(once());
    let halting = halting.on_poison(OnPoison::Halt).start().await.unwrap();
    let view = runtime.projection::<NextChart>("view").on::<NextChart>().retry(once());
    let view = view.start().await.unwrap();
    let has_halted = |status: FollowerStatus| matches!(status, FollowerStatus::Halted { .. });
    eventually(|| has_halted(halting.status()) && has_halted(view.status())).await;
    parking.wait_for_within(runtime.head(), LONG).await.unwrap();
    let parked = parking.parked().await;
    assert_eq!(parked.len(), 1);
    let (health, statuses) = (runtime.health(), (halting.status(), view.status()));
    let said = format!("{refused} {refused:?} {parked:?} {health:?} {statuses:?}");
    let _ = runtime.backup(elsewhere.path().join("backup")).await.unwrap();
    for value in [&code, &ward] {
        assert!(!said.contains(value.as_str()), "{codec:?}: {said}");
        assert!(!log.text().contains(value.as_str()), "{codec:?}: the log");
    }
    assert!(!place.says(&code), "{codec:?}: a file");
    assert!(!says(elsewhere.path(), &code), "{codec:?}: a backup");
    assert!(codec == Codec::Bincode || said.contains("not decodable"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_error_of_decoding_quotes_a_value_in_a_log_a_status_a_note_or_a_backup() {
    for codec in CODECS {
        scene(codec).await;
    }
}

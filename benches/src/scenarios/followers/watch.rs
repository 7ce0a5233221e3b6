//! A saga that reacts to every event: it counts the notes of each journal, and reminds of a silent one after 30 days.

use std::time::Duration;

use actuarius::saga::{Correlation, Effects, ReactsTo, Saga, Sagas};
use actuarius::{Envelope, Runtime};
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::workload::Journal;

/// How long a journal may be silent.
const SILENCE: Duration = Duration::from_secs(30 * 24 * 3_600);

/// One instance per journal. Each note replaces its deadline.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Watch {
    notes: u64,
}

impl Saga for Watch {
    const TYPE: &'static str = "watch";
    type Deadline = ();

    fn due(&mut self, (): ()) -> Effects<Self> {
        Effects::complete()
    }
}

impl ReactsTo<Journal> for Watch {
    fn correlate(event: &Envelope<Journal>) -> Correlation {
        Correlation::start_or_proceed(event.id.as_str())
    }

    fn react(&mut self, _: &Envelope<Journal>) -> Effects<Self> {
        self.notes += 1;
        Effects::none().schedule_in(SILENCE, ())
    }
}

pub(super) async fn start(runtime: &Runtime) -> Result<Sagas<Watch>> {
    Ok(runtime.saga::<Watch>().reacts_to::<Journal>().sends_nothing().start().await?)
}

/// How many events it has not reacted to.
pub(super) fn lag(watches: &Sagas<Watch>) -> u64 {
    watches.events().map_or(0, |events| events.lag())
}

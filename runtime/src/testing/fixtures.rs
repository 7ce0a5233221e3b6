//! The test kit of stored events: samples of all releases that must stay readable.

mod sample;

use std::fs;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use actuarius_domain::Aggregate;
use actuarius_persistence::personal::in_clear;
use actuarius_persistence::{Codec, EventView};

use super::fail::fail;
use crate::schema::decoding::Decoder;
use sample::{Sample, decoded};

/// Returns the fixture file of an aggregate type: samples of its events as releases have stored them. Each
/// release [records](Fixtures::record) samples of its events; a test [checks](Fixtures::check) that the
/// samples of all releases are still read, and what they become. Keep the file permanently.
///
/// The file has a line of JSON for each sample: event type, schema version, codec and content as they were
/// stored, and the current events that it becomes. So a change of the result is visible in review.
///
/// ```
/// # use std::convert::Infallible;
/// # use actuarius::{Aggregate, Context};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Default, Serialize, Deserialize)]
/// # struct Counter(i64);
/// # #[derive(Serialize, Deserialize)]
/// # enum Counted { Added(i64) }
/// # impl Aggregate for Counter {
/// #     const TYPE: &'static str = "counter";
/// #     type Command = i64;
/// #     type Event = Counted;
/// #     type Error = Infallible;
/// #     fn decide(&self, amount: i64, _: &Context) -> Result<Vec<Counted>, Infallible> {
/// #         Ok(vec![Counted::Added(amount)])
/// #     }
/// #     fn apply(&mut self, Counted::Added(amount): &Counted) { self.0 += amount; }
/// # }
/// use actuarius::testing::fixtures;
///
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("counter.jsonl");
/// // Once for each release, in an ignored test:
/// fixtures::<Counter>(&path).record([Counted::Added(5)]);
/// // Always:
/// fixtures::<Counter>(&path).check();
/// ```
#[must_use]
pub fn fixtures<A: Aggregate>(path: impl AsRef<Path>) -> Fixtures<A> {
    let (path, codec) = (path.as_ref().to_owned(), Codec::default());
    Fixtures { path, codec, aggregate: PhantomData }
}

/// A file of [`fixtures`].
pub struct Fixtures<A> {
    path: PathBuf,
    codec: Codec,
    aggregate: PhantomData<fn() -> A>,
}

impl<A: Aggregate> Fixtures<A> {
    /// Sets the codec of new samples: the one the type is hosted with. Default: bincode.
    #[must_use]
    pub fn codec(mut self, codec: Codec) -> Self {
        self.codec = codec;
        self
    }

    /// Reads every sample of every release as current events, and compares them with those in the file.
    ///
    /// # Panics
    /// If a sample is not read, or becomes something else; if a shape was changed without raising its
    /// version, so that a sample of the current version would be stored differently; or if there
    /// is no sample.
    /// is no sample.
    #[track_caller]
    pub fn check(&self) {
        let samples = self.load();
        if samples.is_empty() {
            fail(&format!("there is no sample in {}: record some", self.path.display()));
        }
        self.must_become_what_they_say(&samples);
    }

    #[track_caller]
    fn must_become_what_they_say(&self, samples: &[Sample]) {
        for (line, sample) in (1..).zip(samples) {
            let becomes = self.becomes(line, sample);
            if becomes == sample.becomes {
                continue;
            }
            let (now, before) = (shown(&becomes), shown(&sample.becomes));
            let why = match A::schema_version(&sample.event_type) == sample.schema_version {
                true => "its shape was changed without raising its schema version",
                false => "its upcasters return something else",
            };
            let why = format!("{why}: it becomes\n  {now}\nand became\n  {before}");
            self.fail_at(line, sample, &format!("{why}\nIf that is intended, `accept` it"));
        }
    }

    /// Adds samples of the events of this release. Existing samples stay as they are, and are not added
    /// again.
    ///
    /// # Panics
    /// As [`check`](Self::check), or if the file cannot be written.
    #[track_caller]
    pub fn record(&self, events: impl IntoIterator<Item = A::Event>) {
        let mut samples = self.load();
        // Samples of two shapes with the same version would be worthless.
        self.must_become_what_they_say(&samples);
        for event in events {
            let sample = Sample::of::<A>(&event, self.codec).unwrap_or_else(|why| fail(&why));
            if !samples.iter().any(|it| it.is_stored_as(&sample)) {
                samples.push(sample);
            }
        }
        self.save(&samples);
    }

    /// Records what all samples become now, after an intended change. What was stored is never changed.
    ///
    /// # Panics
    /// If a sample is not read, or the file cannot be written.
    #[track_caller]
    pub fn accept(&self) {
        let mut samples = self.load();
        for (line, sample) in (1..).zip(&mut samples) {
            sample.becomes = self.becomes(line, sample);
        }
        self.save(&samples);
    }

    /// Returns the current events of a sample.
    #[track_caller]
    fn becomes(&self, line: usize, sample: &Sample) -> Vec<serde_json::Value> {
        let read = || {
            let (codec, content) = sample.stored()?;
            let version = sample.schema_version;
            let event = EventView::detached(&sample.event_type, version, codec, &content);
            let facts = in_clear(|| Decoder::<A>::new().facts(&event));
            let facts = facts.map_err(|error| error.to_string())?;
            if A::schema_version(&sample.event_type) == version {
                sample.must_be_stored_as::<A>(codec, &content, &facts)?;
            }
            facts.iter().map(decoded).collect()
        };
        match read() {
            Ok(becomes) => becomes,
            Err(why) => self.fail_at(line, sample, &why),
        }
    }

    #[track_caller]
    fn fail_at(&self, line: usize, sample: &Sample, why: &str) -> ! {
        let Sample { event_type, schema_version, codec, .. } = sample;
        let what = format!("{event_type} {schema_version} ({codec})");
        fail(&format!("{}:{line}: {what}: {why}", self.path.display()))
    }

    #[track_caller]
    fn load(&self) -> Vec<Sample> {
        let text = match fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => fail(&format!("{}: {error}", self.path.display())),
        };
        let read = |(line, text): (usize, &str)| match serde_json::from_str(text) {
            Ok(sample) => sample,
            Err(error) => fail(&format!("{}:{line}: {error}", self.path.display())),
        };
        (1..).zip(text.lines()).map(read).collect()
    }

    #[track_caller]
    fn save(&self, samples: &[Sample]) {
        let lines: Result<Vec<_>, _> = samples.iter().map(serde_json::to_string).collect();
        let written = lines.map_err(std::io::Error::other).and_then(|mut lines| {
            lines.push(String::new());
            if let Some(folder) = self.path.parent() {
                fs::create_dir_all(folder)?;
            }
            fs::write(&self.path, lines.join("\n"))
        });
        if let Err(error) = written {
            fail(&format!("{}: {error}", self.path.display()));
        }
    }
}

fn shown(events: &[serde_json::Value]) -> String {
    let shown: Vec<_> = events.iter().map(ToString::to_string).collect();
    if shown.is_empty() { "nothing".to_owned() } else { shown.join(", ") }
}

#[cfg(test)]
mod tests;

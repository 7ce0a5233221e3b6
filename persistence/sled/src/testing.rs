//! Appends, commits, changed stores and logged warnings for the unit tests.

use std::fmt::Debug;
use std::path::Path;
use std::sync::{Arc, Mutex};

use actuarius_domain::{CommandId, Metadata, StreamId, Timestamp, Version};
use actuarius_persistence::{Append, Codec, NewCommit};
use tracing::field::Field;
use tracing::{Event, Subscriber, span};

use crate::SledOptions;
use crate::engine::open_sled;
use crate::release::Release;

#[derive(serde::Serialize, serde::Deserialize)]
pub(super) enum Happened {
    /// Bytes that do not compress.
    Noise(Vec<u8>),
}

/// An append of one commit per payload size, each of one event.
pub(super) fn append(category: &str, id: &str, expected: u64, payloads: &[usize]) -> Append {
    let stream = StreamId::new(category, id).expect("a valid name");
    let mut append = Append::new(stream, Version::new(expected));
    for &payload in payloads {
        let commit = NewCommit {
            time: Timestamp::from_micros(1),
            command_id: CommandId::from(uuid::Uuid::from_u128(payload as u128)),
            named_by_caller: false,
            metadata: &Metadata::default(),
        };
        let event = Happened::Noise(noise(payload));
        append.push(commit, Codec::Bincode, &[event], |_| 1).expect("encodable");
    }
    append
}

pub(super) fn frames(append: &Append) -> Vec<u8> {
    append.frames().flat_map(|(frame, _)| frame.iter().copied()).collect()
}

fn noise(length: usize) -> Vec<u8> {
    let mut state = length as u64;
    let next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}

/// Changes the content of sled while the store in `directory` is closed.
pub(super) fn tamper<T>(directory: &Path, change: impl FnOnce(&sled::Db) -> T) -> T {
    let log = directory.join("store/log");
    let _release = Release(log.join("db"));
    let db = open_sled(&log, &SledOptions::default(), None).expect("opens");
    let changed = change(&db);
    db.flush().expect("flushed");
    changed
}

/// Keeps the warnings that are logged on a thread, each with its fields.
#[derive(Clone, Default)]
pub(super) struct Warnings(pub(super) Arc<Mutex<Vec<String>>>);

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() <= tracing::Level::WARN
    }

    fn event(&self, event: &Event<'_>) {
        let mut text = String::new();
        event.record(&mut |field: &Field, value: &dyn Debug| {
            text.push_str(&format!("{field}={value:?} "));
        });
        self.0.lock().expect("no panic").push(text);
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

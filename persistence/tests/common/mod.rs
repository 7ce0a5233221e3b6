//! Helpers to store events and to count those that are found.
#![allow(missing_docs, unreachable_pub, dead_code)]

pub mod log;

use std::fs;
use std::path::Path;

use actuarius_domain::{CommandId, Metadata, Position, StreamId, Timestamp, Version};
use actuarius_persistence::{Append, Batch, Codec, NewCommit, PageLimit, ReadError, Reader, Store};

#[derive(serde::Serialize, serde::Deserialize)]
enum Event {
    Noted(Vec<u8>),
}

pub fn stream(id: &str) -> StreamId {
    StreamId::new("note", id).expect("a valid name")
}

/// Makes an append with one commit of one event per payload size.
pub fn append(id: &str, expected: u64, payloads: &[usize]) -> Append {
    let mut append = Append::new(stream(id), Version::new(expected));
    let metadata = Metadata::default();
    for (number, &payload) in payloads.iter().enumerate() {
        let number = expected * 1_000 + number as u64;
        let commit = NewCommit {
            time: Timestamp::from_micros(number as i64),
            command_id: CommandId::from(uuid::Uuid::from_u128(u128::from(number))),
            named_by_caller: false,
            metadata: &metadata,
        };
        let noise = (0..payload as u64).map(|at| (at.wrapping_mul(number + 3) >> 5) as u8);
        let event = Event::Noted(noise.collect());
        append.push(commit, Codec::Bincode, &[event], |_| 1).expect("encodable");
    }
    append
}

pub fn commit(store: &mut Store, append: Append) {
    let batch = Batch { appends: vec![append], ..Batch::default() };
    let outcomes = store.writer.commit(&batch).expect("stored");
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
}

pub fn events(reader: &dyn Reader) -> Result<u64, ReadError> {
    let (mut after, mut count) = (Position::NONE, 0);
    loop {
        let page = reader.read_log(after, PageLimit::default())?;
        count += page.commits.iter().map(|commit| commit.view().events).sum::<u64>();
        match page.commits.last() {
            Some(last) if page.more => after = last.view().last_position(),
            _ => return Ok(count),
        }
    }
}

/// Copies a directory with its contents.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("made");
    for entry in fs::read_dir(from).expect("listed") {
        let (path, name) = entry.map(|entry| (entry.path(), entry.file_name())).expect("listed");
        if path.is_dir() {
            copy(&path, &to.join(name));
        } else {
            fs::copy(&path, to.join(name)).expect("copied");
        }
    }
}

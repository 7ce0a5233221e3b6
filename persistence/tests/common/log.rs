//! Writes logs of many streams, and reads what is in them.

use actuarius_domain::{Metadata, Position, StreamId, Timestamp, Version};
use actuarius_persistence::{
    Append, Batch, Codec, Commit, NewCommit, Notes, PageLimit, Reader, Store, memory,
};

#[derive(serde::Serialize, serde::Deserialize)]
pub enum Event {
    Noted { text: String },
    Kept(Vec<u8>),
    Struck,
}

/// Writes one commit per number to a few streams. The number decides what the commit contains.
pub fn write(store: &mut Store, numbers: impl IntoIterator<Item = u64>) {
    for number in numbers {
        let stream = stream(number);
        let expected = store.reader.version(&stream).expect("readable");
        let batch = Batch { appends: vec![append(stream, expected, number)], ..Batch::default() };
        let outcomes = store.writer.commit(&batch).expect("stored");
        assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    }
}

/// Opens a store in memory whose log has `commits` commits.
pub fn source(commits: u64) -> Store {
    let mut store = memory::open();
    write(&mut store, 0..commits);
    store
}

pub fn stream(number: u64) -> StreamId {
    StreamId::new(["note", "Näme with \"quotes\""][number as usize % 2], format!("{}", number % 7))
        .expect("a valid name")
}

pub fn append(stream: StreamId, expected: Version, number: u64) -> Append {
    let codec = [Codec::Bincode, Codec::Json, Codec::MessagePack][number as usize % 3];
    let mut metadata = Metadata::default();
    if number % 4 == 1 {
        metadata = metadata.on_behalf_of("a\nb").with("why", "ünd \u{0}\u{7f}").with("", "");
        metadata.correlation = Some("story".into());
        metadata.causation = Some("cause".into());
    }
    let commit = NewCommit {
        time: Timestamp::from_micros(number as i64 - 3),
        command_id: format!("{number}").into(),
        named_by_caller: number.is_multiple_of(5),
        metadata: &metadata,
    };
    let events: Vec<_> = (0..=number % 3).map(|at| event(number + at)).collect();
    let mut append = Append::new(stream, expected);
    append.push(commit, codec, &events, |_| 1 + number as u32 % 2).expect("encodable");
    append
}

fn event(number: u64) -> Event {
    match number % 5 {
        0 => Event::Struck,
        1 | 2 => Event::Noted {
            text: format!("\"{number}\" \n\t \u{1F600} \\ {}", "x".repeat(number as usize % 99)),
        },
        _ => Event::Kept((0..number * 37 % 900).map(|at| ((at * number) >> 3) as u8).collect()),
    }
}

pub fn note(store: &mut Store, key: &str, value: &str) {
    let mut notes = Notes::default();
    notes.put(key, value).expect("small");
    store.writer.commit(&Batch { notes: vec![notes], ..Batch::default() }).expect("stored");
}

/// Returns all commits as they are stored.
pub fn log(reader: &dyn Reader) -> Vec<Commit> {
    let limit = PageLimit { commits: usize::MAX, bytes: usize::MAX };
    reader.maintenance().read_raw(Position::NONE, limit).expect("readable").commits
}

pub fn same(one: &[Commit], other: &[Commit]) -> bool {
    let same = |(one, other): (&Commit, &Commit)| {
        one.position() == other.position() && one.frame() == other.frame()
    };
    one.len() == other.len() && one.iter().zip(other).all(same)
}

/// Returns the keys and values of all notes.
pub fn notes(reader: &dyn Reader) -> Vec<(Vec<u8>, Vec<u8>)> {
    let notes = reader.notes(b"", None, usize::MAX).expect("readable");
    notes.into_iter().map(|note| (note.key.to_vec(), note.value.to_vec())).collect()
}

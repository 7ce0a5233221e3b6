//! A store under test, with a simple model to compare it with.

use std::collections::HashMap;
use std::sync::Arc;

use actuarius_domain::{CommandId, Metadata, Position, StreamId, Timestamp, Version};
use bytes::Bytes;
use uuid::Uuid;

use super::sample::Sample;
use super::stage::Stage;
use crate::record::chain::ChainEnd;
use crate::record::stub_frame;
use crate::{
    Append, AppendOutcome, Batch, Codec, Commit, Conflict, NewCommit, NewSnapshot, Notes, Page,
    PageLimit, Reader, Removal, Store,
};

/// An open store, the next batch, and the model of everything stored.
pub(super) struct Scene<'a> {
    stage: &'a dyn Stage,
    store: Option<Store>,
    batch: Batch,
    /// The outcomes of the appends in `batch` that the model expects.
    expected_outcomes: Vec<AppendOutcome>,
    model: Model,
    commands: u64,
}

/// The content of a store in its simplest form: one list, and a count for each stream.
#[derive(Default)]
struct Model {
    log: Vec<(StreamId, Commit)>,
    versions: HashMap<StreamId, Version>,
    head: Position,
}

impl<'a> Scene<'a> {
    pub(super) fn open(stage: &'a dyn Stage) -> Self {
        let store = stage.open();
        assert_eq!(store.reader.head(), Position::NONE, "a new stage has an empty store");
        Self {
            stage,
            store: Some(store),
            batch: Batch::default(),
            expected_outcomes: Vec::new(),
            model: Model::default(),
            commands: 0,
        }
    }

    /// Closes the store, opens it again, and compares it with the model.
    pub(super) fn reopen_and_check(&mut self) {
        self.store = None;
        self.store = Some(self.stage.open());
        self.check();
    }

    pub(super) fn store(&mut self) -> &mut Store {
        self.store.as_mut().expect("the store is open between two calls")
    }

    pub(super) fn reader(&self) -> Arc<dyn Reader> {
        self.store.as_ref().expect("the store is open between two calls").reader.clone()
    }

    /// Adds an append of one commit that expects the stream's version.
    pub(super) fn put(&mut self, stream: &StreamId, events: Vec<Sample>) {
        self.put_commits(stream, self.version(stream), &[events]);
    }

    /// Adds an append with one commit for each list of events.
    pub(super) fn put_commits(
        &mut self,
        stream: &StreamId,
        expected: Version,
        commits: &[Vec<Sample>],
    ) {
        let mut append = Append::new(stream.clone(), expected);
        for events in commits {
            self.commands += 1;
            let commit = NewCommit {
                time: Timestamp::from_micros(self.commands as i64 * 1_000),
                command_id: CommandId::from(Uuid::from_u128(u128::from(self.commands))),
                named_by_caller: false,
                metadata: &Metadata::default(),
            };
            let pushed = append.push(commit, Codec::Bincode, events, |_| 1);
            pushed.expect("the sample events are encodable");
        }
        self.put_append(append);
    }

    pub(super) fn put_append(&mut self, append: Append) {
        self.expected_outcomes.push(self.model.append(&append));
        self.batch.appends.push(append);
    }

    pub(super) fn put_snapshot(&mut self, snapshot: NewSnapshot) {
        self.batch.snapshots.push(snapshot);
    }

    pub(super) fn put_notes(&mut self, sets: Vec<Notes>) {
        self.batch.notes.extend(sets);
    }

    /// Commits the batch, and compares the outcome of each append with the model.
    pub(super) fn commit(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        let outcomes = self.store().writer.commit(&batch).expect("the store commits the batch");
        let told = |outcomes: &[AppendOutcome]| -> Vec<_> {
            outcomes.iter().map(|it| it.clone().map_err(|why| why.conflict().cloned())).collect()
        };
        assert_eq!(told(&outcomes), told(&self.expected_outcomes), "the outcome of each append");
        self.expected_outcomes.clear();
        assert_eq!(self.reader().head(), self.model.head, "the head after a commit");
    }

    /// Removes the events of these commits from the model.
    pub(super) fn removed(&mut self, removals: &[Removal]) {
        for (_, commit) in &mut self.model.log {
            let position = commit.position();
            let removal = removals.iter().find(|removal| removal.position == position.get());
            if let Some(removal) = removal.filter(|removal| removal.concerns(commit)) {
                let stub = stub_frame(commit, removal.gone);
                *commit = Commit::from_frame(&stub, position).expect("a stub is a valid frame");
            }
        }
    }

    pub(super) fn write(&mut self, stream: &StreamId, events: Vec<Sample>) {
        self.put(stream, events);
        self.commit();
    }

    pub(super) fn version(&self, stream: &StreamId) -> Version {
        self.model.versions.get(stream).copied().unwrap_or_default()
    }

    pub(super) fn head(&self) -> Position {
        self.model.head
    }

    /// Returns the expected commits of the log, or of one stream.
    pub(super) fn expected<'m>(&'m self, only: Option<&'m StreamId>) -> Vec<&'m Commit> {
        let all = self.model.log.iter();
        let wanted = all.filter(|(stream, _)| only.is_none_or(|only| only == stream));
        wanted.map(|(_, commit)| commit).collect()
    }

    /// Checks that the store has exactly the content of the model, in the same order.
    pub(super) fn check(&self) {
        let reader = self.reader();
        let limit = PageLimit::default();
        assert_eq!(reader.head(), self.model.head, "the head");
        let events = reader.info().expect("the figures are readable").events;
        assert_eq!(events, self.model.head.get(), "the number of events");
        let commits = self.model.log.iter().map(|(_, commit)| commit);
        let chain = commits.fold(ChainEnd::default(), |end, commit| end.then(commit));
        assert_eq!(
            reader.maintenance().chain().expect("the chain is readable"),
            chain,
            "the chain"
        );
        assert_same(&whole_log(&*reader, Position::NONE, limit), &self.expected(None), "the log");

        let mut streams: HashMap<&StreamId, Vec<&Commit>> = HashMap::new();
        for (stream, commit) in &self.model.log {
            streams.entry(stream).or_default().push(commit);
        }
        for (stream, expected) in streams {
            let version = reader.version(stream).expect("the version is readable");
            assert_eq!(version, self.version(stream), "the version of {stream}");
            let found = whole_stream(&*reader, stream, Version::NONE, Position::NONE, limit);
            assert_same(&found, &expected, stream.id());
        }
    }
}

impl Model {
    fn append(&mut self, append: &Append) -> AppendOutcome {
        let version = self.versions.entry(append.stream().clone()).or_default();
        if *version != append.expected() {
            let (stream, expected) = (append.stream().clone(), append.expected());
            return Err(Conflict { stream, expected, actual: *version }.into());
        }
        let first = self.head.next();
        for (frame, events) in append.frames() {
            let (commit, _) = Commit::take(&Bytes::copy_from_slice(frame), self.head.next())
                .expect("an append frames its own commits");
            self.log.push((append.stream().clone(), commit));
            self.head = self.head.plus(events.into());
            *version = version.plus(events.into());
        }
        Ok(first)
    }
}

/// Commits are equal if their position and every byte are.
pub(super) fn assert_same(found: &[Commit], expected: &[&Commit], of: &str) {
    let of = of.escape_debug();
    for (found, expected) in found.iter().zip(expected) {
        let position = expected.position();
        assert_eq!(found.position(), position, "a position in {of}");
        assert!(found.same_bytes(expected), "the commit at position {position} in {of} differs");
    }
    assert_eq!(found.len(), expected.len(), "the number of commits in {of}");
}

/// Reads the log after `after`, page by page.
pub(super) fn whole_log(reader: &dyn Reader, after: Position, limit: PageLimit) -> Vec<Commit> {
    whole(limit, |last| {
        let after = last.map_or(after, |commit| commit.view().last_position());
        reader.read_log(after, limit).expect("the log is readable")
    })
}

/// Reads the stream after `after`, page by page.
pub(super) fn whole_stream(
    reader: &dyn Reader,
    stream: &StreamId,
    after: Version,
    as_of: Position,
    limit: PageLimit,
) -> Vec<Commit> {
    whole(limit, |last| {
        let after = last.map_or(after, |commit| commit.view().last_version());
        reader.read_stream(stream, after, as_of, limit).expect("the stream is readable")
    })
}

fn whole(limit: PageLimit, mut next_page: impl FnMut(Option<&Commit>) -> Page) -> Vec<Commit> {
    let mut commits: Vec<Commit> = Vec::new();
    loop {
        let page = next_page(commits.last());
        let promised = !commits.is_empty();
        assert!(
            !promised || !page.commits.is_empty(),
            "`more` was set, but there is no further page"
        );
        check_bounds(&page, limit);
        commits.extend(page.commits);
        if !page.more {
            return commits;
        }
    }
}

fn check_bounds(page: &Page, limit: PageLimit) {
    let count = page.commits.len();
    assert!(count <= limit.commits.max(1), "a page of {count} commits for {limit:?}");
    let bytes: usize = page.commits.iter().rev().skip(1).map(Commit::bytes).sum();
    assert!(bytes <= limit.bytes, "a page of {bytes} bytes before its last commit for {limit:?}");
    assert!(!page.more || count > 0, "`more` is set on an empty page");
}

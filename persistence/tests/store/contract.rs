//! Tests the contract itself: it finds each store that is wrong in a single respect.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use actuarius_domain::{Position, StreamId, Version};
use actuarius_persistence::contract::{self, Stage};
use actuarius_persistence::verify::{Verified, Verify};
use actuarius_persistence::{
    AppendOutcome, Batch, Maintenance, Note, Notes, Page, PageLimit, ReadError, Reader, Snapshot,
    Store, StoreFailure, StoreInfo, Writer, memory, verify_log,
};
use bytes::Bytes;
use uuid::Uuid;

/// The respect in which a store is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lie {
    Honest,
    NeverMore,
    AlwaysMore,
    UnboundedPages,
    HeadAhead,
    HeadBehind,
    VersionsByLowercase,
    MiddleOfCommitSkipped,
    HintOverrunsByOne,
    BeforeIsInclusive,
    SnapshotsOfTheCategory,
    LastAppendLost,
    SnapshotsBesideAppendsLost,
    ConflictFailsTheBatch,
    CommitsInReverse,
    NotesByHalf,
    NotesBesideAppendsLost,
    NotesInReverse,
    RemovalsForgotten,
    NotesFromAfterOn,
    NotesByLowercase,
    IdentityDrawnAnew,
}

use Lie::*;

struct Liar<T>(T, Lie);

impl Reader for Liar<Arc<dyn Reader>> {
    fn head(&self) -> Position {
        let head = self.0.head();
        match self.1 {
            HeadAhead => head.next(),
            HeadBehind => Position::new(head.get().saturating_sub(1)),
            _ => head,
        }
    }

    fn version(&self, stream: &StreamId) -> Result<Version, ReadError> {
        if self.1 == VersionsByLowercase {
            let lower = StreamId::new(stream.category(), stream.id().to_lowercase());
            return self.0.version(&lower.expect("valid"));
        }
        self.0.version(stream)
    }

    fn read_stream(
        &self,
        stream: &StreamId,
        after: Version,
        as_of: Position,
        limit: PageLimit,
    ) -> Result<Page, ReadError> {
        let mut page = self.0.read_stream(stream, after, as_of, self.limit(limit))?;
        match self.1 {
            MiddleOfCommitSkipped => page.commits.retain(|it| it.view().version > after),
            HintOverrunsByOne if as_of > Position::NONE => {
                page.commits.retain(|it| it.position() > as_of.next());
            }
            _ => {}
        }
        Ok(self.more(page))
    }

    fn read_log(&self, after: Position, limit: PageLimit) -> Result<Page, ReadError> {
        Ok(self.more(self.0.read_log(after, self.limit(limit))?))
    }

    fn snapshot(
        &self,
        stream: &StreamId,
        before: Option<Version>,
    ) -> Result<Option<Snapshot>, ReadError> {
        match self.1 {
            BeforeIsInclusive => self.0.snapshot(stream, before.map(Version::next)),
            SnapshotsOfTheCategory => {
                let first = StreamId::new(stream.category(), "a").expect("valid");
                self.0.snapshot(&first, before)
            }
            _ => self.0.snapshot(stream, before),
        }
    }

    fn note(&self, key: &[u8]) -> Result<Option<Bytes>, ReadError> {
        match self.1 {
            NotesByLowercase => self.0.note(&key.to_ascii_lowercase()),
            _ => self.0.note(key),
        }
    }

    fn notes(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Note>, ReadError> {
        let mut found = self.0.notes(prefix, after, limit)?;
        if let (NotesFromAfterOn, Some(after)) = (self.1, after)
            && let Some(value) = self.0.note(after)?
        {
            found.insert(0, Note { key: Bytes::copy_from_slice(after), value });
            found.truncate(limit);
        }
        Ok(found)
    }

    fn identity(&self) -> Uuid {
        if self.1 == IdentityDrawnAnew { Uuid::new_v4() } else { self.0.identity() }
    }

    fn info(&self) -> Result<StoreInfo, ReadError> {
        self.0.info()
    }

    fn maintenance(&self) -> &dyn Maintenance {
        self
    }
}

impl Maintenance for Liar<Arc<dyn Reader>> {
    fn verify(&self, what: &mut Verify<'_>) -> Result<Verified, ReadError> {
        verify_log(self, what)
    }
}

impl Liar<Arc<dyn Reader>> {
    fn limit(&self, limit: PageLimit) -> PageLimit {
        let unbounded = PageLimit { commits: usize::MAX, bytes: usize::MAX };
        if self.1 == UnboundedPages { unbounded } else { limit }
    }

    fn more(&self, page: Page) -> Page {
        match self.1 {
            NeverMore => Page { more: false, ..page },
            AlwaysMore => Page { more: !page.commits.is_empty(), ..page },
            _ => page,
        }
    }
}

impl Writer for Liar<Box<dyn Writer>> {
    fn commit(&mut self, batch: &Batch) -> Result<Vec<AppendOutcome>, StoreFailure> {
        let mut appends = batch.appends.clone();
        let mut snapshots = batch.snapshots.clone();
        let mut notes = batch.notes.clone();
        match self.1 {
            LastAppendLost if appends.len() > 1 => drop(appends.pop()),
            SnapshotsBesideAppendsLost if !appends.is_empty() => snapshots.clear(),
            CommitsInReverse => appends.reverse(),
            NotesByHalf => notes.iter_mut().for_each(|set| *set = puts(set, set.len().div_ceil(2))),
            NotesBesideAppendsLost if !appends.is_empty() => notes.clear(),
            NotesInReverse => notes.reverse(),
            RemovalsForgotten => notes.iter_mut().for_each(|set| *set = puts(set, set.len())),
            _ => {}
        }
        let outcomes = self.0.commit(&Batch { appends, snapshots, notes, ..batch.clone() })?;
        let conflict = outcomes.iter().find(|it| it.is_err()).cloned();
        match conflict {
            Some(conflict) if self.1 == ConflictFailsTheBatch => Ok(vec![conflict; outcomes.len()]),
            _ => Ok(outcomes),
        }
    }

    fn batch_bytes(&self) -> usize {
        self.0.batch_bytes()
    }
}

/// Returns the first `count` puts of the set.
fn puts(set: &Notes, count: usize) -> Notes {
    let mut puts = Notes::default();
    let all = set.iter().filter_map(|it| it.value.as_ref().map(|value| (&it.key, value)));
    for (key, value) in all.take(count) {
        puts.put(key, value).expect("smaller than before");
    }
    puts
}

fn lying(lie: Lie) -> impl Stage {
    let contents = Arc::default();
    move || {
        let Store { writer, reader } = memory::reopen(&contents);
        Store { writer: Box::new(Liar(writer, lie)), reader: Arc::new(Liar(reader, lie)) }
    }
}

fn passes(case: &str, lie: Lie) -> bool {
    catch_unwind(AssertUnwindSafe(|| contract::case(case).run(&lying(lie)))).is_ok()
}

#[test]
fn each_lie_is_found_by_the_case_made_for_it() {
    let lies = [
        (NeverMore, "the_log_in_bounded_pages_is_the_whole_log"),
        (AlwaysMore, "a_stream_in_bounded_pages_is_the_whole_stream"),
        (UnboundedPages, "the_log_in_bounded_pages_is_the_whole_log"),
        (HeadAhead, "an_empty_batch_is_accepted"),
        (HeadBehind, "a_reader_obtained_before_a_commit_sees_it_after"),
        (VersionsByLowercase, "odd_ids_never_share_a_stream"),
        (MiddleOfCommitSkipped, "commits_of_many_events_stay_whole"),
        (HintOverrunsByOne, "a_true_as_of_changes_no_answer"),
        (BeforeIsInclusive, "the_newest_snapshot_comes_first_and_before_leads_to_older_ones"),
        (SnapshotsOfTheCategory, "a_snapshot_is_never_found_under_another_stream"),
        (LastAppendLost, "an_append_may_build_on_the_one_before_it_in_its_batch"),
        (SnapshotsBesideAppendsLost, "snapshots_beside_a_conflict_are_kept"),
        (ConflictFailsTheBatch, "a_conflict_leaves_its_neighbours_untouched"),
        (CommitsInReverse, "a_conflict_inside_a_batch_counts_the_appends_before_it"),
        (NotesByHalf, "notes_come_back_after_reopening"),
        (NotesBesideAppendsLost, "notes_beside_a_conflict_are_kept"),
        (NotesInReverse, "the_last_change_of_a_note_counts"),
        (RemovalsForgotten, "a_removed_note_is_gone"),
        (NotesFromAfterOn, "notes_are_listed_by_prefix_in_the_order_of_their_keys"),
        (NotesByLowercase, "odd_keys_never_share_a_note"),
        (IdentityDrawnAnew, "the_identity_stays_and_is_the_stores_own"),
    ];
    for (lie, case) in lies {
        assert!(passes(case, Honest), "{case} fails a correct store");
        assert!(!passes(case, lie), "{case} does not notice {lie:?}");
    }
}

#[test]
fn the_report_names_the_cases_a_store_fails_and_no_other() {
    // A store that forgets everything when it is closed.
    let broken = catch_unwind(|| contract::check(|| memory::open));
    let message = *broken.expect_err("the contract notices").downcast::<String>().expect("text");
    assert!(message.contains("positions_and_versions_run_without_gaps"), "{message}");
    assert!(message.contains("snapshots_of_every_size_survive_reopening"), "{message}");
    assert!(!message.contains("a_reader_obtained_before_a_commit_sees_it_after"), "{message}");
}

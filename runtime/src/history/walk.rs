//! [`Past`]: the state of an aggregate at a moment, replayed page by page.

use std::sync::Arc;

use actuarius_domain::{Aggregate, Id, Position, StreamId, Timestamp, Version};
use actuarius_persistence::{Commit, EventView, Page, PageLimit, ReadError, Reader};
use smallvec::SmallVec;

use super::moment::Moment;
use crate::aggregate::hosted_type::HostedType;
use crate::aggregate::replay::{self, Found, Snapshots, Start};
use crate::base::error::{Failure, Place};
use crate::schema::decoding::{Decoder, Undecodable};

/// The state of an aggregate at a moment of its history. Returned by
/// [`Aggregates::as_of`](crate::Aggregates::as_of).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past<A> {
    /// The state; the default state if there was no event yet.
    pub state: A,
    /// How many events it had. If it is less than the requested version, the aggregate has no more events
    /// and this is the present state.
    pub version: Version,
    /// The position of its last event.
    pub position: Position,
    /// When its last event was decided; `None` if there was no event yet.
    pub time: Option<Timestamp>,
}

/// Returns the state of an aggregate at a moment.
pub(crate) async fn as_of<A: Aggregate>(
    hosted: &Arc<HostedType<A>>,
    id: &Id<A>,
    moment: Moment,
) -> Result<Past<A>, Failure> {
    let keyring = &hosted.engine.keyring;
    loop {
        let forgotten = keyring.forgotten();
        let walk = walk_to(hosted, id.stream(), moment).await?;
        // If a data subject was forgotten meanwhile, the state may hold its clear text.
        if forgotten == keyring.forgotten() {
            return walk.into_past();
        }
    }
}

/// Replays up to a moment, or up to the present if the moment is in the future. Reads in the read pool, one
/// page at a time, so that dropping the future stops it.
pub(super) async fn walk_to<A: Aggregate>(
    hosted: &Arc<HostedType<A>>,
    stream: StreamId,
    moment: Moment,
) -> Result<Walk<A>, Failure> {
    let of = hosted.clone();
    let begin =
        move |reader: &dyn Reader| Walk::begin(&of, stream, reader, moment)?.advance(reader);
    let mut walk = hosted.engine.read(begin).await?;
    while walk.next_page().is_some() && !walk.is_at_end {
        walk = hosted.engine.read(move |reader| walk.advance(reader)).await?;
    }
    Ok(walk)
}

/// A state that is replayed towards a version.
pub(super) struct Walk<A> {
    pub(super) state: A,
    decoder: Decoder<A>,
    stream: StreamId,
    version: Version,
    position: Position,
    time: Option<Timestamp>,
    as_of: Position,
    /// The last version to replay.
    until: Version,
    is_at_end: bool,
    /// Removed events make the state unknown, until the event that ends the stream resets it.
    is_unknown: bool,
}

/// The next page to read. Its last commit may extend beyond the last version to replay.
pub(super) struct NextPage {
    stream: StreamId,
    after: Version,
    as_of: Position,
    limit: PageLimit,
}

impl NextPage {
    pub(super) fn read(&self, reader: &dyn Reader) -> Result<Page, ReadError> {
        reader.read_stream(&self.stream, self.after, self.as_of, self.limit)
    }
}

impl<A: Aggregate> Walk<A> {
    /// Starts from the newest usable snapshot that is not later than the moment.
    pub(super) fn begin(
        hosted: &HostedType<A>,
        stream: StreamId,
        reader: &dyn Reader,
        moment: Moment,
    ) -> Result<Self, ReadError> {
        let until = moment.version(reader, &stream)?;
        let start = start(hosted, &stream, reader, until)?;
        let Start { state, version, position, time, as_of, .. } = start;
        let (is_at_end, is_unknown) = (false, false);
        let decoder = Decoder::of(&hosted.engine.shapes);
        Ok(Self {
            state,
            decoder,
            stream,
            version,
            position,
            time,
            as_of,
            until,
            is_at_end,
            is_unknown,
        })
    }

    pub(super) fn version(&self) -> Version {
        self.version
    }

    /// Returns the last version to replay.
    pub(super) fn until(&self) -> Version {
        self.until
    }

    /// Sets a later version as the last one to replay.
    pub(super) fn extend_to(&mut self, until: Version) {
        self.until = until;
    }

    /// Applies the events of the next page.
    fn advance(mut self, reader: &dyn Reader) -> Result<Self, Failure> {
        let Some(next) = self.next_page() else { return Ok(self) };
        let Page { commits, more } = next.read(reader)?;
        for commit in &commits {
            for event in self.pass(commit) {
                let facts = replay::decode(self.decoder, &event);
                let undecodable = |error| Undecodable::of(&commit.view(), &event, error);
                let folded = replay::fold(&mut self.state, &facts.map_err(undecodable)?);
                folded.map_err(|message| panicked(event.version, message))?;
            }
        }
        self.is_at_end = !more;
        Ok(self)
    }

    /// Returns the next page to read; `None` once the last version is reached.
    pub(super) fn next_page(&self) -> Option<NextPage> {
        let missing = self.until.get().checked_sub(self.version.get()).filter(|it| *it > 0)?;
        let most = PageLimit::default();
        let commits = usize::try_from(missing).map_or(most.commits, |it| it.min(most.commits));
        let limit = PageLimit { commits, ..most };
        let (stream, after, as_of) = (self.stream.clone(), self.version, self.as_of);
        Some(NextPage { stream, after, as_of, limit })
    }

    /// Advances the version past a commit, and returns those of its events that must be applied.
    pub(super) fn pass<'a>(&mut self, commit: &'a Commit) -> SmallVec<[EventView<'a>; 1]> {
        let (is_removed, commit) = (commit.gone().is_some(), commit.view());
        let known = self.version;
        if commit.version > self.until || commit.last_version() <= known {
            return SmallVec::new();
        }
        self.version = commit.last_version().min(self.until);
        self.position = commit.position.plus(self.version.get() - commit.version.get());
        self.time = Some(commit.time);
        self.is_unknown |= is_removed;
        let mut events = SmallVec::new();
        let versions = known.next()..=self.version;
        for event in commit.events().filter(|event| versions.contains(&event.version)) {
            if event.deletion().is_some() {
                (self.state, self.is_unknown) = (A::default(), false);
                events.clear();
            } else if !self.is_unknown {
                events.push(event);
            }
        }
        events
    }

    fn into_past(self) -> Result<Past<A>, Failure> {
        let Self { state, version, position, time, is_unknown, .. } = self;
        if is_unknown {
            return Err(Failure::Removed { version });
        }
        Ok(Past { state, version, position, time })
    }
}

fn start<A: Aggregate>(
    hosted: &HostedType<A>,
    stream: &StreamId,
    reader: &dyn Reader,
    until: Version,
) -> Result<Start<A>, ReadError> {
    let mut snapshots = Snapshots::of(reader, stream, 0).up_to(until);
    while let Some(found) = snapshots.next()? {
        match found {
            Found::Usable(start) => return Ok(*start),
            Found::Unusable { version, why } | Found::Ahead { version, why } => {
                hosted.ignored_snapshot(stream, version, &why);
            }
        }
    }
    Ok(Start::empty())
}

/// The failure for a panic of `apply` at the event of this version, after which the state is unusable.
pub(super) fn panicked(version: Version, message: String) -> Failure {
    Failure::Panicked { place: Place::Apply(version), message }
}

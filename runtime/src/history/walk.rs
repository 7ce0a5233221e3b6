use std::sync::Arc;

use actuarius_domain::{Aggregate, Id, Position, StreamId, Timestamp, Version};
use actuarius_persistence::{Commit, EventView, Page, PageLimit, ReadError, Reader};
use smallvec::SmallVec;

use super::moment::Moment;
use crate::aggregate::hosted_type::HostedType;
use crate::aggregate::replay::{self, Found, Snapshots, Start};
use crate::base::error::{Failure, Place};
use crate::schema::decoding::{Decoder, Undecodable};

/// The state of an aggregate at a moment of its history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past<A> {
    /// What it was. The default if there was no event yet.
    pub state: A,
    /// How many events it had. Less than what was asked for says that it has no more: then this is
    /// the present.
    pub version: Version,
    /// The position of the last of them.
    pub position: Position,
    /// When that was decided; none if there was no event yet.
    pub time: Option<Timestamp>,
}

/// The state of an aggregate at a moment.
pub(crate) async fn as_of<A: Aggregate>(
    hosted: &Arc<HostedType<A>>,
    id: &Id<A>,
    moment: Moment,
) -> Result<Past<A>, Failure> {
    walk_to(hosted, id.stream(), moment).await?.into_past()
}

/// Goes to a moment, or to the present if it has not come: off the async threads, a page at a time, so that it
/// ends when nobody waits any more.
pub(super) async fn walk_to<A: Aggregate>(
    hosted: &Arc<HostedType<A>>,
    stream: StreamId,
    moment: Moment,
) -> Result<Walk<A>, Failure> {
    let of = hosted.clone();
    let begin = move |reader: &dyn Reader| Walk::begin(&of, stream, reader, moment)?.go_on(reader);
    let mut walk = hosted.engine.read(begin).await?;
    while walk.wanted().is_some() && !walk.is_at_end {
        walk = hosted.engine.read(move |reader| walk.go_on(reader)).await?;
    }
    Ok(walk)
}

/// A state on its way from one moment to another.
pub(super) struct Walk<A> {
    pub(super) state: A,
    stream: StreamId,
    version: Version,
    position: Position,
    time: Option<Timestamp>,
    as_of: Position,
    /// Where it goes.
    until: Version,
    is_at_end: bool,
    /// Events on the way were removed, so what the state was is not known; until the event that ends the
    /// stream, behind which it begins anew.
    is_lost: bool,
}

/// A page of the way: commits of which the last one may reach beyond its end.
pub(super) struct Wanted {
    stream: StreamId,
    after: Version,
    as_of: Position,
    limit: PageLimit,
}

impl Wanted {
    pub(super) fn read(&self, reader: &dyn Reader) -> Result<Page, ReadError> {
        reader.read_stream(&self.stream, self.after, self.as_of, self.limit)
    }
}

impl<A: Aggregate> Walk<A> {
    /// From the newest good snapshot that is no later than the moment, on the way there.
    pub(super) fn begin(
        hosted: &HostedType<A>,
        stream: StreamId,
        reader: &dyn Reader,
        moment: Moment,
    ) -> Result<Self, ReadError> {
        let until = moment.version(reader, &stream)?;
        let start = start(hosted, &stream, reader, until)?;
        let Start { state, version, position, time, as_of, .. } = start;
        let (is_at_end, is_lost) = (false, false);
        Ok(Self { state, stream, version, position, time, as_of, until, is_at_end, is_lost })
    }

    pub(super) fn version(&self) -> Version {
        self.version
    }

    /// Sets out for a later version.
    pub(super) fn set_out(&mut self, until: Version) {
        self.until = until;
    }

    /// Takes the events of the next page.
    fn go_on(mut self, reader: &dyn Reader) -> Result<Self, Failure> {
        let Some(wanted) = self.wanted() else { return Ok(self) };
        let Page { commits, more } = wanted.read(reader)?;
        let decoder = Decoder::<A>::new();
        for commit in &commits {
            for event in self.pass(commit) {
                let facts = replay::decode(decoder, &event);
                let told = |error| Undecodable::of(&commit.view(), &event, error);
                let folded = replay::fold(&mut self.state, &facts.map_err(told)?);
                folded.map_err(|message| panicked(event.version, message))?;
            }
        }
        self.is_at_end = !more;
        Ok(self)
    }

    /// What is to be read next; nothing when it is there.
    pub(super) fn wanted(&self) -> Option<Wanted> {
        let missing = self.until.get().checked_sub(self.version.get()).filter(|it| *it > 0)?;
        let most = PageLimit::default();
        let commits = usize::try_from(missing).map_or(most.commits, |it| it.min(most.commits));
        let limit = PageLimit { commits, ..most };
        let (stream, after, as_of) = (self.stream.clone(), self.version, self.as_of);
        Some(Wanted { stream, after, as_of, limit })
    }

    /// Goes past a commit, and tells which of its events are to be made part of the state.
    pub(super) fn pass<'a>(&mut self, commit: &'a Commit) -> SmallVec<[EventView<'a>; 1]> {
        let (is_removed, commit) = (commit.gone().is_some(), commit.view());
        let known = self.version;
        if commit.version > self.until || commit.last_version() <= known {
            return SmallVec::new();
        }
        self.version = commit.last_version().min(self.until);
        self.position = commit.position.plus(self.version.get() - commit.version.get());
        self.time = Some(commit.time);
        self.is_lost |= is_removed;
        let mut events = SmallVec::new();
        let way = known.next()..=self.version;
        for event in commit.events().filter(|event| way.contains(&event.version)) {
            if event.deletion().is_some() {
                (self.state, self.is_lost) = (A::default(), false);
                events.clear();
            } else if !self.is_lost {
                events.push(event);
            }
        }
        events
    }

    fn into_past(self) -> Result<Past<A>, Failure> {
        let Self { state, version, position, time, is_lost, .. } = self;
        if is_lost {
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

/// `apply` panicked at the event of this version, so the state is spoilt.
pub(super) fn panicked(version: Version, message: String) -> Failure {
    Failure::Panicked { place: Place::Apply(version), message }
}

//! `Follower`: reads the log in order, from pages and then live.

use std::ops::{Deref, Range};
use std::sync::Arc;

use actuarius_domain::Position;
use actuarius_persistence::{Commit, Damage, Page, PageLimit, ReadError};

use crate::commit::tail::{Following, Group};
use crate::engine::Engine;
use crate::engine::deletions::BeforeRead;
use crate::engine::pool::Run;

/// How much is read from the store at once: enough to spread the cost of a read, little enough that the pages of a
/// hundred followers fit in memory.
const PAGE: PageLimit = PageLimit { commits: 4_096, bytes: 1024 * 1024 };

/// The position of one reader of the log. It catches up in bounded pages, then continues live, without a gap or a
/// repetition.
pub(crate) struct Follower {
    engine: Arc<Engine>,
    following: Following,
    at: Position,
    /// The read of the page after `at`, if it is running.
    reading: Option<(BeforeRead, Run<Result<Page, ReadError>>)>,
}

/// Consecutive commits.
pub(crate) struct Slice {
    commits: Arc<[Commit]>,
    range: Range<usize>,
    read: BeforeRead,
}

impl Slice {
    fn of(commits: Arc<[Commit]>, from: usize, read: BeforeRead) -> Self {
        let range = from..commits.len();
        Self { commits, range, read }
    }

    /// Returns the moment before they were read.
    pub(crate) fn before_read(&self) -> BeforeRead {
        self.read
    }

    /// Returns the first `count` commits, and the rest if there is any.
    pub(crate) fn split(self, count: usize) -> (Self, Option<Self>) {
        let Self { commits, range, read } = self;
        let middle = range.start.saturating_add(count).min(range.end);
        let rest = (middle < range.end).then(|| Self {
            commits: commits.clone(),
            range: middle..range.end,
            read,
        });
        (Self { commits, range: range.start..middle, read }, rest)
    }
}

impl Deref for Slice {
    type Target = [Commit];

    fn deref(&self) -> &[Commit] {
        &self.commits[self.range.clone()]
    }
}

impl Follower {
    /// Creates a follower of the commits after `at`, the last position of a commit or [`Position::NONE`].
    pub(crate) fn after(engine: &Arc<Engine>, at: Position) -> Self {
        let following = engine.tail.follow();
        Self { engine: engine.clone(), following, at, reading: None }
    }

    /// Returns the position it has read up to.
    pub(crate) fn at(&self) -> Position {
        self.at
    }

    /// Returns the last durable position.
    pub(crate) fn head(&self) -> Position {
        self.following.tail().head()
    }

    /// Returns whether it has read everything that is durable.
    pub(crate) fn is_at_head(&self) -> bool {
        self.at >= self.head()
    }

    /// Waits until so much has been stored since the last call of [`next`](Self::next) that the tail may soon keep it no
    /// longer. May be dropped at any time.
    pub(crate) async fn filled(&mut self) {
        self.following.filled().await;
    }

    /// Continues after `at`.
    pub(crate) fn seek(&mut self, at: Position) {
        self.at = at;
        self.reading = None;
    }

    /// Returns the next commits, and waits until there are some. The events of a stream that is deleted after them
    /// count as removed. May be dropped at any time.
    ///
    /// # Errors
    /// [`ReadError`]; nothing was skipped. Another call reads the same commits.
    pub(crate) async fn next(&mut self) -> Result<Slice, ReadError> {
        loop {
            let now = self.engine.deletions.before_read();
            self.following.start_filling();
            let slice = if self.reading.is_none() {
                let groups = self.following.tail().groups_after(self.at, PAGE.commits);
                if !groups.is_empty() {
                    self.take_groups(&groups, now.of_tail())?
                } else if self.is_at_head() {
                    self.following.moved_past(self.at).await;
                    None
                } else {
                    self.take_page(now).await?
                }
            } else {
                self.take_page(now).await?
            };
            if let Some(slice) = slice {
                return Ok(slice);
            }
        }
    }

    /// Takes all groups at once: a follower that waits for a disk for each slice would never catch up group by
    /// group. Returns `None` if they are outdated.
    fn take_groups(
        &mut self,
        groups: &[Arc<Group>],
        read: BeforeRead,
    ) -> Result<Option<Slice>, ReadError> {
        let commits = match groups {
            [group] => group.commits()?,
            groups => {
                let all: Result<Vec<_>, _> = groups.iter().map(|group| group.commits()).collect();
                all?.iter().flat_map(|commits| commits.iter().cloned()).collect()
            }
        };
        let Ok(commits) = self.engine.deletions.without_deleted(commits, read)? else {
            return Ok(None);
        };
        let from = commits.partition_point(|commit| commit.last_position() <= self.at);
        self.advance(Slice::of(commits, from, read)).map(Some)
    }

    /// Takes the next page, which may be read already. Returns `None` if it is empty or outdated.
    async fn take_page(&mut self, now: BeforeRead) -> Result<Option<Slice>, ReadError> {
        if self.reading.is_none() {
            self.reading = Some((now, self.start_reading()));
        }
        let Some((read, reading)) = &mut self.reading else { return Ok(None) };
        let (read, page) = (*read, reading.await);
        self.reading = None;
        let Page { commits, more } = page??;
        let commits = self.engine.deletions.without_deleted(commits.into(), read)?;
        let Some(commits) = commits.ok().filter(|commits| !commits.is_empty()) else {
            return Ok(None);
        };
        let slice = self.advance(Slice::of(commits, 0, read))?;
        if more && !self.following.tail().keeps_after(self.at) {
            // Read while the page before it is processed.
            self.reading = Some((self.engine.deletions.before_read(), self.start_reading()));
        }
        Ok(Some(slice))
    }

    fn start_reading(&self) -> Run<Result<Page, ReadError>> {
        let (store, at) = (self.engine.store.clone(), self.at);
        self.engine.read_pool.run_if_awaited(move || store.reader()?.read_log(at, PAGE))
    }

    /// Advances past the slice, whose first commit must be the next one.
    fn advance(&mut self, slice: Slice) -> Result<Slice, ReadError> {
        let (Some(first), Some(last)) = (slice.first(), slice.last()) else { return Ok(slice) };
        if first.position() != self.at.next() {
            let position = self.at.next();
            let what = format!("the log continues at position {}", first.position());
            return Err(Damage { stream: None, position, what }.into());
        }
        self.at = last.last_position();
        Ok(slice)
    }
}

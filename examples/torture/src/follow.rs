//! The command `follow`: writes while a subscription and views of each kind follow.

use std::future::Future;
use std::sync::Arc;

use actuarius::error::WaitError;
use actuarius::projection::RebuildError;
use actuarius::{Position, Runtime};
use clap::Args;
use fastrand::Rng;
use tokio::task::JoinSet;

use crate::diary::Diary;
use crate::effects::Effects;
use crate::followers::{self, CATCHING_UP, EFFECTS, Followers, RECENT, REPORT, TOTALS};
use crate::load::say;
use crate::operator::{Operator, Poison};
use crate::report::Report;
use crate::write::{self, Stopped, WriteOptions};

/// What to write, and how it is followed.
#[derive(Debug, Clone, Args)]
pub struct FollowOptions {
    /// The commands to write
    #[command(flatten)]
    pub write: WriteOptions,
    /// Rebuild the views each time this many events have been handled [default: never]
    #[arg(long)]
    pub rebuild_every: Option<u64>,
    /// The version of the keyed view, which also reads all older versions
    #[arg(long, default_value_t = 1)]
    pub view_version: u32,
    /// Sync the handler's effects, so that they survive a power cut
    #[arg(long)]
    pub synced_effects: bool,
    /// One in this many events fails until it is repaired, and is parked. From time to time parked events are
    /// repaired and retried, or skipped, and the subscription is reset [default: none]
    #[arg(long, default_value_t = 0)]
    pub park_one_in: u64,
}

/// Writes until all commands are written or a failure occurs, with one follower of each kind. Waits until the
/// followers have reached the end of the log, and closes the store.
///
/// # Errors
/// [`Stopped`].
pub async fn follow(options: &FollowOptions) -> Result<(), Stopped> {
    let runtime = Runtime::open(&options.write.directory).await.map_err(Stopped::NotOpened)?;
    let outcome = match start(&runtime, options).await {
        Ok((followers, operator)) => write_followed(&runtime, &followers, operator, options).await,
        Err(stopped) => Err(stopped),
    };
    write::close(&runtime, outcome).await
}

async fn start(
    runtime: &Runtime,
    options: &FollowOptions,
) -> Result<(Followers, Operator), Stopped> {
    let directory = &options.write.directory;
    let diary = Arc::new(Diary::open(directory, options.synced_effects).map_err(stopped)?);
    let poison = Poison::of(options.park_one_in, options.write.seed);
    let handler = Effects::new(diary.clone(), poison.clone());
    let report = Report::open(directory).map_err(stopped)?;
    let effects = followers::subscribe(runtime, handler).await.map_err(stopped)?;
    let rng = Rng::with_seed(options.write.seed);
    let operator = Operator { effects: effects.clone(), diary, poison, rng };
    let followers = Followers {
        effects,
        recent: followers::keep_recent(runtime, options.view_version).await.map_err(stopped)?,
        totals: followers::keep_totals(runtime).await.map_err(stopped)?,
        report: followers::keep_report(runtime, report).await.map_err(stopped)?,
    };
    Ok((followers, operator))
}

async fn write_followed(
    runtime: &Runtime,
    followers: &Followers,
    operator: Operator,
    options: &FollowOptions,
) -> Result<(), Stopped> {
    let mut tasks = JoinSet::new();
    print_progress(followers, &mut tasks);
    if options.park_one_in > 0 {
        tasks.spawn(operator.run());
    }
    if let Some(events) = options.rebuild_every {
        tasks.spawn(rebuild(followers.clone(), events));
    }
    tokio::select! {
        outcome = write::run_clients(runtime, &options.write) => outcome?,
        // These tasks end only on an error.
        Some(ended) = tasks.join_next() => return ended.unwrap_or_else(|it| Err(stopped(it))),
    }
    followers.wait_for(runtime.head()).await.map_err(stopped)
}

/// Prints the position of each follower whenever it advances.
fn print_progress(followers: &Followers, tasks: &mut JoinSet<Result<(), Stopped>>) {
    let Followers { effects, recent, totals, report } = followers.clone();
    tasks.spawn(async move {
        print_position(
            EFFECTS,
            || effects.position(),
            |it| effects.wait_for_within(it, CATCHING_UP),
        )
        .await
    });
    tasks.spawn(async move {
        print_position(RECENT, || recent.position(), |it| recent.wait_for_within(it, CATCHING_UP))
            .await
    });
    tasks.spawn(async move {
        print_position(TOTALS, || totals.position(), |it| totals.wait_for_within(it, CATCHING_UP))
            .await
    });
    tasks.spawn(async move {
        print_position(REPORT, || report.position(), |it| report.wait_for_within(it, CATCHING_UP))
            .await
    });
}

async fn print_position<Waiting: Future<Output = Result<(), WaitError>>>(
    name: &str,
    position: impl Fn() -> Position,
    wait_for: impl Fn(Position) -> Waiting,
) -> Result<(), Stopped> {
    loop {
        say("AT", &format!("{name} {}", position()))?;
        wait_for(position().next()).await.map_err(stopped)?;
    }
}

/// Rebuilds the views each time this many events have been handled.
async fn rebuild(followers: Followers, events: u64) -> Result<(), Stopped> {
    let Followers { recent, totals, .. } = &followers;
    loop {
        let due = Position::new(recent.position().get() + events);
        recent.wait_for_within(due, CATCHING_UP).await.map_err(stopped)?;
        say("REBUILDING", &RECENT)?;
        finished(recent.rebuild().await)?;
        say("REBUILDING", &TOTALS)?;
        finished(totals.rebuild().await)?;
    }
}

fn finished(rebuilt: Result<(), RebuildError>) -> Result<(), Stopped> {
    match rebuilt {
        // A new version of the view is still being built. The next rebuild may succeed.
        Ok(()) | Err(RebuildError::UnderWay) => Ok(()),
        Err(error) => Err(stopped(error)),
    }
}

fn stopped(error: impl std::fmt::Display) -> Stopped {
    Stopped::Follower(error.to_string())
}

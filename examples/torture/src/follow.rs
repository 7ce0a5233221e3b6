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

/// What to write, and what follows it.
#[derive(Debug, Clone, Args)]
pub struct FollowOptions {
    /// What is written
    #[command(flatten)]
    pub write: WriteOptions,
    /// Every how many events views are built anew [default: never]
    #[arg(long)]
    pub rebuild_every: Option<u64>,
    /// The version of the keyed view; it reads all older ones
    #[arg(long, default_value_t = 1)]
    pub view_version: u32,
    /// Has the handler sync its effects, so that they survive a power cut
    #[arg(long)]
    pub synced_effects: bool,
    /// One in so many events fails until it is mended, so that it is parked; now and then parked
    /// events are mended and retried, or skipped, and the subscription is reset [default: none]
    #[arg(long, default_value_t = 0)]
    pub park_one_in: u64,
}

/// Writes until enough is written or something fails, with one follower of each kind; lets them come
/// to the end of the log, and closes the store.
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
    let dice = Rng::with_seed(options.write.seed);
    let operator = Operator { effects: effects.clone(), diary, poison, dice };
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
    let mut beside = JoinSet::new();
    tell_progress(followers, &mut beside);
    if options.park_one_in > 0 {
        beside.spawn(operator.run());
    }
    if let Some(events) = options.rebuild_every {
        beside.spawn(rebuild(followers.clone(), events));
    }
    tokio::select! {
        outcome = write::run_clients(runtime, &options.write) => outcome?,
        // They go on for ever, unless something is wrong.
        Some(ended) = beside.join_next() => return ended.unwrap_or_else(|it| Err(stopped(it))),
    }
    followers.wait_for(runtime.head()).await.map_err(stopped)
}

/// Has each follower say how far it has come, whenever it has come further.
fn tell_progress(followers: &Followers, beside: &mut JoinSet<Result<(), Stopped>>) {
    let Followers { effects, recent, totals, report } = followers.clone();
    beside.spawn(async move {
        tell(EFFECTS, || effects.position(), |it| effects.wait_for_within(it, CATCHING_UP)).await
    });
    beside.spawn(async move {
        tell(RECENT, || recent.position(), |it| recent.wait_for_within(it, CATCHING_UP)).await
    });
    beside.spawn(async move {
        tell(TOTALS, || totals.position(), |it| totals.wait_for_within(it, CATCHING_UP)).await
    });
    beside.spawn(async move {
        tell(REPORT, || report.position(), |it| report.wait_for_within(it, CATCHING_UP)).await
    });
}

async fn tell<Waiting: Future<Output = Result<(), WaitError>>>(
    name: &str,
    position: impl Fn() -> Position,
    wait_for: impl Fn(Position) -> Waiting,
) -> Result<(), Stopped> {
    loop {
        say("AT", &format!("{name} {}", position()))?;
        wait_for(position().next()).await.map_err(stopped)?;
    }
}

/// Builds the views anew, again and again, each time that many events later.
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
        // A new version of the view is not read yet; another time, then.
        Ok(()) | Err(RebuildError::UnderWay) => Ok(()),
        Err(error) => Err(stopped(error)),
    }
}

fn stopped(error: impl std::fmt::Display) -> Stopped {
    Stopped::Follower(error.to_string())
}

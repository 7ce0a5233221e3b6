//! Every call that may have to wait.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use actuarius::error::{BoxError, ReadError};
use actuarius::operations::{ArchivePart, Reuse};
use actuarius::saga::Effects;
use actuarius::subscription::Start;
use actuarius::{Envelope, Id, Position, Timestamp, Version};
use tokio_stream::StreamExt;

use crate::answer::{Answer, of};
use crate::common::{Bell, Command, Ledger, Sum};
use crate::scene::{ByLedger, COLD, Errand, Scene};

/// Longer than any call takes: a call that reaches it has waited for nobody.
pub(crate) const HANGS: Duration = Duration::from_secs(20);

type Calling<'a> = Pin<Box<dyn Future<Output = Answer> + Send + 'a>>;

/// The name of a call, what it needs, and the call.
type Call = (&'static str, Needs, for<'a> fn(&'a Scene) -> Calling<'a>);

/// What a call needs, which decides what it answers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Needs {
    /// Nothing that can end.
    Nothing,
    /// The store's reader.
    Reader,
    /// An aggregate in memory.
    Aggregate,
    /// An aggregate in memory, and the store's writer.
    Writer,
    /// A follower of the log that runs.
    Follower,
    /// That a follower may start.
    Start,
}

/// The calls, in an order in which none prevents a later one.
pub(crate) const CALLS: &[Call] = &[
    ("execute, warm", Needs::Writer, |it| {
        Box::pin(async { of(it.ledgers.execute("warm", Command::Add(1)).await) })
    }),
    ("execute, cold", Needs::Writer, |it| {
        Box::pin(async { of(it.ledgers.execute(COLD[0], Command::Add(1)).await) })
    }),
    ("execute, new", Needs::Writer, |it| {
        Box::pin(async { of(it.ledgers.execute("new", Command::Add(1)).await) })
    }),
    ("execute, with a value", Needs::Writer, |it| {
        Box::pin(async {
            of(it.ledgers.execute("warm", Command::Add(1)).returning(|it| it.total).await)
        })
    }),
    ("execute, shown by a view", Needs::Writer, |it| {
        Box::pin(async {
            of(it.ledgers.execute("warm", Command::Add(1)).consistent_with(&it.sum).await)
        })
    }),
    ("query, warm", Needs::Aggregate, |it| {
        Box::pin(async { of(it.ledgers.query("warm", |it| it.total).await) })
    }),
    ("query, cold", Needs::Aggregate, |it| {
        Box::pin(async { of(it.ledgers.query(COLD[1], |it| it.total).await) })
    }),
    ("exists", Needs::Reader, |it| Box::pin(async { of(it.ledgers.exists("warm").await) })),
    ("version", Needs::Reader, |it| Box::pin(async { of(it.ledgers.version("warm").await) })),
    ("events", Needs::Reader, |it| {
        Box::pin(async { of(it.ledgers.events("warm", Version::NONE).await) })
    }),
    ("as_of", Needs::Reader, |it| {
        Box::pin(async { of(it.ledgers.as_of("warm", Version::new(1)).await) })
    }),
    ("position_at", Needs::Reader, |it| {
        Box::pin(async {
            match it.runtime.position_at(Timestamp::default()).await {
                Ok(_) => Answer::Fine,
                Err(error) if error.to_string() == ReadError::Closed.to_string() => {
                    Answer::ShutDown
                }
                Err(error) => Answer::Other(error.to_string()),
            }
        })
    }),
    ("passivate", Needs::Nothing, |it| Box::pin(async { of(it.ledgers.passivate(COLD[1])) })),
    ("release", Needs::Nothing, |it| Box::pin(async { of(it.ledgers.release("warm")) })),
    ("delete", Needs::Writer, |it| {
        Box::pin(async { of(it.ledgers.delete(COLD[2], Reuse::Allowed).await) })
    }),
    ("archive", Needs::Reader, |it| {
        Box::pin(async { of(it.ledgers.archive(COLD[3], ArchivePart::Whole).await) })
    }),
    ("backup", Needs::Reader, |it| {
        Box::pin(async { of(it.runtime.backup(it.directory.path().join("backup")).await) })
    }),
    ("health", Needs::Nothing, |it| {
        Box::pin(async {
            let _ = it.runtime.health();
            Answer::Fine
        })
    }),
    ("a row", Needs::Nothing, |it| Box::pin(async { of(it.rows.get("warm")) })),
    ("wait_for what is shown", Needs::Nothing, |it| {
        Box::pin(async { of(it.sum.wait_for(Position::new(1)).await) })
    }),
    ("rebuild", Needs::Follower, |it| Box::pin(async { of(it.sum.rebuild().await) })),
    ("rebuild of rows", Needs::Follower, |it| Box::pin(async { of(it.rows.rebuild().await) })),
    ("pause and resume", Needs::Nothing, |it| {
        Box::pin(async {
            it.sum.pause().await;
            it.sum.resume();
            it.mailer.pause().await;
            it.mailer.resume();
            Answer::Fine
        })
    }),
    ("changes", Needs::Nothing, |it| {
        Box::pin(async {
            let mut changes = it.sum.changes(|sum| sum.0);
            changes.next().await.map_or(Answer::Other("ended".to_owned()), |_| Answer::Fine)
        })
    }),
    ("changes of a row", Needs::Nothing, |it| {
        Box::pin(async {
            let mut changes = it.rows.changes_of("warm");
            changes.next().await.map_or(Answer::Other("ended".to_owned()), of)
        })
    }),
    ("parked", Needs::Nothing, |it| {
        Box::pin(async {
            let _ = (it.mailer.parked().await, it.mailer.parked_of("warm").await);
            Answer::Fine
        })
    }),
    ("retry_parked", Needs::Follower, |it| {
        Box::pin(async { of(it.mailer.retry_parked("warm").await) })
    }),
    ("skip_parked", Needs::Follower, |it| {
        Box::pin(async { of(it.mailer.skip_parked("warm").await) })
    }),
    ("reset", Needs::Follower, |it| Box::pin(async { of(it.mailer.reset(Start::End).await) })),
    ("start a projection", Needs::Start, |it| {
        Box::pin(async { of(it.runtime.projection::<Sum>("late").on::<Ledger>().start().await) })
    }),
    ("start a keyed view", Needs::Start, |it| {
        Box::pin(async { of(it.runtime.keyed::<ByLedger>("later").on::<Ledger>().start().await) })
    }),
    ("start a subscription", Needs::Start, |it| {
        let handler = |_: Envelope<Ledger>| async { Ok::<(), BoxError>(()) };
        Box::pin(async move { of(it.runtime.subscribe("latest").on(handler).start().await) })
    }),
    ("saga, begin", Needs::Writer, |it| {
        Box::pin(async { of(it.errands.begin("second", |_| Effects::none()).await) })
    }),
    ("saga, list and counts", Needs::Nothing, |it| {
        Box::pin(async {
            let _ = (it.errands.list("", 10, |_| true), it.errands.counts(), it.errands.ended());
            Answer::Fine
        })
    }),
    ("saga, status", Needs::Aggregate, |it| {
        Box::pin(async { of(it.errands.status("first").await) })
    }),
    ("saga, history", Needs::Reader, |it| {
        Box::pin(async { of(it.errands.history("first", 0).await) })
    }),
    ("saga, cancel", Needs::Writer, |it| {
        Box::pin(async { of(it.errands.cancel("first", "no longer").await) })
    }),
    ("saga, end_of", Needs::Writer, |it| {
        // It has ended, if it could be cancelled.
        Box::pin(async { of(it.errands.end_of("first").await) })
    }),
    ("saga, run", Needs::Writer, |it| {
        Box::pin(async { of(it.errands.run("third", |_| Effects::complete()).await) })
    }),
    ("schedule", Needs::Writer, |it| {
        let (id, at) = (Id::<Bell>::new("dentist").unwrap(), Timestamp::default());
        Box::pin(async move { of(it.schedules.schedule_as("dentist", &id, (), at).await) })
    }),
    ("schedule, cancel", Needs::Writer, |it| {
        Box::pin(async { of(it.schedules.cancel("dentist").await) })
    }),
    ("caught_up", Needs::Nothing, |it| Box::pin(async { of(it.runtime.caught_up(HANGS).await) })),
    ("forget", Needs::Follower, |it| Box::pin(async { of(it.runtime.forget("alice").await) })),
    ("stop", Needs::Nothing, |it| {
        Box::pin(async {
            it.sum.stop().await;
            it.rows.stop().await;
            it.mailer.stop().await;
            it.errands.stop().await;
            Answer::Fine
        })
    }),
    ("wait_for after the stop", Needs::Nothing, |it| {
        Box::pin(async {
            match of(it.mailer.wait_for_within(Position::new(u64::MAX), HANGS * 2).await) {
                Answer::Stopped => Answer::Fine,
                other => other,
            }
        })
    }),
    ("start a saga again", Needs::Start, |it| {
        Box::pin(async {
            of(it.runtime.saga::<Errand>().reacts_to::<Bell>().sends_nothing().start().await)
        })
    }),
    ("shutdown", Needs::Nothing, |it| {
        Box::pin(async {
            let _ = it.runtime.shutdown(HANGS / 2).await;
            Answer::Fine
        })
    }),
];

/// Makes a call. One that waits for nobody is reported, so that all cells that hang are named at once.
pub(crate) async fn answered(call: impl Future<Output = Answer>) -> Answer {
    let answer = tokio::time::timeout(HANGS, call).await;
    answer.unwrap_or_else(|_| Answer::Other("it hangs".to_owned()))
}

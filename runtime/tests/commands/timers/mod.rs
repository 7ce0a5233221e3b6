//! Timers of aggregates: a command at the time that the state says, durable and once.

mod arming;
mod crashing;
mod deleting;
mod failing;
mod model;
mod repeating;
mod restarting;
mod setting;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actuarius::clock::ManualClock;
use actuarius::health::TimersHealth;
use actuarius::store::fault::{self, Faults};
use actuarius::store::memory::{self, Contents};
use actuarius::timers::TimedHosting;
use actuarius::{
    Aggregate, Aggregates, Context, Hosting, Id, Position, Runtime, Timestamp, Version,
};
use serde::{Deserialize, Serialize};

/// Remembers what it was reminded of.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Reminder {
    idle: Option<i64>,
    bill: Option<i64>,
    answer: Answer,
    /// The name of each timer that came, and the time at which it was decided.
    came: Vec<(String, i64)>,
}

/// What it does when a timer comes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
enum Answer {
    /// It sets the timer no more.
    #[default]
    Clear,
    /// It stores an event, and its state still says the same time.
    Keep,
    /// It sets the timer so much later.
    Again(i64),
    /// It rejects the command.
    Reject,
    /// It accepts the command without an event.
    Nothing,
    Panic,
}

#[derive(Debug, Clone)]
enum Command {
    Idle(Option<i64>),
    Bill(Option<i64>),
    Answer(Answer),
    /// Breaks `apply` after another event.
    Bomb,
    Come(&'static str),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Event {
    IdleAt(Option<i64>),
    BillAt(Option<i64>),
    Answers(Answer),
    Came(String, i64),
    Bomb,
}

#[derive(Debug, thiserror::Error)]
#[error("not now")]
struct NotNow;

impl Aggregate for Reminder {
    const TYPE: &'static str = "reminder";
    type Command = Command;
    type Event = Event;
    type Error = NotNow;

    fn decide(&self, command: Command, context: &Context) -> Result<Vec<Event>, NotNow> {
        Ok(vec![match command {
            Command::Idle(at) => Event::IdleAt(at),
            Command::Bill(at) => Event::BillAt(at),
            Command::Answer(answer) => Event::Answers(answer),
            Command::Bomb => Event::Bomb,
            Command::Come(name) => match self.answer {
                Answer::Reject => return Err(NotNow),
                Answer::Nothing => return Ok(vec![]),
                Answer::Panic => std::panic::resume_unwind(Box::new("no answer")),
                _ => Event::Came(name.to_owned(), context.now().as_micros()),
            },
        }])
    }

    fn apply(&mut self, event: &Event) {
        match event {
            Event::IdleAt(at) => self.idle = *at,
            Event::BillAt(at) => self.bill = *at,
            Event::Answers(answer) => self.answer = *answer,
            Event::Bomb => std::panic::resume_unwind(Box::new("a bomb")),
            Event::Came(name, at) => {
                self.came.push((name.clone(), *at));
                let timer = if name == "idle" { &mut self.idle } else { &mut self.bill };
                match self.answer {
                    Answer::Clear => *timer = None,
                    Answer::Again(later) => *timer = timer.map(|at| at + later),
                    _ => {}
                }
            }
        }
    }
}

/// A runtime with reminders, on a store that fails on demand and with a clock that stands still.
struct Desk {
    runtime: Runtime,
    reminders: Aggregates<Reminder>,
    clock: Arc<ManualClock>,
    faults: Faults,
    /// How many commands timers have made.
    made: Arc<AtomicUsize>,
}

/// Both timers; each command that they make is counted.
fn both(hosting: Hosting, made: &Arc<AtomicUsize>) -> TimedHosting<Reminder> {
    bill(idle(hosting.into(), made), made)
}

fn idle(hosting: TimedHosting<Reminder>, made: &Arc<AtomicUsize>) -> TimedHosting<Reminder> {
    let made = made.clone();
    hosting.timer("idle", |it| it.idle.map(at), move |_| counted(&made, "idle"))
}

fn bill(hosting: TimedHosting<Reminder>, made: &Arc<AtomicUsize>) -> TimedHosting<Reminder> {
    let made = made.clone();
    hosting.timer("bill", |it| it.bill.map(at), move |_| counted(&made, "bill"))
}

fn counted(made: &AtomicUsize, name: &'static str) -> Command {
    made.fetch_add(1, Ordering::SeqCst);
    Command::Come(name)
}

fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

impl Desk {
    async fn new() -> Self {
        Self::on(&Arc::default(), 0).await
    }

    /// Opens the store at a time.
    async fn on(contents: &Arc<Contents>, micros: i64) -> Self {
        Self::with(contents, micros, |made| both(Hosting::default(), made)).await
    }

    async fn with(
        contents: &Arc<Contents>,
        micros: i64,
        hosting: impl FnOnce(&Arc<AtomicUsize>) -> TimedHosting<Reminder>,
    ) -> Self {
        let (store, faults) = fault::over(memory::reopen(contents));
        let clock = Arc::new(ManualClock::at(at(micros)));
        let runtime = Runtime::builder().clock(clock.clone()).on_store(store).await.unwrap();
        let made = Arc::default();
        let reminders = runtime.host_with(hosting(&made));
        let desk = Self { runtime, reminders, clock, faults, made };
        // A request waits until the timers are read.
        until(async || desk.reminders.query("nobody", |_| ()).await.is_ok()).await;
        desk
    }

    async fn send(&self, id: &str, command: Command) {
        self.reminders.execute(id, command).await.unwrap();
    }

    async fn came(&self, id: &str) -> Vec<(String, i64)> {
        self.reminders.query(id, |it| it.came.clone()).await.unwrap()
    }

    fn health(&self) -> TimersHealth {
        self.runtime.health().timers.remove(0)
    }

    fn set(&self, micros: i64) {
        self.clock.set(at(micros));
    }

    /// Sets the clock, and waits until so many timers are armed, and none that is due. The aggregate `last`, which
    /// nothing else uses, has a timer for that.
    async fn pass(&self, micros: i64, armed: usize) {
        let before = self.came("last").await.len();
        self.send("last", Command::Idle(Some(micros))).await;
        self.set(micros);
        until(async || self.came("last").await.len() > before).await;
        until(async || self.health().armed == armed).await;
    }

    /// Waits until so many timers are armed.
    async fn settle(&self, armed: usize) {
        until(async || self.health().armed == armed && self.health().failing == 0).await;
    }

    /// How many commands timers have made for other aggregates than `last`.
    async fn made(&self) -> usize {
        self.made.load(Ordering::SeqCst) - self.came("last").await.len()
    }

    /// Drops everything, as if the process was killed, and waits until no task can write any more.
    async fn kill(self, contents: &Arc<Contents>) {
        self.faults.fail_commit(1, fault::Failure::Unwritten);
        self.leave(contents).await;
    }

    async fn leave(self, contents: &Arc<Contents>) {
        drop(self);
        until(async || Arc::strong_count(contents) == 1).await;
    }

    async fn shut_down(self, contents: &Arc<Contents>) {
        assert!(self.runtime.shutdown(LONG).await.is_clean());
        self.leave(contents).await;
    }
}

const LONG: Duration = Duration::from_secs(60);

/// Waits until a fact is true, for a minute at most.
async fn until(mut fact: impl AsyncFnMut() -> bool) {
    let polled = async {
        while !fact().await {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(LONG, polled).await.expect("true within a minute");
}

/// The keys of the notes of all timers.
fn notes(contents: &Arc<Contents>) -> Vec<String> {
    let found = memory::reopen(contents).reader.notes(b"timers/", None, 1_000).unwrap();
    found.iter().map(|note| String::from_utf8(note.key.to_vec()).unwrap()).collect()
}

fn came<const N: usize>(all: [(&str, i64); N]) -> Vec<(String, i64)> {
    all.map(|(name, at)| (name.to_owned(), at)).to_vec()
}

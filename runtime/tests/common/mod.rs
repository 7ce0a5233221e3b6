//! The aggregate that most tests use, and helpers to send commands and to wait.
#![allow(dead_code, missing_docs, unreachable_pub)] // each binary uses a part of it

pub mod packed;

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use actuarius::projection::Projection;
use actuarius::store::fault::{self, Faults};
use actuarius::store::memory::{self, Contents};
use actuarius::{Aggregate, Context, Envelope, Runtime};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Ledger {
    pub total: i64,
    pub entries: Vec<i64>,
}

#[derive(Debug, Clone)]
pub enum Command {
    Add(i64),
    AddAll(Vec<i64>),
    Nothing,
    Refuse,
    PanicInDecide,
    PanicInApply,
    Blob(usize),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Event {
    Added(i64),
    Bomb,
    Blob(Vec<u8>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused;

impl std::fmt::Display for Refused {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "refused")
    }
}

impl std::error::Error for Refused {}

impl Aggregate for Ledger {
    const TYPE: &'static str = "ledger";
    type Command = Command;
    type Event = Event;
    type Error = Refused;

    fn decide(&self, command: Command, _: &Context) -> Result<Vec<Event>, Refused> {
        Ok(match command {
            Command::Add(amount) => vec![Event::Added(amount)],
            Command::AddAll(amounts) => amounts.into_iter().map(Event::Added).collect(),
            Command::Nothing => vec![],
            Command::Refuse => return Err(Refused),
            // Unwinding without the hook: the panic is expected, its report would only be noise.
            Command::PanicInDecide => std::panic::resume_unwind(Box::new("decide went wrong")),
            Command::PanicInApply => vec![Event::Bomb],
            Command::Blob(bytes) => vec![Event::Blob(vec![7; bytes])],
        })
    }

    fn apply(&mut self, event: &Event) {
        match event {
            Event::Added(amount) => {
                self.total += amount;
                self.entries.push(*amount);
            }
            Event::Bomb => std::panic::resume_unwind(Box::new("apply went wrong")),
            Event::Blob(_) => self.total += 1,
        }
    }
}

/// A second aggregate type, with one kind of event.
#[derive(Default, Serialize, Deserialize)]
pub struct Bell;

#[derive(Serialize, Deserialize)]
pub enum Rung {
    Rung,
}

impl Aggregate for Bell {
    const TYPE: &'static str = "bell";
    type Command = ();
    type Event = Rung;
    type Error = std::convert::Infallible;

    fn decide(&self, (): (), _: &Context) -> Result<Vec<Rung>, Self::Error> {
        Ok(vec![Rung::Rung])
    }

    fn apply(&mut self, _: &Rung) {}
}

/// The sum of all added amounts.
#[derive(Default, Serialize, Deserialize)]
pub struct Sum(pub i64);

impl Projection<Ledger> for Sum {
    fn project(&mut self, envelope: &Envelope<Ledger>) {
        if let Event::Added(amount) = envelope.event {
            self.0 += amount;
        }
    }
}

/// Sends a request now, so that its place in the order is known, and returns a future of its
/// answer.
pub fn send<F>(request: F) -> Sent<F::IntoFuture>
where
    F: IntoFuture,
    F::IntoFuture: Unpin,
{
    let mut sent = Sent { future: request.into_future(), answer: None };
    is_waiting(&mut sent);
    sent
}

pub struct Sent<F: Future> {
    future: F,
    answer: Option<F::Output>,
}

/// Returns whether there is no answer yet.
pub fn is_waiting<F: Future + Unpin>(sent: &mut Sent<F>) -> bool {
    if sent.answer.is_none() {
        let waker = std::task::Waker::noop();
        let mut context = std::task::Context::from_waker(waker);
        if let Poll::Ready(answer) = Pin::new(&mut sent.future).poll(&mut context) {
            sent.answer = Some(answer);
        }
    }
    sent.answer.is_none()
}

impl<F: Future + Unpin> Future for Sent<F>
where
    F::Output: Unpin,
{
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut std::task::Context<'_>) -> Poll<F::Output> {
        match self.answer.take() {
            Some(answer) => Poll::Ready(answer),
            None => Pin::new(&mut self.future).poll(context),
        }
    }
}

/// Runs all futures concurrently, each as a task of its own.
pub async fn join_all<F>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    let tasks: Vec<_> = futures.into_iter().map(tokio::spawn).collect();
    let mut outputs = Vec::new();
    for task in tasks {
        outputs.push(task.await.expect("no client panics"));
    }
    outputs
}

pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.expect("the work does not panic")
}

/// Waits until a commit waits in a store that is held.
pub async fn until_held(hold: actuarius::store::fault::Hold) -> actuarius::store::fault::Hold {
    blocking(move || {
        hold.wait_until_held();
        hold
    })
    .await
}

/// Waits until `fact` is true. There is no timeout: a fact that never becomes true hangs the test,
/// which the test runner reports.
pub async fn eventually(fact: impl Fn() -> bool) {
    while !fact() {
        tokio::task::yield_now().await;
    }
}

/// Opens a runtime on contents that outlive it, with a store that fails on demand.
pub async fn open_on(contents: &Arc<Contents>) -> (Runtime, Faults) {
    let (store, faults) = fault::over(memory::reopen(contents));
    (Runtime::builder().on_store(store).await.unwrap(), faults)
}

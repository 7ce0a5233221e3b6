//! Reading one's own writes: an answer that waits until views show what it answers for.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use actuarius_domain::{Aggregate, Position};

use crate::error::{ExecuteError, Failure};
use crate::followers::{Standing, WaitError};
use crate::request::{Answer, Port, ValuePort};

/// The views an answer waits for.
#[derive(Default)]
pub(crate) struct Views {
    standings: Vec<Arc<Standing>>,
    position: Noted,
}

/// The position of a receipt, once there is one: the answer itself may be a value without it.
type Noted = Arc<AtomicU64>;

impl Views {
    /// Notes the position of the answer that goes through the port.
    pub(crate) fn noting<A: Aggregate>(&self, port: Port<A>) -> Port<A> {
        Port::Value(Box::new(NotingPort { port, position: self.position.clone() }))
    }

    pub(crate) fn add(&mut self, standing: Arc<Standing>) {
        self.standings.push(standing);
    }
}

/// Hands everything on, and notes the position of the receipt.
struct NotingPort<A: Aggregate> {
    port: Port<A>,
    position: Noted,
}

impl<A: Aggregate> ValuePort<A> for NotingPort<A> {
    fn is_abandoned(&self) -> bool {
        self.port.is_abandoned()
    }

    fn look(&mut self, state: &A) {
        self.port.look(state);
    }

    fn answer(self: Box<Self>, answer: Answer<A>) {
        if let Ok(receipt) = &answer {
            self.position.store(receipt.position.get(), Ordering::Release);
        }
        self.port.answer(answer);
    }
}

/// An answer on its way through the views that are to show it first.
pub(crate) struct Showing<R> {
    views: Views,
    within: Duration,
    since: Instant,
    held: Option<(R, Waiting)>,
}

type Waiting = Pin<Box<dyn Future<Output = Result<(), WaitError>> + Send>>;

impl<R> Showing<R> {
    pub(crate) fn new(views: Views, within: Duration) -> Self {
        Self { views, within, since: Instant::now(), held: None }
    }

    /// Whether the answer is here, and only the views are waited for.
    pub(crate) fn has_answer(&self) -> bool {
        self.held.is_some()
    }

    pub(crate) fn hold(&mut self, answer: R) {
        let position = Position::new(self.views.position.load(Ordering::Acquire));
        let within = self.within.saturating_sub(self.since.elapsed());
        let standings = std::mem::take(&mut self.views.standings);
        let waiting = Box::pin(async move {
            let until = Instant::now() + within;
            for standing in standings {
                let rest = until.saturating_duration_since(Instant::now());
                standing.wait_for(position, rest).await?;
            }
            Ok(())
        });
        self.held = Some((answer, waiting));
    }

    pub(crate) fn poll<E>(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<R, ExecuteError<E>>> {
        let Some((_, waiting)) = &mut self.held else {
            return Poll::Ready(Err(Failure::vanished().into()));
        };
        let shown = ready!(waiting.as_mut().poll(context));
        let answer = self.held.take().map(|(answer, _)| answer);
        let position = Position::new(self.views.position.load(Ordering::Acquire));
        Poll::Ready(match (shown, answer) {
            (Ok(()), Some(answer)) => Ok(answer),
            (Err(why), _) => Err(Failure::NotShown { position, why }.into()),
            (Ok(()), None) => Err(Failure::vanished().into()),
        })
    }
}

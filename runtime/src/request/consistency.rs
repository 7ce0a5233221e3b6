//! Reading one's own writes: an answer that waits until views show what it answers for.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actuarius_domain::{Aggregate, Position};

use crate::aggregate::request::{Answer, Port, ValuePort};
use crate::base::deadline::Deadline;
use crate::base::error::{ExecuteError, Failure};
use crate::follow::followers::{FollowerShared, WaitError};

/// The views an answer waits for.
#[derive(Default)]
pub(crate) struct Views {
    standings: Vec<Arc<FollowerShared>>,
    position: Noted,
}

/// The position of a receipt, once there is one: the answer itself may be a value without it.
type Noted = Arc<AtomicU64>;

impl Views {
    /// Notes the position of the answer that goes through the port.
    pub(crate) fn noting<A: Aggregate>(&self, port: Port<A>) -> Port<A> {
        Port::Value(Box::new(NotingPort { port, position: self.position.clone() }))
    }

    pub(crate) fn add(&mut self, shared: Arc<FollowerShared>) {
        self.standings.push(shared);
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
    /// None before it is polled: nothing is on its way before.
    until: Option<Deadline>,
    held: Option<(R, Waiting)>,
}

type Waiting = Pin<Box<dyn Future<Output = Result<(), WaitError>> + Send>>;

impl<R> Showing<R> {
    pub(crate) fn new(views: Views, within: Duration) -> Self {
        Self { views, within, until: None, held: None }
    }

    /// The time runs from the first call on.
    pub(crate) fn begin(&mut self) -> Deadline {
        *self.until.get_or_insert_with(|| Deadline::within(self.within))
    }

    /// Whether the answer is here, and only the views are waited for.
    pub(crate) fn has_answer(&self) -> bool {
        self.held.is_some()
    }

    pub(crate) fn hold(&mut self, answer: R) {
        let position = Position::new(self.views.position.load(Ordering::Acquire));
        let until = self.begin();
        let standings = std::mem::take(&mut self.views.standings);
        let waiting = Box::pin(async move {
            for shared in standings {
                shared.wait_for(position, until.rest()).await?;
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

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::task::Waker;

    use super::*;
    use crate::commit::tail::Tail;
    use crate::follow::followers::{FollowerKind, Followers};

    /// An answer at position 7 that waits two seconds for a view.
    fn showing() -> (Arc<FollowerShared>, Showing<&'static str>) {
        let followers = Arc::new(Followers::of(&Tail::at(Position::NONE)));
        let shared = followers.register("view", FollowerKind::Projection).unwrap().keep();
        let mut views = Views::default();
        views.add(shared.clone());
        views.position.store(7, Ordering::Release);
        (shared, Showing::new(views, Duration::from_secs(2)))
    }

    fn poll(showing: &mut Showing<&'static str>) -> Poll<Result<&'static str, String>> {
        let shown = showing.poll::<Infallible>(&mut Context::from_waker(Waker::noop()));
        shown.map_err(|error| error.to_string())
    }

    /// It ran from the moment at which the command became a future: who kept that for a while, to
    /// send it later, was told at once that the view was late.
    #[tokio::test(start_paused = true)]
    async fn the_time_runs_from_the_first_poll_on() {
        let (shared, mut showing) = showing();
        tokio::time::advance(Duration::from_secs(60)).await;
        showing.begin();
        showing.hold("done");
        assert_eq!(poll(&mut showing), Poll::Pending);
        shared.progress.reached(Position::new(7));
        assert_eq!(poll(&mut showing), Poll::Ready(Ok("done")));
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_for_the_answer_takes_from_the_same_time() {
        let (_standing, mut showing) = showing();
        showing.begin();
        tokio::time::advance(Duration::from_secs(2)).await;
        showing.hold("done");
        let Poll::Ready(Err(why)) = poll(&mut showing) else { panic!("its time is over") };
        assert!(why.contains("did not reach 7 in time"), "{why}");
    }
}

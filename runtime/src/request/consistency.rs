//! Reading one's own writes: a reply that waits until projections show the command's events.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actuarius_domain::{Aggregate, Position};

use crate::aggregate::request::{CommandReply, Port, ValuePort};
use crate::base::deadline::Deadline;
use crate::base::error::{ExecuteError, Failure};
use crate::follow::followers::{FollowerShared, WaitError};

/// How long a reply waits for its projections, unless the request sets a timeout.
pub(crate) const VIEW_WAIT_MAX: Duration = Duration::from_secs(5);

/// The projections that a reply waits for.
#[derive(Default)]
pub(crate) struct AwaitedViews {
    followers: Vec<Arc<FollowerShared>>,
    position: SharedPosition,
}

/// The position of the receipt, once there is one: the reply itself may be a value without it.
type SharedPosition = Arc<AtomicU64>;

impl AwaitedViews {
    /// Wraps a port so that the position of its reply is recorded.
    pub(crate) fn recording_position<A: Aggregate>(&self, port: Port<A>) -> Port<A> {
        Port::Value(Box::new(PositionPort { port, position: self.position.clone() }))
    }

    pub(crate) fn add(&mut self, shared: Arc<FollowerShared>) {
        self.followers.push(shared);
    }
}

/// Forwards everything, and records the position of the receipt.
struct PositionPort<A: Aggregate> {
    port: Port<A>,
    position: SharedPosition,
}

impl<A: Aggregate> ValuePort<A> for PositionPort<A> {
    fn is_abandoned(&self) -> bool {
        self.port.is_abandoned()
    }

    fn read(&mut self, state: &A) {
        self.port.read(state);
    }

    fn answer(self: Box<Self>, answer: CommandReply<A>) {
        if let Ok(receipt) = &answer {
            self.position.store(receipt.position.get(), Ordering::Release);
        }
        self.port.answer(answer);
    }
}

/// A reply that waits for the projections.
pub(crate) struct ViewWait<R> {
    views: AwaitedViews,
    within: Duration,
    /// `None` before the first poll, because nothing is sent before it.
    until: Option<Deadline>,
    held: Option<(R, Waiting)>,
}

type Waiting = Pin<Box<dyn Future<Output = Result<(), WaitError>> + Send>>;

impl<R> ViewWait<R> {
    pub(crate) fn new(views: AwaitedViews, within: Duration) -> Self {
        Self { views, within, until: None, held: None }
    }

    /// Starts the time at the first call, and returns when it is over.
    pub(crate) fn begin(&mut self) -> Deadline {
        *self.until.get_or_insert_with(|| Deadline::within(self.within))
    }

    /// Returns whether the reply has arrived, so that only the projections are awaited.
    pub(crate) fn has_reply(&self) -> bool {
        self.held.is_some()
    }

    pub(crate) fn hold(&mut self, reply: R) {
        let position = Position::new(self.views.position.load(Ordering::Acquire));
        let until = self.begin();
        let followers = std::mem::take(&mut self.views.followers);
        let waiting = Box::pin(async move {
            for shared in followers {
                shared.wait_for_within(position, until.remaining()).await?;
            }
            Ok(())
        });
        self.held = Some((reply, waiting));
    }

    pub(crate) fn poll<E>(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<R, ExecuteError<E>>> {
        let Some((_, waiting)) = &mut self.held else {
            return Poll::Ready(Err(Failure::reply_lost().into()));
        };
        let shown = ready!(waiting.as_mut().poll(context));
        let reply = self.held.take().map(|(reply, _)| reply);
        let position = Position::new(self.views.position.load(Ordering::Acquire));
        Poll::Ready(match (shown, reply) {
            (Ok(()), Some(reply)) => Ok(reply),
            (Err(why), _) => Err(Failure::NotShown { position, why }.into()),
            (Ok(()), None) => Err(Failure::reply_lost().into()),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::task::Waker;

    use super::*;
    use crate::base::timer::Timer;
    use crate::commit::tail::Tail;
    use crate::follow::followers::{FollowerKind, Followers};

    /// A reply at position 7 that waits so long for a projection.
    fn view_wait(within: Duration) -> (Arc<FollowerShared>, ViewWait<&'static str>) {
        let timer = Timer::start().unwrap();
        let followers = Arc::new(Followers::of(&Tail::at(Position::NONE), &timer));
        let shared = followers.register("view", FollowerKind::Projection).unwrap().keep();
        let mut views = AwaitedViews::default();
        views.add(shared.clone());
        views.position.store(7, Ordering::Release);
        (shared, ViewWait::new(views, within))
    }

    fn poll(view_wait: &mut ViewWait<&'static str>) -> Poll<Result<&'static str, String>> {
        let shown = view_wait.poll::<Infallible>(&mut Context::from_waker(Waker::noop()));
        shown.map_err(|error| error.to_string())
    }

    /// The time once ran from the creation of the future, so that a caller that polled it later got a
    /// timeout at once.
    #[test]
    fn the_time_starts_at_the_first_poll() {
        let (shared, mut view_wait) = view_wait(Duration::from_secs(600));
        assert!(view_wait.until.is_none());
        view_wait.begin();
        view_wait.hold("done");
        assert_eq!(poll(&mut view_wait), Poll::Pending);
        shared.progress.reached(Position::new(7));
        assert_eq!(poll(&mut view_wait), Poll::Ready(Ok("done")));
    }

    #[test]
    fn waiting_for_the_reply_uses_the_same_time() {
        let (_follower, mut view_wait) = view_wait(Duration::from_millis(1));
        let until = view_wait.begin();
        while !until.is_over() {
            std::thread::yield_now();
        }
        view_wait.hold("done");
        let Poll::Ready(Err(why)) = poll(&mut view_wait) else { panic!("its time is over") };
        assert!(why.contains("did not reach 7 in time"), "{why}");
    }
}

//! [`Folding`]: how many views fold events at the same moment, so that commands keep processors.

use std::future::Future;
use std::time::Duration;

use tokio::pin;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{sleep, timeout};

/// How long a view waits for a place. Then it folds without one, because what occupies the places may wait for
/// something itself, even for this view.
const PATIENCE: Duration = Duration::from_millis(50);

/// How long a fold occupies a place. One that takes longer probably waits for a disk or for another service, and uses no
/// processor meanwhile.
const HELD_MAX: Duration = Duration::from_millis(10);

/// The places of views that fold events. They are given in the order in which they are asked for.
pub(crate) struct Folding {
    places: Semaphore,
}

/// A place, or none if it was waited for too long.
pub(crate) struct Place<'a>(Option<SemaphorePermit<'a>>);

impl Folding {
    pub(crate) fn at_once(folds: usize) -> Self {
        Self { places: Semaphore::new(folds.min(Semaphore::MAX_PERMITS)) }
    }

    /// Waits for a place. May be dropped at any time.
    pub(crate) async fn place(&self) -> Place<'_> {
        let place = match self.places.try_acquire() {
            Ok(place) => Some(place),
            Err(_) => timeout(PATIENCE, self.places.acquire()).await.ok().and_then(Result::ok),
        };
        Place(place)
    }
}

impl Place<'_> {
    /// Folds without a place.
    pub(crate) fn none() -> Self {
        Self(None)
    }

    /// Occupies the place while the work runs, but not for long.
    pub(crate) async fn during<F: Future>(self, work: F) -> F::Output {
        pin!(work);
        tokio::select! {
            biased;
            done = &mut work => return done,
            () = sleep(HELD_MAX), if self.0.is_some() => {}
        }
        drop(self);
        work.await
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    /// A view whose database did not answer would stop all others.
    #[tokio::test(start_paused = true)]
    async fn a_fold_that_waits_gives_its_place_to_others() {
        let folding = Folding::at_once(1);
        let place = folding.place().await;
        let waiting = place.during(pending::<()>());
        pin!(waiting);
        tokio::select! {
            biased;
            () = &mut waiting => unreachable!("it never ends"),
            place = folding.place() => assert!(place.0.is_some()),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_view_waits_without_end_for_a_place() {
        let folding = Folding::at_once(1);
        let _occupied = folding.place().await;
        assert!(folding.place().await.0.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_views_than_allowed_have_a_place() {
        let folding = Folding::at_once(2);
        let (first, second) = (folding.place().await, folding.place().await);
        assert!(first.0.is_some() && second.0.is_some());
        assert!(folding.place().await.0.is_none());
        assert_eq!(first.during(ready(7)).await, 7);
        assert!(folding.place().await.0.is_some());
    }
}

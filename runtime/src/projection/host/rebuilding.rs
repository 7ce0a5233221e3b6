use actuarius_domain::Position;

use super::{EndOfRebuild, Host};
use crate::projection::rebuild::{Order, RebuildError, catch_up};
use crate::projection::target::{Failed, Target};
use crate::projection::track::Track;

impl<T: Target> Host<T> {
    /// Whoever waits for one hears that it was stopped, because the other end is dropped.
    pub(super) async fn end_rebuilds(&mut self) {
        self.orders.close();
        while self.orders.recv().await.is_some() {}
        // One ends with the slice it is taking, so that its files are closed by then.
        while self.rebuilding.join_next().await.is_some() {}
        self.taking_over = None;
    }

    pub(super) async fn begin_rebuild(&mut self, order: Order<T>) {
        let Order { beside, progress, end } = order;
        if !self.rebuilding.is_empty() || self.serve_from.is_some() {
            let _ = end.send(Err(RebuildError::UnderWay));
            return;
        }
        let source = self.source.clone();
        let fresh = match beside {
            Some(target) => Ok(target),
            None => tokio::task::spawn_blocking(move || source.fresh())
                .await
                .unwrap_or_else(|panic| Err(Failed::at(Position::NONE, panic))),
        };
        match fresh {
            Ok(target) => {
                let track = Track::of(&self.engine, target);
                let retry = self.retry.clone();
                let wanted = self.standing.wanted();
                self.rebuilding
                    .spawn(async move { (catch_up(track, progress, retry, wanted).await, end) });
            }
            Err(Failed { position, why }) => {
                let _ = end.send(Err(RebuildError::Failed { position, why }));
            }
        }
    }

    /// The new view goes on; it is read as soon as it shows all that the old one did.
    pub(super) fn take_over(&mut self, track: Track<T>, end: EndOfRebuild) {
        let shown = self.standing.progress.position();
        self.serve_from = Some(shown.max(self.serve_from.unwrap_or(shown)));
        self.track = Some(track);
        self.taking_over = Some(end);
        self.begin_again();
    }
}

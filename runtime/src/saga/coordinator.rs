//! The actor of a saga: it lets deadlines come, and takes up what nobody is at work on, after a start or
//! when it was left.

use std::collections::HashSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actuarius_domain::{Id, Saga};
use tokio::time::{Instant, sleep, sleep_until};

use super::dispatch::{Place, not_taken};
use super::host::{Host, TraceIds, command_id};
use super::instance::{Instance, Kind};
use super::stage::Stage;
use super::stored::{At, EffectId};
use crate::follow::followers::{DesiredState, Runs};
use crate::subscription::ParkedError;

/// How often the clock is looked at, because it may be set while we wait.
const LOOKS_AT_CLOCK_EVERY: Duration = Duration::from_secs(1);

/// How often it is looked for commands that nobody carries out: those that could not be carried out
/// before are tried once each time.
const TAKES_UP_EVERY: Duration = Duration::from_secs(10);

/// How long, and how often, it is waited for a step that is being taken. What is left even then is taken up
/// the next time.
const TAKES_UP_AGAIN_AFTER: Duration = Duration::from_millis(10);
const TAKES_UP_TRIES: u32 = 100;

/// How many are taken from the board together.
const AT_ONCE: usize = 1_024;

pub(super) struct Coordinator<S: Saga> {
    host: Arc<Host<S>>,
    /// Deadlines that have come, and that the board may still show.
    coming: Coming,
    /// Held while what was left is taken up.
    alone: Arc<tokio::sync::Mutex<()>>,
}

type Coming = Arc<Mutex<HashSet<(Arc<str>, EffectId)>>>;

impl<S: Saga> Coordinator<S> {
    pub(super) fn of(host: Arc<Host<S>>) -> Self {
        Self { host, coming: Coming::default(), alone: Arc::default() }
    }

    async fn conduct(&mut self) {
        let mut wanted = self.host.shared.wanted();
        let mut take_up_at = Instant::now();
        while wanted.borrow_and_update().0 != DesiredState::Stop {
            tokio::select! {
                biased;
                _ = wanted.changed() => {}
                () = self.go_on(&mut take_up_at) => {}
            }
        }
        self.host.busy.close();
        self.host.coming.close();
        self.host.tasks.end().await;
        self.host.give_up_waiting();
        self.host.tell();
    }

    /// Does what there is to do now, then waits until there may be more. May be dropped at any time.
    async fn go_on(&self, take_up_at: &mut Instant) {
        let host = &self.host;
        let mut shown = host.index.shared.progress.changes();
        let position = *shown.borrow_and_update();
        host.shared.reached(position);
        host.tell();
        let moved = host.engine.clock.moved();
        if *take_up_at <= Instant::now() {
            self.take_up_beside();
            *take_up_at = Instant::now() + TAKES_UP_EVERY;
        }
        if self.let_come().await {
            return;
        }
        tokio::select! {
            () = moved => {}
            _ = shown.changed() => {}
            () = sleep(self.until_next_due()) => {}
            () = sleep_until(*take_up_at) => {}
        }
    }
    /// Starts the deadlines that have come, and says whether there were any.
    async fn let_come(&self) -> bool {
        let (host, now) = (&self.host, self.host.engine.clock.now());
        let due: Vec<(Arc<str>, EffectId)> = host.index.read(|index| {
            let coming = coming(&self.coming);
            let due = index.due(now).map(|(id, deadline)| (Arc::from(id), deadline));
            due.filter(|due| !coming.contains(due)).take(AT_ONCE).collect()
        });
        let has_any = !due.is_empty();
        for due in due {
            let place = host.coming.clone().acquire_owned().await;
            let Ok(place) = place.map(Arc::new) else { return false };
            coming(&self.coming).insert(due.clone());
            let (host, all) = (host.clone(), self.coming.clone());
            self.host.tasks.spawn(async move {
                host.come_due(&due, &place).await;
                coming(&all).remove(&due);
            });
        }
        has_any
    }

    fn until_next_due(&self) -> Duration {
        let now = self.host.engine.clock.now();
        let next = self.host.index.read(|index| index.next_due(now));
        let wait = next.map(|at| at.as_micros().saturating_sub(now.as_micros()).max(0) as u64);
        wait.map_or(LOOKS_AT_CLOCK_EVERY, |wait| {
            Duration::from_micros(wait).min(LOOKS_AT_CLOCK_EVERY)
        })
    }

    /// Takes up what nobody is at work on, beside the deadlines, which may be what frees places for it.
    fn take_up_beside(&self) {
        let Ok(alone) = self.alone.clone().try_lock_owned() else { return };
        let host = self.host.clone();
        self.host.tasks.spawn(async move {
            host.forget_who_gave_up();
            host.take_up_all().await;
            host.hand_over_all().await;
            drop(alone);
        });
    }
}

impl<S: Saga> Host<S> {
    /// Takes up the commands that nobody is at work on.
    async fn take_up_all(self: &Arc<Self>) {
        let host = self;
        let mut after = String::new();
        loop {
            let page: Vec<_> = host.index.read(|index| {
                let open = index.open_behind(&after).take(AT_ONCE);
                open.map(|(id, open)| (id.to_owned(), open)).collect()
            });
            let Some((last, _)) = page.last() else { return };
            after.clone_from(last);
            for (id, open) in page {
                if host.claims.of(&id) as u64 >= open {
                    continue;
                }
                // A stored id was valid when it was stored.
                let (Some(place), Ok(id)) = (host.place().await, Id::new(id)) else { return };
                let host = host.clone();
                self.tasks.spawn(async move { host.take_up(&id, &place).await });
            }
        }
    }

    /// Hands over the events that are parked although their instance takes events: somebody has helped
    /// it, and then the power failed.
    pub(super) async fn hand_over_all(self: &Arc<Self>) {
        let Some(events) = self.events.get() else { return };
        for parked in events.parked().await {
            let Ok(id) = Id::new(&*parked.key) else { continue };
            let takes = |it: &Instance<S>| {
                it.instance_state.steps > 0 && it.instance_state.trouble.is_none()
            };
            if self.look(&id, takes).await.is_ok_and(|takes| takes) {
                let host = self.clone();
                self.tasks.spawn(async move { host.hand_over(&id).await });
            }
        }
    }

    /// Takes up what an instance waits for and nobody is at work on.
    pub(super) async fn take_up(self: &Arc<Self>, id: &Id<Instance<S>>, place: &Place) {
        for _ in 0..TAKES_UP_TRIES {
            let was_stepping = self.claims.is_stepping(id.as_str());
            match self.look(id, |instance| instance.instance_state.open.clone()).await {
                Ok(open) => self.resume(id, open, place),
                Err(error) => {
                    tracing::warn!(target: "actuarius::saga", saga = S::TYPE, %id, %error, "not taken up");
                    return;
                }
            }
            if !was_stepping && !self.claims.is_stepping(id.as_str()) {
                return;
            }
            // Who takes a step has the first right, and mostly does not want what was left.
            sleep(TAKES_UP_AGAIN_AFTER).await;
        }
    }

    /// Hands over the events that wait for an instance.
    pub(super) async fn hand_over(&self, id: &Id<Instance<S>>) {
        let Some(events) = self.events.get() else { return };
        match events.retry_parked(id.as_str()).await {
            Ok(_) | Err(ParkedError::NotParked { .. } | ParkedError::UnderWay { .. }) => {}
            Err(error) => {
                tracing::warn!(target: "actuarius::saga", saga = S::TYPE, %id, %error, "not handed over");
            }
        }
    }

    /// Has an instance hear of a deadline; returns when the board shows what became of it.
    async fn come_due(self: &Arc<Self>, (id, deadline): &(Arc<str>, EffectId), place: &Place) {
        // A stored id was valid when it was stored.
        let Ok(id) = Id::new(id.clone()) else { return };
        self.stages.reached(Stage::Due, id.as_str());
        for attempts in 1.. {
            let cause = TraceIds::of(&id).because_of(command_id(&id, *deadline));
            let cause = match self.step(&id, Kind::Due(*deadline), cause).await {
                Ok(Some(outcome)) => {
                    self.dispatch_step(&id, outcome, place);
                    break;
                }
                Ok(None) => break,
                Err(error) => not_taken(error),
            };
            match (cause, self.retry.wait_after(attempts)) {
                (None, _) => break,
                (Some(_), Some(wait)) => sleep(wait).await,
                (Some(cause), None) => {
                    self.give_up(&id, At::Deadline(*deadline), cause, Vec::new()).await;
                    break;
                }
            }
        }
        self.index.shared.progress.wait_for(self.engine.tail.head()).await;
    }
}

fn coming(coming: &Coming) -> MutexGuard<'_, HashSet<(Arc<str>, EffectId)>> {
    coming.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<S: Saga> Runs for Coordinator<S> {
    fn run(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.conduct())
    }
}

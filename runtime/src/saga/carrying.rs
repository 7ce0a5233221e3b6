//! Carrying out what is durable: each command once, however often it takes, and its answer back into the
//! instance.

use std::sync::Arc;

use actuarius_domain::{CommandId, Id, Saga};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::sleep;

use super::at_work::Mine;
use super::book::Open;
use super::draft::Refused;
use super::host::{Host, News, StepError, Story, command_id};
use super::instance::{Instance, Kind};
use super::stage::Stage;
use super::stored::{At, Trouble};
use super::targets::{Carried, Target};
use crate::error::Place as Code;
use crate::error::{ExecuteError, Failure, Unavailable};

/// A place among the busy instances, shared by all that is done for one.
pub(super) type Place = Arc<OwnedSemaphorePermit>;

/// A command to be carried out, and the right to do so.
struct Errand {
    open: Open,
    command: CommandId,
    story: Story,
    /// It may have been carried out before.
    is_doubtful: bool,
    _mine: Mine,
}

/// How an attempt at a command ended.
enum Attempt {
    /// The saga has heard of it, and this follows.
    Heard(News),
    /// Somebody else has told it, or it takes nothing now.
    Over,
    /// It is tried again.
    Again(Obstacle),
}

/// What is in the way.
pub(super) enum Obstacle {
    /// Not the saga's fault.
    Outside(String),
    /// Its reaction panicked, or wants what cannot be written down.
    Poison(String),
}

impl<S: Saga> Host<S> {
    /// A place among the busy instances, as soon as there is one; none once everything ends.
    pub(super) async fn place(&self) -> Option<Place> {
        Some(Arc::new(self.busy.clone().acquire_owned().await.ok()?))
    }

    /// Carries out what a step has sent, and what follows from that, in tasks of their own.
    pub(super) fn carry_out(self: &Arc<Self>, id: &Id<Instance<S>>, news: News, place: &Place) {
        for errand in self.errands(id, news) {
            self.begin(id, errand, place);
        }
    }

    /// Carries out commands that were left, and may have been carried out before.
    pub(super) fn carry_on(self: &Arc<Self>, id: &Id<Instance<S>>, open: Vec<Open>, place: &Place) {
        let story = Story::of(id);
        for open in open {
            if let Some(mine) = self.at_work.take_left(id.shared(), open.effect) {
                let command = command_id(id, open.effect);
                let errand = Errand { open, command, story, is_doubtful: true, _mine: mine };
                self.begin(id, errand, place);
            }
        }
    }

    /// What a step has sent, and nobody else is at work on. While it compensates that may be older.
    fn errands(&self, id: &Id<Instance<S>>, news: News) -> Vec<Errand> {
        let News { step, sent, story, stepping, .. } = news;
        let errand = |open: Open| {
            let is_doubtful = open.effect.step < step;
            let mine = match is_doubtful {
                true => self.at_work.take_older(&stepping, open.effect)?,
                false => self.at_work.take(id.shared(), open.effect)?,
            };
            let command = command_id(id, open.effect);
            Some(Errand { open, command, story, is_doubtful, _mine: mine })
        };
        let errands = sent.into_iter().filter_map(errand).collect();
        drop(stepping);
        errands
    }

    fn begin(self: &Arc<Self>, id: &Id<Instance<S>>, errand: Errand, place: &Place) {
        let (host, id, place) = (self.clone(), id.clone(), place.clone());
        self.tasks.spawn(async move { host.carry_all(id, errand, place).await });
    }

    /// One command after the other; what is sent beside them goes its own way.
    async fn carry_all(self: Arc<Self>, id: Id<Instance<S>>, mut errand: Errand, place: Place) {
        while let Some(news) = self.carry(&id, &errand).await {
            self.stages.reached(Stage::Answered, id.as_str());
            let mut errands = self.errands(&id, news);
            let Some(next) = errands.pop() else { return };
            for beside in errands {
                self.begin(&id, beside, &place);
            }
            errand = next;
        }
    }

    /// Carries out one command, and tells the instance of its end. None if there is nothing more to do
    /// now: what is left is found again by and by.
    async fn carry(&self, id: &Id<Instance<S>>, errand: &Errand) -> Option<News> {
        for attempts in 1.. {
            let obstacle = match self.attempt(id, errand, errand.is_doubtful || attempts > 1).await
            {
                Attempt::Heard(news) => return Some(news),
                Attempt::Over => break,
                Attempt::Again(obstacle) => obstacle,
            };
            // What was left has been waited for already.
            match self.retry.wait_after(attempts).filter(|_| !errand.is_doubtful) {
                Some(wait) => sleep(wait).await,
                None => {
                    self.give_up(id, At::Answer(errand.open.effect), obstacle, Vec::new()).await;
                    break;
                }
            }
        }
        None
    }

    async fn attempt(&self, id: &Id<Instance<S>>, errand: &Errand, is_doubtful: bool) -> Attempt {
        let target = match self.targets.target(&errand.open.outgoing.aggregate) {
            Ok(target) => target,
            Err(why) => return Attempt::Again(Obstacle::Outside(why)),
        };
        let carried = match self.carried(id, errand, target, is_doubtful).await {
            Ok(Some(carried)) => carried,
            Ok(None) => return Attempt::Over,
            Err(failure) => return again(failure),
        };
        self.stages.reached(Stage::Carried, id.as_str());
        let Carried { told, reaction } = carried;
        let Errand { open, command, story, .. } = errand;
        let kind = Kind::Answer { effect: open.effect, told, reaction };
        match self.step(id, kind, story.because_of(*command)).await {
            Ok(Some(news)) => Attempt::Heard(news),
            Ok(None) => Attempt::Over,
            Err(error) => not_taken(error).map_or(Attempt::Over, Attempt::Again),
        }
    }

    /// The end of the command, which is sent unless it is known to have been carried out; none if the
    /// instance does not wait for it any more.
    async fn carried(
        &self,
        id: &Id<Instance<S>>,
        Errand { open, command, story, .. }: &Errand,
        target: &dyn Target<S>,
        is_doubtful: bool,
    ) -> Result<Option<Carried<S>>, Failure> {
        let (effect, outgoing, command) = (open.effect, &open.outgoing, *command);
        if is_doubtful {
            let look = move |instance: &Instance<S>| instance.is_abandoned(effect);
            let Some(is_abandoned) = self.look(id, look).await? else { return Ok(None) };
            if let Some(carried) = target.find(outgoing, command, open.as_of).await? {
                return Ok(Some(carried));
            }
            if is_abandoned {
                return Ok(Some(Carried::abandoned()));
            }
        }
        self.stages.reached(Stage::Sending, id.as_str());
        let cause = story.because_of(command);
        Ok(Some(target.send(outgoing, command, cause).await?))
    }

    /// Leaves it: what is outside is tried again by and by, what is poison waits for a person.
    pub(super) async fn give_up(
        &self,
        id: &Id<Instance<S>>,
        at: At,
        obstacle: Obstacle,
        keys: Vec<String>,
    ) {
        let (saga, id) = (S::TYPE, id);
        match obstacle {
            Obstacle::Outside(why) => {
                tracing::warn!(target: "actuarius::saga", saga, %id, why, "is tried again later");
            }
            Obstacle::Poison(why) => {
                tracing::error!(target: "actuarius::saga", saga, %id, why, "quarantined");
                let kind = Kind::Poison { trouble: Trouble { at, why }, keys };
                if let Err(error) = self.step(id, kind, Story::of(id).for_no_cause()).await {
                    // It meets the same poison again, and is quarantined then.
                    tracing::error!(target: "actuarius::saga", saga, %id, %error, "not quarantined");
                }
            }
        }
    }
}

/// What a failure means: to try again, or that everything ends.
fn again(failure: Failure) -> Attempt {
    outside(failure).map_or(Attempt::Over, Attempt::Again)
}

fn outside(failure: Failure) -> Option<Obstacle> {
    match failure {
        // What is durable is found again after the next start.
        Failure::Unavailable(Unavailable::ShuttingDown) | Failure::Poisoned(_) => None,
        // No later try will fare better: a person has to say what now.
        Failure::Deleted => Some(Obstacle::Poison(failure.to_string())),
        other => Some(Obstacle::Outside(other.to_string())),
    }
}

/// Why a step was not taken; none if there is nothing to be done about it now.
pub(super) fn not_taken(error: StepError) -> Option<Obstacle> {
    match error {
        ExecuteError::Rejected(Refused::Troubled(_)) => None,
        ExecuteError::Rejected(Refused::Unwritable(why)) => Some(Obstacle::Poison(why)),
        ExecuteError::Failed(Failure::Panicked { place: Code::Decide, message }) => {
            Some(Obstacle::Poison(format!("the reaction panicked: {message}")))
        }
        ExecuteError::Failed(Failure::Unstorable(error)) => {
            Some(Obstacle::Poison(error.to_string()))
        }
        ExecuteError::Failed(failure) => outside(failure),
    }
}

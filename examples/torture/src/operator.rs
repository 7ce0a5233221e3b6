//! The operator: retries, skips and resets at random, and records it in the diary.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use actuarius::Position;
use actuarius::subscription::{ParkedError, Start, Subscription};
use fastrand::Rng;

use crate::diary::{Diary, Line};
use crate::followers::CATCHING_UP;
use crate::item::digest;
use crate::write::Stopped;

/// The events that fail at every attempt until they are repaired or the process ends.
pub(crate) struct Poison {
    /// One in this many events fails; none if it is 0.
    one_in: u64,
    seed: u64,
    repaired: Mutex<HashSet<Position>>,
}

impl Poison {
    pub(crate) fn of(one_in: u64, seed: u64) -> Arc<Self> {
        Arc::new(Self { one_in, seed, repaired: Mutex::default() })
    }

    pub(crate) fn none() -> Arc<Self> {
        Self::of(0, 0)
    }

    /// Whether the event fails now.
    pub(crate) fn is_failing(&self, position: Position) -> bool {
        if self.one_in == 0 {
            return false;
        }
        let drawn = digest(self.seed, &position.get().to_le_bytes());
        let repaired = || self.repaired.lock().unwrap_or_else(PoisonError::into_inner);
        drawn.is_multiple_of(self.one_in) && !repaired().contains(&position)
    }

    fn repair(&self, position: Position) {
        self.repaired.lock().unwrap_or_else(PoisonError::into_inner).insert(position);
    }
}

/// Retries or skips parked events from time to time, or resets the subscription. It records requests that the log
/// does not show in the diary, before and after their answers.
pub(crate) struct Operator {
    pub(crate) effects: Subscription,
    pub(crate) diary: Arc<Diary>,
    pub(crate) poison: Arc<Poison>,
    pub(crate) rng: Rng,
}

impl Operator {
    /// Runs until an error occurs.
    pub(crate) async fn run(mut self) -> Result<(), Stopped> {
        loop {
            let ahead = self.rng.u64(1..60);
            let due = Position::new(self.effects.position().get() + ahead);
            self.effects.wait_for_within(due, CATCHING_UP).await.map_err(stopped)?;
            if self.rng.u32(0..25) == 0 {
                self.reset().await?;
            } else {
                self.handle_a_key().await?;
            }
        }
    }

    async fn handle_a_key(&mut self) -> Result<(), Stopped> {
        let parked = self.effects.parked().await;
        let Some(first) = self.rng.choice(parked) else { return Ok(()) };
        let position = first.position;
        match self.rng.u32(0..10) {
            0..3 => {
                self.note(&Line::Skipping(position))?;
                as_expected(self.effects.skip_parked(&first.key).await)?;
                self.note(&Line::Skipped(position))
            }
            draw => {
                if draw < 8 {
                    self.poison.repair(position);
                }
                as_expected(self.effects.retry_parked(&first.key).await)
            }
        }
    }

    /// Resets to an earlier position, and not far back. A later position would skip events.
    async fn reset(&mut self) -> Result<(), Stopped> {
        let position = self.effects.position().get();
        let place = Position::new(self.rng.u64(position.saturating_sub(300)..=position));
        self.note(&Line::Resetting(place))?;
        self.effects.reset(Start::After(place)).await.map_err(stopped)?;
        self.note(&Line::Reset(place))
    }

    fn note(&self, line: &Line) -> Result<(), Stopped> {
        self.diary.write(line).map_err(stopped)
    }
}

/// Retries all events parked under `key`, none of which fails permanently.
pub(crate) async fn retry_to_the_end(effects: &Subscription, key: &str) -> Result<(), ParkedError> {
    let (mut at, mut times) = (Position::NONE, 0);
    loop {
        match effects.retry_parked(key).await {
            // An event may be refused once, and may fail once after its effect.
            Err(ParkedError::StillFails { position, .. }) if position > at || times < 2 => {
                times = if position > at { 1 } else { times + 1 };
                at = position;
            }
            answer => return answer.map(drop),
        }
    }
}

/// Accepts that an event fails again, which is intended here.
fn as_expected(answer: Result<usize, ParkedError>) -> Result<(), Stopped> {
    match answer {
        Ok(_) | Err(ParkedError::StillFails { .. }) => Ok(()),
        Err(error) => Err(stopped(error)),
    }
}

fn stopped(error: impl std::fmt::Display) -> Stopped {
    Stopped::Follower(error.to_string())
}

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use actuarius::Position;
use actuarius::subscription::{ParkedError, Start, Subscription};
use fastrand::Rng;

use crate::diary::{Diary, Line};
use crate::followers::CATCHING_UP;
use crate::item::digest;
use crate::write::Stopped;

/// Which events fail at every attempt, until they are mended or the process ends.
pub(crate) struct Poison {
    /// One in so many; none if it is 0.
    one_in: u64,
    seed: u64,
    mended: Mutex<HashSet<Position>>,
}

impl Poison {
    pub(crate) fn of(one_in: u64, seed: u64) -> Arc<Self> {
        Arc::new(Self { one_in, seed, mended: Mutex::default() })
    }

    pub(crate) fn none() -> Arc<Self> {
        Self::of(0, 0)
    }

    /// Whether the event fails now.
    pub(crate) fn spoils(&self, position: Position) -> bool {
        if self.one_in == 0 {
            return false;
        }
        let drawn = digest(self.seed, &position.get().to_le_bytes());
        let mended = || self.mended.lock().unwrap_or_else(PoisonError::into_inner);
        drawn.is_multiple_of(self.one_in) && !mended().contains(&position)
    }

    fn mend(&self, position: Position) {
        self.mended.lock().unwrap_or_else(PoisonError::into_inner).insert(position);
    }
}

/// Looks at what is parked now and then, and has it retried or skipped; or resets all. What cannot be
/// seen from the log it writes down, before and behind the answer.
pub(crate) struct Operator {
    pub(crate) effects: Subscription,
    pub(crate) diary: Arc<Diary>,
    pub(crate) poison: Arc<Poison>,
    pub(crate) dice: Rng,
}

impl Operator {
    /// Goes on for ever, unless something is wrong.
    pub(crate) async fn run(mut self) -> Result<(), Stopped> {
        loop {
            let ahead = self.dice.u64(1..60);
            let due = Position::new(self.effects.position().get() + ahead);
            self.effects.wait_for_within(due, CATCHING_UP).await.map_err(stopped)?;
            if self.dice.u32(0..25) == 0 {
                self.reset().await?;
            } else {
                self.help_a_key().await?;
            }
        }
    }

    async fn help_a_key(&mut self) -> Result<(), Stopped> {
        let parked = self.effects.parked().await;
        let Some(first) = self.dice.choice(parked) else { return Ok(()) };
        let position = first.position;
        match self.dice.u32(0..10) {
            0..3 => {
                self.note(&Line::Skipping(position))?;
                as_expected(self.effects.skip_parked(&first.key).await)?;
                self.note(&Line::Skipped(position))
            }
            mends => {
                if mends < 8 {
                    self.poison.mend(position);
                }
                as_expected(self.effects.retry_parked(&first.key).await)
            }
        }
    }

    /// Back, and not far: further on, events would be left out.
    async fn reset(&mut self) -> Result<(), Stopped> {
        let position = self.effects.position().get();
        let place = Position::new(self.dice.u64(position.saturating_sub(300)..=position));
        self.note(&Line::Resetting(place))?;
        self.effects.reset(Start::After(place)).await.map_err(stopped)?;
        self.note(&Line::Reset(place))
    }

    fn note(&self, line: &Line) -> Result<(), Stopped> {
        self.diary.write(line).map_err(stopped)
    }
}

/// Has all events parked under `key` handled; none of them is spoilt.
pub(crate) async fn retry_to_the_end(effects: &Subscription, key: &str) -> Result<(), ParkedError> {
    let (mut at, mut times) = (Position::NONE, 0);
    loop {
        match effects.retry_parked(key).await {
            // One may be refused once, and have its effect once and fail.
            Err(ParkedError::StillFails { position, .. }) if position > at || times < 2 => {
                times = if position > at { 1 } else { times + 1 };
                at = position;
            }
            answer => return answer.map(drop),
        }
    }
}

/// That an event fails again is what it is here for.
fn as_expected(answer: Result<usize, ParkedError>) -> Result<(), Stopped> {
    match answer {
        Ok(_) | Err(ParkedError::StillFails { .. }) => Ok(()),
        Err(error) => Err(stopped(error)),
    }
}

fn stopped(error: impl std::fmt::Display) -> Stopped {
    Stopped::Follower(error.to_string())
}

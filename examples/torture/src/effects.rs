//! A handler whose effects can be counted, and which fails at chosen positions.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use actuarius::Envelope;
use actuarius::error::BoxError;
use actuarius::subscription::Handler;

use crate::Journal;
use crate::diary::{Diary, Line};
use crate::operator::Poison;

/// One in this many events is refused at the first attempt, before its effect.
const REFUSED: u64 = 61;

/// One in this many events fails at the first attempt, after its effect.
const REPEATED: u64 = 67;

/// A handler whose effects can be counted afterwards: each is a line in the diary, written before the handler
/// returns.
pub(crate) struct Effects {
    diary: Arc<Diary>,
    poison: Arc<Poison>,
    /// The positions that have failed in this process. Each fails once.
    failed: Mutex<HashSet<u64>>,
}

impl Effects {
    pub(crate) fn new(diary: Arc<Diary>, poison: Arc<Poison>) -> Self {
        Self { diary, poison, failed: Mutex::default() }
    }

    fn fails(&self, position: u64, one_in: u64) -> Result<(), BoxError> {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        if position.is_multiple_of(one_in) && failed.insert(position) {
            return Err(format!("position {position} fails once").into());
        }
        Ok(())
    }
}

impl Handler<Journal> for Effects {
    async fn handle(&self, event: Envelope<Journal>) -> Result<(), BoxError> {
        let position = event.header.position;
        if self.poison.is_failing(position) {
            return Err(format!("position {position} fails until it is repaired").into());
        }
        self.fails(position.get(), REFUSED)?;
        let line = Line::Effect(position, event.id.to_string());
        let diary = self.diary.clone();
        tokio::task::spawn_blocking(move || diary.write(&line)).await??;
        self.fails(position.get(), REPEATED)
    }
}

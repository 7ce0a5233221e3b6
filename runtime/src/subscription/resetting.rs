//! Takes requests of the handle, and resets the subscription to another place in the log.

use actuarius_persistence::{ReadError, Reader};
use tokio::sync::mpsc;

use super::checkpoint::{self, InvalidStart, Mark};
use super::error::ResetError;
use super::failures::Failures;
use super::lanes::Lanes;
use super::options::Start;
use super::reading::Reading;
use super::requests::Request;
use super::state::SubscriptionState;
use crate::engine::Engine;

impl SubscriptionState {
    /// Takes the waiting requests, before anything else is started.
    pub(super) fn take_requests(&mut self, requests: &mut mpsc::Receiver<Request>) {
        for _ in 0..requests.len() {
            if let Ok(request) = requests.try_recv() {
                self.take_request(request);
            }
        }
    }

    pub(super) fn take_request(&mut self, request: Request) {
        match request {
            Request::Paused(caller) => self.requests.pausing.push(caller),
            Request::Parked(caller) => drop(caller.send(self.parked.firsts())),
            Request::ParkedOf(key, caller) => drop(caller.send(self.parked.of(&key))),
            Request::Reset(start, caller) => self.requests.resets.push_back((start, caller)),
            Request::Retry { key, skip_first, caller } => {
                self.begin_retry(&key, skip_first, caller);
            }
        }
    }

    /// Resets the subscription as requested, once no handler is at work and no write under way.
    pub(super) async fn reset_if_asked(&mut self) {
        while self.attempts.is_empty()
            && !self.writing.is_under_way()
            && let Some((start, caller)) = self.requests.resets.pop_front()
        {
            let outcome = self.reset(start).await;
            let _ = caller.send(outcome);
        }
    }

    async fn reset(&mut self, start: Start) -> Result<(), ResetError> {
        let mark = place(&self.plan.engine, start).await?;
        tracing::info!(
            target: "actuarius::subscription",
            name = %self.plan.shared.name, position = %mark.position, "reset"
        );
        self.reading = Reading::after(&self.plan.engine, mark);
        self.lanes = Lanes::default();
        self.failures = Failures::default();
        self.halted = None;
        self.parked.discard_after(mark.position);
        self.report_parked();
        self.store().await?;
        self.recheck_retries();
        Ok(())
    }

    /// Stores the new place, and removes the notes of discarded events, in as many sets as it takes. Notes left
    /// over by an interruption are recognised at the next start.
    async fn store(&mut self) -> Result<(), ResetError> {
        while self.writing.broken().is_none() && !self.is_stored(&self.checkpoint()) {
            let taken = self.parked.take_notes(&self.plan.shared.name, self.checkpoint());
            self.writing.begin(&self.plan.engine, taken, Vec::new());
            self.writing.ended().await;
        }
        match self.writing.broken() {
            None => Ok(()),
            Some(why) => Err(ResetError::NotStored { why: why.to_owned() }),
        }
    }
}

async fn place(engine: &Engine, start: Start) -> Result<Mark, ResetError> {
    let resolve = move |reader: &dyn Reader| Ok(checkpoint::resolve(reader, start));
    match engine.read::<_, ReadError>(resolve).await? {
        Ok(mark) => Ok(mark),
        Err(InvalidStart::Ahead { position, head }) => Err(ResetError::Ahead { position, head }),
        Err(InvalidStart::Unread(error)) => Err(error.into()),
    }
}

//! The replay: many clients send the purchases and measure the answers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actuarius::{Aggregates, CommandId, Receipt};
use example_support::{Percentiles, execute, share_out};

use crate::{Buyer, Customer, History, ShopError};

/// The source of the replay's times. Tests have their own.
pub trait Stopwatch: Send + Sync + 'static {
    /// The time since a fixed moment.
    fn elapsed(&self) -> Duration;
}

impl Stopwatch for Instant {
    fn elapsed(&self) -> Duration {
        Instant::elapsed(self)
    }
}

/// Receives a call for every acknowledged purchase.
pub trait Progress: Send + Sync + 'static {
    /// Counts one more purchase.
    fn acknowledged(&self);
}

/// The result of a replay.
#[derive(Debug, Clone)]
pub struct Replayed {
    /// Purchases written by this replay.
    pub written: u64,
    /// Purchases written by an earlier replay.
    pub there_already: u64,
    /// The duration.
    pub took: Duration,
    /// Microseconds from sending each purchase to its acknowledgement.
    pub latencies: Percentiles,
}

impl Replayed {
    /// Purchases acknowledged per second.
    #[must_use]
    pub fn per_second(&self) -> u64 {
        let commands = u128::from(self.written + self.there_already);
        // A replay that took no measurable time must not divide by zero.
        u64::try_from(commands * 1_000_000 / self.took.as_micros().max(1)).unwrap_or(u64::MAX)
    }

    fn of(answers: &[Answer], took: Duration) -> Self {
        let micros = |it: &Answer| u64::try_from(it.after.as_micros()).unwrap_or(u64::MAX);
        let latencies = Percentiles::of(answers.iter().map(micros));
        let there_already = answers.iter().filter(|answer| answer.repeated).count() as u64;
        let written = answers.len() as u64 - there_already;
        Self { written, there_already, took, latencies }
    }
}

/// The answer to one purchase.
#[derive(Debug, Clone, Copy)]
pub struct Answer {
    /// Whether the purchase was already written.
    pub repeated: bool,
    /// How long the client waited.
    pub after: Duration,
}

/// The targets and observers of a replay.
#[derive(Clone)]
pub(crate) struct Replay {
    pub(crate) customers: Aggregates<Customer>,
    pub(crate) watch: Arc<dyn Stopwatch>,
    pub(crate) progress: Arc<dyn Progress>,
}

impl Replay {
    /// Sends every purchase from `clients` clients, each of which waits for one answer at a time.
    pub(crate) async fn run(
        self,
        history: &History,
        clients: usize,
    ) -> Result<Replayed, ShopError> {
        let watch = self.watch.clone();
        let buyers = history.buyers.clone();
        let began = watch.elapsed();
        let answers = share_out(clients, buyers.len(), move |piece| {
            let (replay, buyers) = (self.clone(), buyers.clone());
            async move { replay.send_all(&buyers[piece]).await }
        })
        .await?;
        Ok(Replayed::of(&answers.concat(), watch.elapsed().saturating_sub(began)))
    }

    async fn send_all(&self, buyer: &Buyer) -> Result<Vec<Answer>, ShopError> {
        let mut answers = Vec::with_capacity(buyer.purchases.len());
        for index in 0..buyer.purchases.len() {
            let sent = self.watch.elapsed();
            let receipt = book(&self.customers, buyer, index).await?;
            let after = self.watch.elapsed().saturating_sub(sent);
            answers.push(Answer { repeated: receipt.repeated, after });
            self.progress.acknowledged();
        }
        Ok(answers)
    }
}

/// Books the purchase of a buyer with this index.
pub(crate) async fn book(
    customers: &Aggregates<Customer>,
    buyer: &Buyer,
    index: usize,
) -> Result<Receipt, ShopError> {
    // The id of the command makes a second replay write nothing. It counts the customer's purchases and not the lines,
    // so that the ids are equal for the sample and the full file.
    let command_id = CommandId::from(format!("{}/{}", buyer.id, index + 1));
    execute(customers, &buyer.id, buyer.purchases[index], command_id).await.map_err(|source| {
        ShopError::Purchase { customer: buyer.id.clone(), number: index + 1, source }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_follow_from_the_answers_alone() {
        let answers: Vec<Answer> = (1..=1_000)
            .map(|millis| Answer { repeated: millis > 900, after: Duration::from_millis(millis) })
            .collect();
        let replayed = Replayed::of(&answers, Duration::from_millis(500));
        assert_eq!((replayed.written, replayed.there_already), (900, 100));
        assert_eq!(replayed.per_second(), 2_000);
        let millis = |per_mille| replayed.latencies.per_mille(per_mille) / 1_000;
        assert_eq!((millis(500), millis(990), millis(1_000)), (500, 990, 1_000));
    }
}

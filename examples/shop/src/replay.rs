use std::sync::Arc;
use std::time::{Duration, Instant};

use actuarius::{Aggregates, CommandId, ExecuteError, Receipt};
use hdrhistogram::Histogram;

use crate::clients::share_out;
use crate::{Buyer, Customer, History, Purchase, Refused, Trouble};

/// Where the replay's times come from: tests bring their own.
pub trait Stopwatch: Send + Sync + 'static {
    /// The time since some moment, the same for every call.
    fn elapsed(&self) -> Duration;
}

impl Stopwatch for Instant {
    fn elapsed(&self) -> Duration {
        Instant::elapsed(self)
    }
}

/// Hears of every purchase once it is acknowledged.
pub trait Progress: Send + Sync + 'static {
    /// One more purchase is acknowledged.
    fn acknowledged(&self);
}

/// How a replay went.
#[derive(Debug, Clone)]
pub struct Replayed {
    /// Purchases that were written now.
    pub written: u64,
    /// Purchases that had been written by an earlier replay.
    pub there_already: u64,
    /// How long it took.
    pub took: Duration,
    /// Microseconds from sending a purchase to its acknowledgement, of every purchase.
    pub latencies: Histogram<u64>,
}

impl Replayed {
    /// Purchases acknowledged per second.
    #[must_use]
    pub fn per_second(&self) -> u64 {
        let commands = u128::from(self.written + self.there_already);
        // In whole numbers, and a replay that took no measurable time does not divide by zero.
        u64::try_from(commands * 1_000_000 / self.took.as_micros().max(1)).unwrap_or(u64::MAX)
    }

    fn of(answers: &[Answer], took: Duration) -> Self {
        let mut latencies = Histogram::new(3).expect("three digits are a valid precision");
        for answer in answers {
            let micros = u64::try_from(answer.after.as_micros()).unwrap_or(u64::MAX);
            latencies.record(micros).expect("the histogram grows as needed");
        }
        let there_already = answers.iter().filter(|answer| answer.repeated).count() as u64;
        let written = answers.len() as u64 - there_already;
        Self { written, there_already, took, latencies }
    }
}

/// The answer to one purchase.
#[derive(Debug, Clone, Copy)]
pub struct Answer {
    /// Whether the purchase had been written before.
    pub repeated: bool,
    /// How long the client waited for it.
    pub after: Duration,
}

/// Who sends purchases, to whom, and who looks on.
#[derive(Clone)]
pub(crate) struct Replay {
    pub(crate) customers: Aggregates<Customer>,
    pub(crate) watch: Arc<dyn Stopwatch>,
    pub(crate) progress: Arc<dyn Progress>,
}

impl Replay {
    /// Sends every purchase, from `clients` clients that each wait for one answer at a time.
    pub(crate) async fn run(self, history: &History, clients: usize) -> Result<Replayed, Trouble> {
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

    async fn send_all(&self, buyer: &Buyer) -> Result<Vec<Answer>, Trouble> {
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

/// Books one of a buyer's purchases, by its place among them.
pub(crate) async fn book(
    customers: &Aggregates<Customer>,
    buyer: &Buyer,
    index: usize,
) -> Result<Receipt, Trouble> {
    // The name of the command is what makes a second replay write nothing. It counts the
    // customer's purchases, not the lines: the sample and the full file name them alike.
    let name = CommandId::from(format!("{}/{}", buyer.id, index + 1));
    send(customers, &buyer.id, buyer.purchases[index], name).await.map_err(|source| {
        Trouble::Purchase { customer: buyer.id.clone(), number: index + 1, source }
    })
}

/// Sends again while the answer says that this may help. The same name makes it safe.
async fn send(
    customers: &Aggregates<Customer>,
    id: &str,
    purchase: Purchase,
    name: CommandId,
) -> Result<Receipt, ExecuteError<Refused>> {
    for _ in 0..RETRIES {
        match customers.execute(id, purchase).command_id(name).await {
            Err(error) if error.is_retryable() => tokio::time::sleep(RETRY_AFTER).await,
            answer => return answer,
        }
    }
    customers.execute(id, purchase).command_id(name).await
}

/// Five seconds in all: a runtime that has had no room for so long will not have any.
const RETRIES: u32 = 500;
const RETRY_AFTER: Duration = Duration::from_millis(10);

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
        // The histogram keeps three digits.
        let quantile = |quantile| replayed.latencies.value_at_quantile(quantile) / 1_000;
        assert_eq!((quantile(0.5), quantile(0.99), quantile(1.0)), (500, 990, 1_000));
    }
}

//! Latencies in HDR histograms, so that slow answers are not averaged away.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;

/// Few enough to stay in the processor's cache, and enough to avoid contention.
const SHARDS: usize = 16;

/// From a hundred nanoseconds to two minutes, with three digits.
const RANGE: (u64, u64, u8) = (100, 120_000_000_000, 3);

/// Latencies recorded by many clients.
pub struct Latencies {
    shards: Vec<Mutex<Histogram<u64>>>,
}

impl Default for Latencies {
    fn default() -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::new(empty())).collect() }
    }
}

impl Latencies {
    /// Records one wait of a client.
    pub fn note(&self, client: usize, wait: Duration) {
        let nanoseconds = u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX);
        let shard = &self.shards[client % SHARDS];
        shard.lock().unwrap_or_else(PoisonError::into_inner).saturating_record(nanoseconds);
    }

    /// All waits recorded so far.
    #[must_use]
    pub fn merged(&self) -> Latency {
        let mut all = empty();
        for shard in &self.shards {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            all.add(&*shard).expect("all shards have one range");
        }
        Latency(all)
    }
}

/// The waits of all clients.
#[derive(Clone)]
pub struct Latency(Histogram<u64>);

impl Latency {
    /// The number of waits.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// A quantile of the waits, in microseconds.
    #[must_use]
    pub fn us(&self, quantile: f64) -> f64 {
        self.0.value_at_quantile(quantile) as f64 / 1_000.0
    }

    /// Adds the waits of `other`.
    pub fn add(&mut self, other: &Self) {
        self.0.add(&other.0).expect("all latencies have one range");
    }
}

impl Default for Latency {
    fn default() -> Self {
        Self(empty())
    }
}

fn empty() -> Histogram<u64> {
    let (low, high, digits) = RANGE;
    Histogram::new_with_bounds(low, high, digits).expect("the range is one")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_count_waits_of_all_clients() {
        let latencies = Latencies::default();
        for wait in 1..=1_000 {
            latencies.note(wait as usize, Duration::from_micros(wait));
        }
        let all = latencies.merged();
        assert_eq!(all.count(), 1_000);
        for (quantile, us) in [(0.5, 500.0), (0.99, 990.0), (0.999, 999.0)] {
            assert!(
                (all.us(quantile) - us).abs() <= us / 500.0,
                "{quantile}: {}",
                all.us(quantile)
            );
        }
    }

    #[test]
    fn absurd_waits_are_clamped() {
        let latencies = Latencies::default();
        latencies.note(0, Duration::ZERO);
        latencies.note(1, Duration::from_secs(1_000_000));
        assert_eq!(latencies.merged().count(), 2);
    }
}

//! The distribution of commands over aggregates.

use std::sync::atomic::{AtomicUsize, Ordering};

use clap::ValueEnum;
use fastrand::Rng;
use serde::{Deserialize, Serialize};

/// The skew of YCSB's zipfian requests, which other benchmarks use as well.
const SKEW: f64 = 0.99;

/// How commands are distributed over the aggregates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Distribution {
    /// All aggregates are equally likely.
    #[default]
    Uniform,
    /// A few aggregates get most commands: the likelihood of the n-th is proportional to n^-0.99.
    Zipf,
    /// One aggregate gets all commands.
    Hot,
}

/// Chooses aggregates, numbered from 0.
#[derive(Debug)]
pub enum Chooser {
    /// Uniformly among this many.
    Uniform(usize),
    /// By rank.
    Zipf(Zipf),
    /// Always the first.
    Hot,
    /// One after another, to reach each of them.
    InTurn {
        /// The number of aggregates.
        aggregates: usize,
        /// The number of turns so far.
        next: AtomicUsize,
    },
}

impl Chooser {
    /// A chooser among `aggregates` aggregates.
    #[must_use]
    pub fn new(distribution: Distribution, aggregates: usize) -> Self {
        match distribution {
            Distribution::Uniform => Self::Uniform(aggregates.max(1)),
            Distribution::Zipf => Self::Zipf(Zipf::new(aggregates.max(1), SKEW)),
            Distribution::Hot => Self::Hot,
        }
    }

    /// Cycles through all aggregates.
    #[must_use]
    pub fn in_turn(aggregates: usize) -> Self {
        Self::InTurn { aggregates: aggregates.max(1), next: AtomicUsize::new(0) }
    }

    /// The next aggregate.
    pub fn choose(&self, rng: &mut Rng) -> usize {
        match self {
            Self::Uniform(aggregates) => rng.usize(..aggregates),
            Self::Zipf(zipf) => zipf.rank(rng.f64()),
            Self::Hot => 0,
            Self::InTurn { aggregates, next } => next.fetch_add(1, Ordering::Relaxed) % aggregates,
        }
    }
}

/// Zipfian ranks in constant time, after Gray et al., "Quickly generating billion-record synthetic
/// databases" (1994): exact for the first two ranks, a close approximation for the others.
#[derive(Debug)]
pub struct Zipf {
    ranks: usize,
    alpha: f64,
    zeta: f64,
    eta: f64,
    second: f64,
}

impl Zipf {
    /// Ranks 0 to `ranks` - 1 with a skew between 0 and 1, both excluded.
    #[must_use]
    pub fn new(ranks: usize, skew: f64) -> Self {
        let zeta: f64 = (1..=ranks).map(|rank| (rank as f64).powf(-skew)).sum();
        let second = 0.5_f64.powf(skew);
        let tail = (2.0 / ranks as f64).powf(1.0 - skew);
        let eta = (1.0 - tail) / (1.0 - (1.0 + second) / zeta);
        Self { ranks, alpha: 1.0 / (1.0 - skew), zeta, eta, second }
    }

    /// Maps a uniform number from 0 to 1 to a rank.
    #[must_use]
    pub fn rank(&self, uniform: f64) -> usize {
        let scaled = uniform * self.zeta;
        if scaled < 1.0 {
            return 0;
        }
        if scaled < 1.0 + self.second {
            return 1.min(self.ranks - 1);
        }
        let rank = self.ranks as f64 * (self.eta * uniform - self.eta + 1.0).powf(self.alpha);
        (rank as usize).min(self.ranks - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(chooser: &Chooser, aggregates: usize, draws: usize) -> Vec<usize> {
        let mut rng = Rng::with_seed(7);
        let mut counts = vec![0; aggregates];
        for _ in 0..draws {
            counts[chooser.choose(&mut rng)] += 1;
        }
        counts
    }

    #[test]
    fn zipf_prefers_low_ranks_in_proportion() {
        let counts = counts(&Chooser::new(Distribution::Zipf, 1_000), 1_000, 200_000);
        let (first, second) = (counts[0] as f64, counts[1] as f64);
        assert!((first / second - 2.0_f64.powf(SKEW)).abs() < 0.1, "{first} {second}");
        // The share of rank 1 is 1 / zeta(1000, 0.99), about 12.9 %.
        assert!((first / 200_000.0 - 0.129).abs() < 0.01, "{first}");
        let (head, tail): (usize, usize) = (counts[..100].iter().sum(), counts[900..].iter().sum());
        assert!(head > 20 * tail && tail > 0, "{head} {tail}");
    }

    #[test]
    fn zipf_stays_in_range_at_the_edges() {
        for ranks in [1, 2, 3, 10_000] {
            let zipf = Zipf::new(ranks, SKEW);
            for uniform in [0.0, 0.1, 0.5, 0.999_999, 1.0] {
                assert!(zipf.rank(uniform) < ranks, "{ranks} {uniform}");
            }
        }
    }

    #[test]
    fn uniform_reaches_all_equally_and_hot_only_one() {
        let spread = counts(&Chooser::new(Distribution::Uniform, 10), 10, 10_000);
        assert!(spread.iter().all(|&count| (800..1_200).contains(&count)), "{spread:?}");
        let hot = counts(&Chooser::new(Distribution::Hot, 10), 10, 100);
        assert_eq!(hot[0], 100);
    }

    #[test]
    fn in_turn_misses_none() {
        assert_eq!(counts(&Chooser::in_turn(10), 10, 30), [3; 10]);
    }
}

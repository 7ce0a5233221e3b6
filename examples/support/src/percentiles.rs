//! Percentiles of a list of numbers.

/// Sorted numbers.
#[derive(Debug, Clone, Default)]
pub struct Percentiles(Vec<u64>);

impl Percentiles {
    /// Sorts the numbers.
    #[must_use]
    pub fn of(numbers: impl IntoIterator<Item = u64>) -> Self {
        let mut numbers: Vec<_> = numbers.into_iter().collect();
        numbers.sort_unstable();
        Self(numbers)
    }

    /// How many numbers there are.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.0.len() as u64
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The smallest number, or 0 if there are none.
    #[must_use]
    pub fn min(&self) -> u64 {
        self.0.first().copied().unwrap_or(0)
    }

    /// The largest number, or 0 if there are none.
    #[must_use]
    pub fn max(&self) -> u64 {
        self.0.last().copied().unwrap_or(0)
    }

    /// The smallest number that at least this many per thousand do not exceed; 0 if there are none.
    #[must_use]
    pub fn per_mille(&self, share: usize) -> u64 {
        let rank = (self.0.len() * share).div_ceil(1_000).max(1);
        self.0.get(rank - 1).copied().unwrap_or(self.max())
    }
}

#[cfg(test)]
mod tests {
    use super::Percentiles;

    #[test]
    fn percentiles_are_exact() {
        let numbers = Percentiles::of((1..=1_000).rev());
        assert_eq!([500, 990, 999, 1_000].map(|it| numbers.per_mille(it)), [500, 990, 999, 1_000]);
        assert_eq!((numbers.len(), numbers.min(), numbers.max()), (1_000, 1, 1_000));
        assert_eq!(
            (Percentiles::of([7]).per_mille(1), Percentiles::default().per_mille(500)),
            (7, 0)
        );
    }
}

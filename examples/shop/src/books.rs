use crate::{Cents, Customer};

/// Sums over customers and their purchases.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// How many customers.
    pub customers: u64,
    /// How many purchases.
    pub purchases: u64,
    /// How many CDs.
    pub cds: u64,
    /// For how much.
    pub spent: Cents,
}

impl Totals {
    pub(crate) fn add(&mut self, purchases: u64, cds: u64, spent: Cents) {
        self.purchases += purchases;
        self.cds += cds;
        self.spent.0 += spent.0;
    }
}

/// What all customers say they bought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Books {
    /// The sums.
    pub totals: Totals,
    /// The customers who spent most, the best first.
    pub best: Vec<Spender>,
}

/// A customer who spent a lot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spender {
    /// The customer's number.
    pub id: String,
    /// What they bought.
    pub bought: Customer,
}

impl Books {
    /// Adds up what the customers said, and keeps the `best` of them.
    #[must_use]
    pub fn of(mut spenders: Vec<Spender>, best: usize) -> Self {
        let mut totals = Totals::default();
        // A customer without purchases does not exist: asking for one shows an empty state.
        for Spender { bought, .. } in spenders.iter().filter(|one| one.bought.purchases > 0) {
            totals.customers += 1;
            totals.add(bought.purchases, bought.cds, bought.spent);
        }
        // By number where the amount is the same, so that the table is the same on every run.
        spenders.sort_by(|a, b| b.bought.spent.cmp(&a.bought.spent).then(a.id.cmp(&b.id)));
        spenders.truncate(best);
        Self { totals, best: spenders }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_come_first_and_nobody_is_left_out_of_the_sums() {
        let spender = |id: &str, cents| Spender {
            id: id.to_owned(),
            bought: Customer { purchases: 2, cds: 3, spent: Cents(cents), last: None },
        };
        let books = Books::of(vec![spender("c", 5), spender("b", 9), spender("a", 5)], 2);
        let best: Vec<&str> = books.best.iter().map(|one| one.id.as_str()).collect();
        assert_eq!(best, ["b", "a"]);
        assert_eq!(books.totals, Totals { customers: 3, purchases: 6, cds: 9, spent: Cents(19) });
    }
}

//! The sums over all customers, as the customers report them.

use crate::{Sums, Totals};

/// Sums over all customers, from queries to each customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Books {
    /// The sums.
    pub totals: Totals,
    /// The customers who spent most, in descending order.
    pub best: Vec<Spender>,
}

/// A customer and the sums of their purchases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spender {
    /// The customer's number.
    pub id: String,
    /// The sums of their purchases.
    pub bought: Sums,
}

impl Books {
    /// Adds up the customers, and keeps the `best` of them.
    #[must_use]
    pub fn of(mut spenders: Vec<Spender>, best: usize) -> Self {
        let mut totals = Totals::default();
        spenders.iter().for_each(|one| totals.add(&one.bought));
        // Customers with equal amounts are ordered by number, so that the table is the same on every run. The higher
        // number comes first, as in a descending read of an index of amounts and numbers.
        spenders.sort_by(|a, b| (b.bought.spent, &b.id).cmp(&(a.bought.spent, &a.id)));
        spenders.truncate(best);
        Self { totals, best: spenders }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Cents;

    #[test]
    fn the_best_come_first_and_the_sums_include_all() {
        let spender = |id: &str, cents| Spender {
            id: id.to_owned(),
            bought: Sums { purchases: 2, cds: 3, spent: Cents(cents) },
        };
        let books = Books::of(vec![spender("a", 5), spender("b", 9), spender("c", 5)], 2);
        let best: Vec<&str> = books.best.iter().map(|one| one.id.as_str()).collect();
        assert_eq!(best, ["b", "c"]);
        let bought = Sums { purchases: 6, cds: 9, spent: Cents(19) };
        assert_eq!(books.totals, Totals { customers: 3, bought });
    }
}

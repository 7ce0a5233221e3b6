use crate::{Sums, Totals};

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
    pub bought: Sums,
}

impl Books {
    /// Adds up what the customers said, and keeps the `best` of them.
    #[must_use]
    pub fn of(mut spenders: Vec<Spender>, best: usize) -> Self {
        let mut totals = Totals::default();
        spenders.iter().for_each(|one| totals.add(&one.bought));
        // By number where the amount is the same, so that the table is the same on every run; the
        // higher one first, as an index of amounts and numbers has it when it is read backwards.
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
    fn the_best_come_first_and_nobody_is_left_out_of_the_sums() {
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

//! The figures that the shop computes in several ways, which must agree.

use std::collections::BTreeMap;

use crate::{Books, History, Month, Spender, Sums, Tier, Totals};

/// The figures of the sales. Those of the views must equal those of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figures {
    /// The sums of each month.
    pub months: BTreeMap<Month, Sums>,
    /// The customers who spent most, in descending order.
    pub best: Vec<Spender>,
    /// The sums of each tier, the best tier first.
    pub tiers: Vec<(Tier, Totals)>,
}

impl Figures {
    /// Computes the figures from the file alone, without a runtime, a log or a view.
    #[must_use]
    pub fn of(history: &History, best: usize) -> Self {
        let mut months: BTreeMap<Month, Sums> = BTreeMap::new();
        let mut tiers = Tier::ALL.map(|tier| (tier, Totals::default())).to_vec();
        let mut spenders = Vec::with_capacity(history.buyers.len());
        for buyer in &*history.buyers {
            let mut bought = Sums::default();
            for purchase in &buyer.purchases {
                bought.add(purchase.cds, purchase.cents);
                months.entry(purchase.date.month()).or_default().add(purchase.cds, purchase.cents);
            }
            let reached = Tier::of(bought.spent);
            tiers.iter_mut().filter(|(tier, _)| *tier == reached).for_each(|it| it.1.add(&bought));
            spenders.push(Spender { id: buyer.id.clone(), bought });
        }
        Self { months, best: Books::of(spenders, best).best, tiers }
    }

    /// The sums over all months.
    #[must_use]
    pub fn by_month(&self) -> Sums {
        self.months.values().collect()
    }

    /// The sums over all tiers.
    #[must_use]
    pub fn by_tier(&self) -> Totals {
        let customers = self.tiers.iter().map(|(_, totals)| totals.customers).sum();
        Totals { customers, bought: self.tiers.iter().map(|(_, totals)| &totals.bought).collect() }
    }
}

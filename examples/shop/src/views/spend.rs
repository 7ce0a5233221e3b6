//! A view of rows on disk: the sums of each customer, by amount and by tier.

use actuarius::Envelope;
use actuarius::projection::{Keyed, KeyedProjection, Rows, SecondaryKeys, View, ViewReadError};

use crate::{Customer, CustomerEvent, Spender, Sums, Tier, Totals};

/// The sums of each customer, which can also be found by amount and by tier. There is one row per customer, so the
/// rows are on disk.
pub struct Spend;

impl Spend {
    /// Raise this when rows, keys or tiers change: the view is then rebuilt.
    pub(super) const VERSION: u32 = 1;
}

impl View for Spend {
    type Key = String;
    type Row = Sums;

    fn secondary(_: &String, bought: &Sums, keys: &mut SecondaryKeys) {
        keys.add("spent", &bought.spent.0);
        keys.add("tier", Tier::of(bought.spent).name());
    }
}

impl KeyedProjection<Customer> for Spend {
    fn project(rows: &mut Rows<'_, Self>, envelope: &Envelope<Customer>) {
        let CustomerEvent::Purchased { cds, cents, .. } = &envelope.event;
        rows.update(envelope.id.as_str(), |bought| bought.add(*cds, *cents));
    }
}

/// The customers who spent most, in descending order.
pub(super) fn best(view: &Keyed<Spend>, limit: usize) -> Result<Vec<Spender>, ViewReadError> {
    let rows = view.by("spent").descending().limit(limit).list()?;
    Ok(rows.into_iter().map(|(id, bought)| Spender { id, bought }).collect())
}

/// All customers of a tier, page by page.
pub(super) fn totals(view: &Keyed<Spend>, tier: Tier) -> Result<Totals, ViewReadError> {
    let mut totals = Totals::default();
    let customers = view.by("tier").equal(tier.name());
    let mut page = customers.list()?;
    loop {
        page.iter().for_each(|(_, bought)| totals.add(bought));
        let Some(next) = &page.next else { return Ok(totals) };
        page = customers.clone().from_cursor(next).list()?;
    }
}

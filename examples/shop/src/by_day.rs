use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use actuarius::clock::ManualClock;
use actuarius::history::FieldChange;
use actuarius::{Runtime, Timestamp, Version};

use crate::clients::share_out;
use crate::replay::book;
use crate::views::Spend;
use crate::{Customer, CustomerEvent, Date, History, Progress, Shop, Spender, Trouble};

/// A shop in which every purchase is booked on the day it was made: its clock is that of the file. So it can
/// be asked what was on any day.
pub struct ShopByDay {
    shop: Shop,
    clock: Arc<ManualClock>,
}

/// A purchase in a customer's history, and what the customer had bought by then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stride {
    /// When it was booked.
    pub time: Timestamp,
    /// The purchase.
    pub event: CustomerEvent,
    /// The customer after it.
    pub customer: Customer,
}

impl ShopByDay {
    /// Opens the shop whose store is in `directory`, which is made if it does not exist.
    ///
    /// # Errors
    /// [`Trouble::Open`].
    pub async fn open(directory: &Path) -> Result<Self, Trouble> {
        let clock = Arc::new(ManualClock::default());
        let shop = Shop::open_with(Runtime::builder().clock(clock.clone()), directory).await?;
        Ok(Self { shop, clock })
    }

    /// Sends every purchase of `history` that is not there already, day after day: those of one day by many
    /// clients at once. When a day begins, all purchases of the one before are on disk.
    ///
    /// # Errors
    /// [`Trouble::Purchase`]: replaying again is safe.
    pub async fn replay(
        &self,
        history: &History,
        clients: usize,
        progress: Arc<dyn Progress>,
    ) -> Result<(), Trouble> {
        for (day, bought) in by_day(history) {
            self.clock.set(day.noon());
            let (count, bought) = (bought.len(), Arc::new(bought));
            let (customers, buyers) = (self.shop.customers.clone(), history.buyers.clone());
            let progress = progress.clone();
            share_out(clients, count, move |piece| {
                let (customers, buyers) = (customers.clone(), buyers.clone());
                let (bought, progress) = (bought.clone(), progress.clone());
                async move {
                    let (buyer, purchases) = &bought[piece];
                    for &index in purchases {
                        book(&customers, &buyers[*buyer], index).await?;
                        progress.acknowledged();
                    }
                    Ok(())
                }
            })
            .await?;
        }
        Ok(())
    }

    /// The customers who had spent most on the evening of a day, the best first: the rows of the view
    /// as they were then, built aside from the log.
    ///
    /// # Errors
    /// [`Trouble::Past`], [`Trouble::Rows`]; nothing was changed.
    pub async fn best(&self, day: Date, limit: usize) -> Result<Vec<Spender>, Trouble> {
        let spend = self.shop.runtime.keyed::<Spend>("spend").on::<Customer>();
        let rows = spend.as_of(day.end()).await?;
        let best = rows.by("spent").descending().limit(limit).list()?;
        Ok(best.into_iter().map(|(id, bought)| Spender { id, bought }).collect())
    }

    /// A customer's purchases up to the evening of a day, step by step.
    ///
    /// # Errors
    /// [`Trouble::Query`].
    pub async fn steps(&self, customer: &str, until: Date) -> Result<Vec<Stride>, Trouble> {
        let mut history = self.shop.customers.history(customer).until(until.end());
        let mut strides = Vec::new();
        let trouble = |source| Trouble::Query { customer: customer.to_owned(), source };
        while let Some(step) = history.next().await.map_err(trouble)? {
            let (time, customer) = (step.envelope.header.time, step.state.clone());
            strides.push(Stride { time, event: step.envelope.event, customer });
        }
        Ok(strides)
    }

    /// What has become different for a customer between the evening of a day and now: in how many purchases,
    /// and which fields.
    ///
    /// # Errors
    /// [`Trouble::Query`].
    pub async fn since(
        &self,
        customer: &str,
        day: Date,
    ) -> Result<(u64, Vec<FieldChange>), Trouble> {
        let trouble = |source| Trouble::Query { customer: customer.to_owned(), source };
        let now = Version::new(u64::MAX);
        let diff = self.shop.customers.diff(customer, day.end(), now).await.map_err(trouble)?;
        let changes = diff.changes().map_err(|error| trouble(error.into()))?;
        Ok((diff.events(), changes))
    }

    /// Closes the shop.
    ///
    /// # Errors
    /// [`Trouble::Closing`]. What was acknowledged is on disk all the same.
    pub async fn close(self) -> Result<(), Trouble> {
        self.shop.close().await
    }
}

/// Who bought on a day, and which of their purchases these are; by their places in the history.
type Bought = Vec<(usize, Vec<usize>)>;

fn by_day(history: &History) -> BTreeMap<Date, Bought> {
    let mut days: BTreeMap<Date, Bought> = BTreeMap::new();
    for (place, buyer) in history.buyers.iter().enumerate() {
        for (index, purchase) in buyer.purchases.iter().enumerate() {
            let bought = days.entry(purchase.date).or_default();
            match bought.last_mut() {
                Some((last, purchases)) if *last == place => purchases.push(index),
                _ => bought.push((place, vec![index])),
            }
        }
    }
    days
}

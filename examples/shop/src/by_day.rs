//! A shop whose clock follows the file, so that its past can be queried by day.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use actuarius::clock::ManualClock;
use actuarius::history::FieldChange;
use actuarius::{Runtime, Timestamp, Version};

use crate::replay::book;
use crate::views::Spend;
use crate::{Customer, CustomerEvent, Date, History, Progress, Shop, ShopError, Spender};
use example_support::share_out;

/// A shop in which every purchase is booked on its own day, because the clock follows the file. So the state on any
/// day can be queried.
pub struct ShopByDay {
    shop: Shop,
    clock: Arc<ManualClock>,
}

/// A purchase in a customer's history, and the customer after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastStep {
    /// When it was booked.
    pub time: Timestamp,
    /// The purchase.
    pub event: CustomerEvent,
    /// The customer after it.
    pub customer: Customer,
}

impl ShopByDay {
    /// Opens the shop whose store is in `directory`, which is created if it does not exist.
    ///
    /// # Errors
    /// [`ShopError::Open`].
    pub async fn open(directory: &Path) -> Result<Self, ShopError> {
        let clock = Arc::new(ManualClock::default());
        let shop = Shop::open_with(Runtime::builder().clock(clock.clone()), directory).await?;
        Ok(Self { shop, clock })
    }

    /// Sends every purchase of `history` that is not there already, day after day. Many clients send the purchases of
    /// one day at once. When a day begins, all purchases of the previous day are on disk.
    ///
    /// # Errors
    /// [`ShopError::Purchase`]: replaying again is safe.
    pub async fn replay(
        &self,
        history: &History,
        clients: usize,
        progress: Arc<dyn Progress>,
    ) -> Result<(), ShopError> {
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
                    Ok::<(), ShopError>(())
                }
            })
            .await?;
        }
        Ok(())
    }

    /// The customers who had spent most by the evening of a day, in descending order: the rows of the view at that
    /// time, rebuilt from the log without changing the view.
    ///
    /// # Errors
    /// [`ShopError::Past`], [`ShopError::Rows`]; nothing was changed.
    pub async fn best(&self, day: Date, limit: usize) -> Result<Vec<Spender>, ShopError> {
        let spend = self.shop.runtime.keyed::<Spend>("spend").on::<Customer>();
        let rows = spend.as_of(day.end()).await?;
        let best = rows.by("spent").descending().limit(limit).list()?;
        Ok(best.into_iter().map(|(id, bought)| Spender { id, bought }).collect())
    }

    /// A customer's purchases up to the evening of a day, step by step.
    ///
    /// # Errors
    /// [`ShopError::Query`].
    pub async fn steps(&self, customer: &str, until: Date) -> Result<Vec<PastStep>, ShopError> {
        let mut history = self.shop.customers.history(customer).until(until.end());
        let mut steps = Vec::new();
        let error = |source| ShopError::Query { customer: customer.to_owned(), source };
        while let Some(step) = history.next().await.map_err(error)? {
            let (time, customer) = (step.envelope.header.time, step.state.clone());
            steps.push(PastStep { time, event: step.envelope.event, customer });
        }
        Ok(steps)
    }

    /// The changes of a customer between the evening of a day and now: the number of purchases, and the fields.
    ///
    /// # Errors
    /// [`ShopError::Query`].
    pub async fn since(
        &self,
        customer: &str,
        day: Date,
    ) -> Result<(u64, Vec<FieldChange>), ShopError> {
        let error = |source| ShopError::Query { customer: customer.to_owned(), source };
        let now = Version::new(u64::MAX);
        let diff = self.shop.customers.diff(customer, day.end(), now).await.map_err(error)?;
        let changes = diff.changes().map_err(|source| error(source.into()))?;
        Ok((diff.events(), changes))
    }

    /// Closes the shop.
    ///
    /// # Errors
    /// [`ShopError::Closing`]. Acknowledged purchases are on disk nevertheless.
    pub async fn close(self) -> Result<(), ShopError> {
        self.shop.close().await
    }
}

/// The buyers of a day and their purchases on it, by their indexes in the history.
type Bought = Vec<(usize, Vec<usize>)>;

fn by_day(history: &History) -> BTreeMap<Date, Bought> {
    let mut days: BTreeMap<Date, Bought> = BTreeMap::new();
    for (number, buyer) in history.buyers.iter().enumerate() {
        for (index, purchase) in buyer.purchases.iter().enumerate() {
            let bought = days.entry(purchase.date).or_default();
            match bought.last_mut() {
                Some((last, purchases)) if *last == number => purchases.push(index),
                _ => bought.push((number, vec![index])),
            }
        }
    }
    days
}

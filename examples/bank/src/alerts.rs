use actuarius::error::{BoxError, StartError};
use actuarius::subscription::Subscription;
use actuarius::{Envelope, Runtime};
use tokio::sync::mpsc;

use crate::{Account, AccountEvent, Cents};

/// A withdrawal that somebody should hear of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LargeWithdrawal {
    /// Whose.
    pub account: String,
    /// The number of its event in the account: who hears of the same one twice knows it by that.
    pub number: u64,
    /// How much.
    pub amount: Cents,
}

/// Sends every withdrawal of `limit` or more from now on to `listener`: those of each account in
/// order, each at least once, also after a restart. What happened before the very first start is no
/// news. While the listener has no room, the announcements wait, and nobody else does.
///
/// # Errors
/// [`StartError`]; nothing was announced.
pub async fn announce_large_withdrawals(
    runtime: &Runtime,
    limit: Cents,
    listener: mpsc::Sender<LargeWithdrawal>,
) -> Result<Subscription, StartError> {
    let announce = move |envelope: Envelope<Account>| {
        let listener = listener.clone();
        async move {
            if let Some(withdrawal) = large(&envelope, limit) {
                // When nobody listens any more, it is tried again, and then parked.
                listener.send(withdrawal).await?;
            }
            Ok::<_, BoxError>(())
        }
    };
    let subscription = runtime.subscribe("large-withdrawals").on_only(["Withdrawn"], announce);
    subscription.from_end().start().await
}

fn large(envelope: &Envelope<Account>, limit: Cents) -> Option<LargeWithdrawal> {
    match envelope.event {
        AccountEvent::Withdrawn(amount) if amount >= limit => Some(LargeWithdrawal {
            account: envelope.id.to_string(),
            number: envelope.header.version.get(),
            amount,
        }),
        _ => None,
    }
}

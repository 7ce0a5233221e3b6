//! Alerts of large withdrawals, by a subscription.

use actuarius::error::{BoxError, StartError};
use actuarius::subscription::Subscription;
use actuarius::{Envelope, Runtime};
use tokio::sync::mpsc;

use crate::{Account, AccountEvent, Cents};

/// A withdrawal that a listener is alerted to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LargeWithdrawal {
    /// The account.
    pub account: String,
    /// The version of the account after it. A listener recognises a repeated alert by it.
    pub number: u64,
    /// The amount.
    pub amount: Cents,
}

/// Sends every withdrawal of `limit` or more from now on to `listener`: in order for each account, and at least
/// once each, even after a restart. Withdrawals before the very first start are skipped. While the listener has no
/// room, only the alerts wait.
///
/// # Errors
/// [`StartError`]; nothing was sent.
pub async fn announce_large_withdrawals(
    runtime: &Runtime,
    limit: Cents,
    listener: mpsc::Sender<LargeWithdrawal>,
) -> Result<Subscription, StartError> {
    let announce = move |envelope: Envelope<Account>| {
        let listener = listener.clone();
        async move {
            if let Some(withdrawal) = large(&envelope, limit) {
                // If the listener has been dropped, the event is retried, and then parked.
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

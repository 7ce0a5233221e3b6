//! The balance sheet, which must close when no transfer is in progress.

use actuarius::saga::SagaCounts;
use bank::Cents;

use crate::open_bank::{ACCOUNTS, Bank, JobError, OPENING, account, is_closed};
use crate::orders::Orders;

/// Sums that must agree when no transfer is in progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sheet {
    /// The sum of the opening balances.
    pub(crate) opened: Cents,
    /// The sum of the balances, queried account by account.
    pub(crate) found: Cents,
    /// The counts of the orders.
    pub(crate) orders: Orders,
    /// The counts of the saga's instances.
    pub(crate) transfers: SagaCounts,
}

impl Sheet {
    pub(crate) async fn of(bank: &Bank) -> Result<Self, JobError> {
        let open = (0..ACCOUNTS).filter(|number| !is_closed(*number)).count() as i64;
        let mut found = 0;
        for number in 0..ACCOUNTS {
            found += bank.accounts.query(account(number), |account| account.balance.0).await?;
        }
        Ok(Self {
            opened: Cents(open * OPENING.0),
            found: Cents(found),
            orders: bank.placed.read(|orders| *orders),
            transfers: bank.transfers.counts(),
        })
    }

    /// Describes every disagreement. Empty if the sheet closes.
    pub(crate) fn differences(&self) -> Vec<String> {
        let Self { opened, found, orders, transfers } = self;
        let ended = transfers.completed + transfers.compensated + transfers.failed;
        let undone = transfers.compensated + transfers.failed;
        let checks = [
            (opened == found, format!("{opened} were put in, {found} are there")),
            (transfers.live == 0, format!("{} are in progress", transfers.live)),
            (orders.placed == ended, format!("{} were ordered, {ended} ended", orders.placed)),
            (
                orders.finished == transfers.completed && orders.refused == undone,
                format!("the orders count {orders:?}, the transfers {transfers:?}"),
            ),
        ];
        checks.into_iter().filter(|(agree, _)| !agree).map(|(_, how)| how).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sheet_closes_only_if_money_and_orders_agree() {
        let closing = Sheet {
            opened: Cents(500),
            found: Cents(500),
            orders: Orders::default(),
            transfers: SagaCounts::default(),
        };
        assert_eq!(closing.differences(), Vec::<String>::new());
        let short = Sheet { found: Cents(499), ..closing.clone() };
        assert_eq!(short.differences(), ["5.00 were put in, 4.99 are there"]);
        let lost = Sheet { orders: Orders { placed: 1, ..Orders::default() }, ..closing.clone() };
        assert_eq!(lost.differences(), ["1 were ordered, 0 ended"]);
        let mut late = closing;
        late.transfers.live = 2;
        assert_eq!(late.differences(), ["2 are in progress"]);
    }
}

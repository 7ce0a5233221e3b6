use actuarius::saga::SagaCounts;
use bank::Cents;

use crate::house::{ACCOUNTS, House, OPENING, Trouble, account, is_closed};
use crate::orders::Orders;

/// What must agree when no transfer is under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sheet {
    /// What was put into the accounts when they were opened.
    pub(crate) opened: Cents,
    /// What is in them, asked account by account.
    pub(crate) found: Cents,
    /// What the orders say.
    pub(crate) orders: Orders,
    /// What the sagas say.
    pub(crate) transfers: SagaCounts,
}

impl Sheet {
    pub(crate) async fn of(house: &House) -> Result<Self, Trouble> {
        let open = (0..ACCOUNTS).filter(|number| !is_closed(*number)).count() as i64;
        let mut found = 0;
        for number in 0..ACCOUNTS {
            found += house.accounts.query(account(number), |account| account.balance.0).await?;
        }
        Ok(Self {
            opened: Cents(open * OPENING.0),
            found: Cents(found),
            orders: house.placed.read(|orders| *orders),
            transfers: house.transfers.counts(),
        })
    }

    /// Everything that does not agree, in words; empty if the sheet closes.
    pub(crate) fn differences(&self) -> Vec<String> {
        let Self { opened, found, orders, transfers } = self;
        let ended = transfers.completed + transfers.compensated + transfers.failed;
        let undone = transfers.compensated + transfers.failed;
        let checks = [
            (opened == found, format!("{opened} were put in, {found} are there")),
            (transfers.live == 0, format!("{} are under way", transfers.live)),
            (orders.placed == ended, format!("{} were ordered, {ended} ended", orders.placed)),
            (
                orders.finished == transfers.completed && orders.refused == undone,
                format!("the orders say {orders:?}, the transfers {transfers:?}"),
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
        assert_eq!(late.differences(), ["2 are under way"]);
    }
}

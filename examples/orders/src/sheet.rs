//! The balance sheet, which must close when no order is in progress.

use actuarius::saga::SagaCounts;
use orders::{Cents, Item};

use crate::books::Books;
use crate::plan::{self, ITEMS, named};
use crate::shop::{JobError, Shop};

/// Sums that must agree when no order is in progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sheet {
    /// The initial stock of all items.
    pub(crate) stock: u64,
    /// The stock that is left, queried item by item.
    pub(crate) left: u64,
    /// The reserved part of it.
    pub(crate) reserved: u64,
    /// The sums over orders, payments and shipments.
    pub(crate) books: Books,
    /// The counts of the saga's instances.
    pub(crate) fulfilments: SagaCounts,
}

impl Sheet {
    pub(crate) async fn of(shop: &Shop) -> Result<Self, JobError> {
        let (mut left, mut reserved) = (0, 0);
        for number in 0..ITEMS {
            let item = named::<Item>("item", number);
            let stock = |item: &Item| (u64::from(item.on_shelf), u64::from(item.free()));
            let (on_shelf, free) = shop.items.query(&item, stock).await?;
            left += on_shelf;
            reserved += on_shelf - free;
        }
        Ok(Self {
            stock: (0..ITEMS).map(|number| u64::from(plan::stock(number))).sum(),
            left,
            reserved,
            books: shop.books.read(Books::clone),
            fulfilments: shop.fulfilments.counts(),
        })
    }

    /// The money that was received and not refunded.
    pub(crate) fn taken(&self) -> Cents {
        Cents(self.books.paid.0.saturating_sub(self.books.refunded.0))
    }

    /// Describes every disagreement. Empty if the sheet closes.
    pub(crate) fn differences(&self) -> Vec<String> {
        let Self { stock, left, reserved, books, fulfilments } = self;
        let (shipped, taken, price) = (books.shipped, self.taken(), books.price);
        let checks = [
            (*stock == left + shipped, format!("{stock} in stock, {left} left, {shipped} shipped")),
            (*reserved == 0, format!("{reserved} are still reserved")),
            (taken == price, format!("{taken} were paid for goods that cost {price}")),
            (books.open.is_empty(), format!("{} orders are open", books.open.len())),
            (
                books.parcels == books.fulfilled,
                format!("{} parcels for {} orders", books.parcels, books.fulfilled),
            ),
            (
                (fulfilments.live, fulfilments.failed) == (0, 0)
                    && (fulfilments.completed, fulfilments.compensated)
                        == (books.fulfilled, books.refused),
                format!("the fulfilments count {fulfilments:?}"),
            ),
        ];
        checks.into_iter().filter(|(agree, _)| !agree).map(|(_, how)| how).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sheet_closes_only_if_goods_money_and_orders_agree() {
        let closing = Sheet {
            stock: 9,
            left: 9,
            reserved: 0,
            books: Books::default(),
            fulfilments: SagaCounts::default(),
        };
        assert_eq!(closing.differences(), Vec::<String>::new());
        let lost = Sheet { left: 8, ..closing.clone() };
        assert_eq!(lost.differences(), ["9 in stock, 8 left, 0 shipped"]);
        let kept = Sheet { reserved: 1, ..closing.clone() };
        assert_eq!(kept.differences(), ["1 are still reserved"]);
        let books = Books { paid: Cents(500), refunded: Cents(100), ..Books::default() };
        let overpaid = Sheet { books, ..closing };
        assert_eq!(overpaid.differences(), ["4.00 were paid for goods that cost 0.00"]);
    }
}

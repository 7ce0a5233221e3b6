use actuarius::saga::SagaCounts;
use orders::{Cents, Item};

use crate::books::Books;
use crate::house::{House, Trouble};
use crate::plan::{self, ITEMS, named};

/// What must agree when no order is under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sheet {
    /// How many things were on the shelves at first.
    pub(crate) stock: u64,
    /// How many are there, asked item by item.
    pub(crate) left: u64,
    /// How many of those are reserved.
    pub(crate) reserved: u64,
    /// What orders, payments and parcels say.
    pub(crate) books: Books,
    /// What the sagas say.
    pub(crate) fulfilments: SagaCounts,
}

impl Sheet {
    pub(crate) async fn of(house: &House) -> Result<Self, Trouble> {
        let (mut left, mut reserved) = (0, 0);
        for number in 0..ITEMS {
            let item = named::<Item>("item", number);
            let look = |item: &Item| (u64::from(item.on_shelf), u64::from(item.free()));
            let (on_shelf, free) = house.items.query(&item, look).await?;
            left += on_shelf;
            reserved += on_shelf - free;
        }
        Ok(Self {
            stock: (0..ITEMS).map(|number| u64::from(plan::stock(number))).sum(),
            left,
            reserved,
            books: house.books.read(Books::clone),
            fulfilments: house.fulfilments.counts(),
        })
    }

    /// The money that came and did not go back.
    pub(crate) fn taken(&self) -> Cents {
        Cents(self.books.paid.0.saturating_sub(self.books.refunded.0))
    }

    /// Everything that does not agree, in words; empty if the sheet closes.
    pub(crate) fn differences(&self) -> Vec<String> {
        let Self { stock, left, reserved, books, fulfilments } = self;
        let (shipped, taken, price) = (books.shipped, self.taken(), books.price);
        let checks = [
            (*stock == left + shipped, format!("{stock} were here, {left} are, {shipped} left")),
            (*reserved == 0, format!("{reserved} are still reserved")),
            (taken == price, format!("{taken} were taken for what costs {price}")),
            (books.open.is_empty(), format!("{} orders are open", books.open.len())),
            (
                books.parcels == books.fulfilled,
                format!("{} parcels for {} orders", books.parcels, books.fulfilled),
            ),
            (
                (fulfilments.live, fulfilments.failed) == (0, 0)
                    && (fulfilments.completed, fulfilments.compensated)
                        == (books.fulfilled, books.refused),
                format!("the fulfilments say {fulfilments:?}"),
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
        assert_eq!(lost.differences(), ["9 were here, 8 are, 0 left"]);
        let kept = Sheet { reserved: 1, ..closing.clone() };
        assert_eq!(kept.differences(), ["1 are still reserved"]);
        let books = Books { paid: Cents(500), refunded: Cents(100), ..Books::default() };
        let overpaid = Sheet { books, ..closing };
        assert_eq!(overpaid.differences(), ["4.00 were taken for what costs 0.00"]);
    }
}

//! The shop's views: each one without a runtime, and all of them against the file, through restarts
//! and lost tables.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use actuarius::projection::RowPage;
use actuarius::testing::{rows_of, view};
use shop::{
    Cents, Customer, CustomerEvent, Date, Figures, History, Lags, Months, Progress, Shop, Spend,
    Sums, Tier, Views,
};

/// The number of best customers that are compared.
const BEST: usize = 25;

fn bought(year: u16, month: u8, cds: u32, cents: u64) -> CustomerEvent {
    let date = Date::new(year, month, 1).unwrap();
    CustomerEvent::Purchased { date, cds, cents: Cents(cents) }
}

fn sums(purchases: u64, cds: u64, cents: u64) -> Sums {
    Sums { purchases, cds, spent: Cents(cents) }
}

#[test]
fn a_month_has_the_purchases_of_all_customers() {
    let month = |text: &str| text.parse().unwrap();
    let expected = [("1997-01", sums(2, 5, 700)), ("1998-01", sums(1, 1, 9))];
    let _ = view::<Months>()
        .given::<Customer>("a", [bought(1997, 1, 2, 300), bought(1998, 1, 1, 9)])
        .given::<Customer>("b", [bought(1997, 1, 3, 400)])
        .then(&Months(expected.map(|(text, sums)| (month(text), sums)).into()));
}

#[test]
fn a_customer_is_found_by_amount_and_moves_up_from_tier_to_tier() {
    let (silver, gold) = (Tier::Silver.begins_at().0, Tier::Gold.begins_at().0);
    let rows = rows_of::<Spend>()
        .given::<Customer>("a", [bought(1997, 1, 1, silver), bought(1997, 2, 1, gold - silver)])
        .given::<Customer>("b", [bought(1997, 1, 1, gold - 1)])
        .given::<Customer>("c", [bought(1997, 1, 1, 0)])
        .then_row("a", Some(&sums(2, 2, gold)));
    let ids = |rows: RowPage<Spend>| rows.into_iter().map(|(id, _)| id).collect::<String>();
    assert_eq!(ids(rows.by("spent").descending().list().unwrap()), "abc");
    for (tier, members) in [(Tier::Gold, "a"), (Tier::Silver, "b"), (Tier::Bronze, "c")] {
        assert_eq!(ids(rows.by("tier").equal(tier.name()).list().unwrap()), members);
    }
}

struct Nobody;

impl Progress for Nobody {
    fn acknowledged(&self) {}
}

fn sample() -> History {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("data/cdnow-purchases-sample.txt");
    History::read(&file).unwrap()
}

/// Returns the purchases of every other customer.
fn first_half(history: &History) -> History {
    let mut half = history.clone();
    half.buyers = history.buyers.iter().step_by(2).cloned().collect();
    half
}

async fn open(directory: &Path) -> (Shop, Views) {
    let shop = Shop::open(directory).await.unwrap();
    let views = shop.views().await.unwrap();
    (shop, views)
}

async fn replay(shop: &Shop, history: &History) {
    shop.replay(history, 256, Arc::new(Instant::now()), Arc::new(Nobody)).await.unwrap();
}

/// Asserts that all views equal the file.
async fn check(shop: &Shop, views: &Views, history: &History) {
    shop.caught_up().await.unwrap();
    let expected = Figures::of(history, BEST);
    assert_eq!(views.figures(BEST).unwrap(), expected);
    assert_eq!(views.reported(BEST).unwrap(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn views_that_follow_the_replay_equal_the_file_and_continue_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let history = sample();
    let (shop, views) = open(directory.path()).await;
    assert_eq!(views.lag_at_start(), Lags { months: 0, spend: 0, report: 0 });
    replay(&shop, &history).await;
    check(&shop, &views, &history).await;
    let figures = Figures::of(&history, BEST);
    assert_eq!((figures.by_tier(), figures.by_month()), (history.totals, history.totals.bought));
    drop(views);
    shop.close().await.unwrap();

    let (shop, views) = open(directory.path()).await;
    assert_eq!(views.lag_at_start(), Lags { months: 0, spend: 0, report: 0 });
    check(&shop, &views, &history).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shop_dropped_during_the_replay_loses_no_purchase_and_counts_none_twice() {
    let directory = tempfile::tempdir().unwrap();
    let history = sample();
    let half = first_half(&history);
    let (shop, views) = open(directory.path()).await;
    replay(&shop, &half).await;
    // The shop is dropped without waiting for the views and without a shutdown.
    drop((shop, views));
    let (shop, views) = open(directory.path()).await;
    check(&shop, &views, &half).await;
    replay(&shop, &history).await;
    drop((shop, views));
    let (shop, views) = open(directory.path()).await;
    check(&shop, &views, &history).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_tables_are_rebuilt() {
    let directory = tempfile::tempdir().unwrap();
    let history = first_half(&sample());
    let (shop, views) = open(directory.path()).await;
    replay(&shop, &history).await;
    check(&shop, &views, &history).await;
    let file = views.report_file().to_owned();
    drop(views);
    shop.close().await.unwrap();
    std::fs::remove_file(file).unwrap();

    let (shop, views) = open(directory.path()).await;
    check(&shop, &views, &history).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn customers_who_spent_the_same_have_the_same_order_everywhere() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("alike.txt");
    let lines = (0..60).map(|id| format!("{id} 19970101 1 {}.00\n", id % 3));
    std::fs::write(&file, lines.collect::<String>()).unwrap();
    let history = History::read(&file).unwrap();
    let (shop, views) = open(&home.path().join("shop")).await;
    replay(&shop, &history).await;
    check(&shop, &views, &history).await;
    assert_eq!(shop.books(&history, BEST).await.unwrap().best, Figures::of(&history, BEST).best);
}

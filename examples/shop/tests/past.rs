//! Past states on real purchases: the answers of the shop equal those computed from the file.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use shop::{Books, Customer, CustomerEvent, Date, Figures, History, Progress, ShopByDay};

struct Nobody;

impl Progress for Nobody {
    fn acknowledged(&self) {}
}

fn sample() -> History {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("data/cdnow-purchases-sample.txt");
    History::read(&file).unwrap()
}

fn days() -> impl Iterator<Item = Date> {
    ["19961231", "19970101", "19970630", "19971224", "19980630", "20260101"]
        .into_iter()
        .map(|day| day.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_top_ten_of_any_day_equal_those_of_the_file_up_to_that_day() {
    let directory = tempfile::tempdir().unwrap();
    let history = sample();
    // The second replay writes nothing and changes no time.
    for _ in 0..2 {
        let shop = ShopByDay::open(directory.path()).await.unwrap();
        shop.replay(&history, 256, Arc::new(Nobody)).await.unwrap();
        for day in days() {
            let expected = Figures::of(&history.until(day), 10).best;
            assert_eq!(shop.best(day, 10).await.unwrap(), expected, "{day}");
        }
        shop.close().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_history_of_a_customer_equals_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let history = sample();
    let shop = ShopByDay::open(directory.path()).await.unwrap();
    shop.replay(&history, 256, Arc::new(Nobody)).await.unwrap();
    let buyer = &history.buyers[0];
    for day in days() {
        let steps = shop.steps(&buyer.id, day).await.unwrap();
        let expected: Vec<_> = buyer.purchases.iter().take_while(|it| it.date <= day).collect();
        assert_eq!(steps.len(), expected.len(), "{day}");
        let mut customer = Customer::default();
        for (step, purchase) in steps.iter().zip(&expected) {
            let CustomerEvent::Purchased { date, cds, cents } = step.event;
            assert_eq!((date, cds, cents), (purchase.date, purchase.cds, purchase.cents));
            assert_eq!(step.time, purchase.date.noon());
            actuarius::Aggregate::apply(&mut customer, &step.event);
            assert_eq!(step.customer, customer);
        }
        let (later, changes) = shop.since(&buyer.id, day).await.unwrap();
        assert_eq!(later as usize, buyer.purchases.len() - expected.len());
        assert_eq!(changes.is_empty(), later == 0);
    }
    let everybody = shop.best(days().last().unwrap(), 5_000).await.unwrap();
    assert_eq!(Books::of(everybody, 0).totals, history.totals);
    shop.close().await.unwrap();
}

#[test]
fn the_program_shows_past_states() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().to_str().unwrap();
    let run = Command::new(env!("CARGO_BIN_EXE_shop"))
        .args(["--data", data, "--as-of", "19970630"])
        .output()
        .unwrap();
    let text = String::from_utf8(run.stdout).unwrap();
    assert!(run.status.success(), "{text}");
    assert!(text.contains("All sums agree, to the cent.\n"), "{text}");
    let history = sample().until("19970630".parse().unwrap());
    let best = &Figures::of(&history, 1).best[0];
    let (_, past) = text.split_once("Best customers, as it was on 1997-06-30").expect("a section");
    assert!(past.contains(&format!("   1  {:<8}", best.id)), "{past}");
    assert!(past.contains(&format!("Customer {}, step by step", best.id)), "{past}");
    assert!(past.contains("What has changed since 1997-06-30"), "{past}");
}

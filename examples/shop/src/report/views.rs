//! The sections about the views.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use shop::{BY_TIER, Figures, Lags, Month, Spender, Sums, Tier};

use super::numbers::{dollars, grouped, seconds};
use super::{ended, line, section};

pub(crate) fn views(lags: &Lags, took: Duration, report_file: &Path) -> String {
    let mut text = section("Views, computed from the log: no customer is asked");
    let mut view = |name, events, kept: &str| {
        line(&mut text, name, format_args!("{:>7} events to replay, {kept}", grouped(events)));
    };
    view("months", lags.months, "held in memory, saved on disk");
    view("spend", lags.spend, "rows on disk, found by amount and by tier, too");
    view("report", lags.report, &format!("tables in {}", report_file.display()));
    line(&mut text, "time", format_args!("{} s until all three showed everything", seconds(took)));
    ended(text)
}

pub(crate) fn months(figures: &Figures) -> String {
    let mut text = section("Revenue by month");
    let months: Vec<_> = figures.months.iter().collect();
    // In two columns, with the first half on the left.
    let left = months.len().div_ceil(2);
    let heading = format!("{:<7}   {:>6}   {:>10}", "month", "CDs", "dollars");
    let _ = writeln!(text, "  {}", two(&heading, Some(&heading).filter(|_| months.len() > 1)));
    for row in 0..left {
        let right = months.get(left + row).map(month_row);
        let _ = writeln!(text, "  {}", two(&month_row(&months[row]), right.as_ref()));
    }
    ended(text)
}

fn month_row((month, sums): &(&Month, &Sums)) -> String {
    format!("{:<7}   {:>6}   {:>10}", month.to_string(), grouped(sums.cds), dollars(sums.spent))
}

fn two(left: &str, right: Option<&String>) -> String {
    format!("{left}      {}", right.map_or("", String::as_str)).trim_end().to_owned()
}

pub(crate) fn best(spenders: &[Spender]) -> String {
    self::spenders("Best customers", spenders)
}

pub(super) fn spenders(heading: &str, spenders: &[Spender]) -> String {
    let mut text = section(heading);
    let _ = writeln!(text, "      customer   purchases     CDs       dollars   tier");
    for (rank, Spender { id, bought }) in spenders.iter().enumerate() {
        let (purchases, cds) = (grouped(bought.purchases), grouped(bought.cds));
        let (rank, spent, tier) = (rank + 1, dollars(bought.spent), Tier::of(bought.spent).name());
        let _ = writeln!(
            text,
            "  {rank:>2}  {id:<8}   {purchases:>9}   {cds:>5}   {spent:>11}   {tier}"
        );
    }
    ended(text)
}

pub(crate) fn tiers(figures: &Figures) -> String {
    let mut text = section("Loyalty");
    for (tier, totals) in &figures.tiers {
        let (customers, spent) = (grouped(totals.customers), dollars(totals.bought.spent));
        let begins = dollars(tier.begins_at());
        line(
            &mut text,
            tier.name(),
            format_args!(
                "{customers:>7} customers with {begins:>6} dollars or more: {spent:>12} dollars"
            ),
        );
    }
    ended(text)
}

/// A query to the tables, and its result as `sqlite3` prints it.
pub(crate) fn tables(report_file: &Path, reported: &Figures) -> String {
    let mut text = section("For any tool that speaks SQL");
    let _ = writeln!(text, "  sqlite3 {} \\\n    \"{BY_TIER}\"\n", report_file.display());
    let mut tiers: Vec<_> = reported.tiers.iter().filter(|(_, it)| it.customers > 0).collect();
    tiers.sort_by_key(|(tier, _)| tier.name());
    for (tier, totals) in tiers {
        let Sums { purchases, cds, spent } = totals.bought;
        let (tier, customers) = (tier.name(), totals.customers);
        let _ = writeln!(text, "  {tier}|{customers}|{purchases}|{cds}|{}", spent.0);
    }
    ended(text)
}

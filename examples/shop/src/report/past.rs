//! The sections of `--as-of`.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use actuarius::history::FieldChange;
use shop::{CustomerEvent, Date, PastStep, Spender, Tier};

use super::numbers::{dollars, grouped, seconds};
use super::{ended, line, section, views};

/// The number of newest steps of a history that are shown.
const STEPS: usize = 12;

pub(crate) fn by_day_begins(directory: &Path) -> String {
    let mut text = section("The same purchases, day by day, by the clock of the file");
    line(&mut text, "store", directory.display());
    ended(text)
}

pub(crate) fn by_day_ended(took: Duration) -> String {
    let mut text = String::new();
    line(&mut text, "time", format_args!("{} s", seconds(took)));
    ended(text)
}

pub(crate) fn best_on(day: Date, spenders: &[Spender]) -> String {
    views::spenders(&format!("Best customers, as it was on {day}"), spenders)
}

pub(crate) fn steps(customer: &str, steps: &[PastStep]) -> String {
    let mut text = section(&format!("Customer {customer}, step by step"));
    let first = steps.len().saturating_sub(STEPS);
    if first > 0 {
        let _ = writeln!(text, "  … {} earlier purchases", grouped(first as u64));
    }
    for PastStep { event, customer, .. } in &steps[first..] {
        let CustomerEvent::Purchased { date, cds, cents } = event;
        let (number, cost, spent) = (customer.purchases, dollars(*cents), dollars(customer.spent));
        let tier = Tier::of(customer.spent).name();
        let _ = writeln!(
            text,
            "  {number:>3}  {date}   {cds:>3} CDs   {cost:>9}   in all {spent:>11}   {tier}"
        );
    }
    ended(text)
}

pub(crate) fn since(day: Date, purchases: u64, changes: &[FieldChange]) -> String {
    let mut text = section(&format!("What has changed since {day}"));
    line(&mut text, "purchases", grouped(purchases));
    for change in changes {
        let _ = writeln!(text, "  {change}");
    }
    ended(text)
}

//! The command `balance`: compares the money with the log.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use actuarius::saga::InstanceStatus;
use actuarius::store::{CommitView, PageLimit, Reader};
use actuarius::{OpenError, Position, Runtime};

use super::Bank;
use super::bank::AccountEvent;
use crate::verify::Finding;
use crate::write::CLOSING;

/// The time limit for all transfers to end. Failed commands are retried every ten seconds.
const SETTLING: Duration = Duration::from_secs(60);

/// Opens the store, waits until every transfer has ended, and compares the money with the log: at each position no
/// money is created or lost, and at the end each transfer is completed or compensated.
///
/// # Errors
/// [`OpenError`] if the store does not open.
pub async fn balance(
    directory: &Path,
    on_finding: &mut impl FnMut(Finding),
) -> Result<(), OpenError> {
    let runtime = Runtime::open(directory).await?;
    match Bank::open(&runtime).await {
        Err(error) => on_finding(Finding::Damaged(error.to_string())),
        Ok(bank) => {
            if let Err(what) = check(&runtime, &bank, on_finding).await {
                on_finding(Finding::Bad(what));
            }
        }
    }
    if !runtime.shutdown(CLOSING).await.is_clean() {
        on_finding(Finding::Bad("the store did not close in time".to_owned()));
    }
    Ok(())
}

async fn check(
    runtime: &Runtime,
    bank: &Bank,
    on_finding: &mut impl FnMut(Finding),
) -> Result<(), String> {
    let failed = |error: &dyn std::fmt::Display| error.to_string();
    if let Err(error) = bank.transfers.settled(SETTLING).await {
        return Err(format!("{error}: {}", still_live(bank).await));
    }
    let orders = orders(&*runtime.reader().map_err(|error| failed(&error))?)?;
    let mut ends = BTreeMap::new();
    for order in &orders {
        let end = bank.transfers.end_of(order.as_str()).await.map_err(|error| failed(&error))?;
        ends.insert(order.clone(), end);
        on_finding(Finding::Ended(order.clone()));
    }
    let sheet = Sheet::of(&*runtime.reader().map_err(|error| failed(&error))?)?;
    for (order, end) in &ends {
        sheet.check(order, end)?;
    }
    let live = bank.transfers.counts().live;
    if live > 0 { Err(format!("{live} transfers are still live")) } else { Ok(()) }
}

/// Describes the first transfer that is still live, with its steps.
async fn still_live(bank: &Bank) -> String {
    let live = bank.transfers.list("", 1, |_| true);
    let Some(first) = live.first() else { return "none is live".to_owned() };
    let steps = bank.transfers.history(first.id.as_str(), 0).await.unwrap_or_default();
    let heard: Vec<_> = steps.into_iter().map(|step| (step.input, step.effects)).collect();
    format!("{first:?} {heard:?}")
}

/// The ids of all orders.
fn orders(reader: &dyn Reader) -> Result<Vec<String>, String> {
    let mut orders = Vec::new();
    walk(reader, |commit| {
        if commit.category == "order" {
            orders.push(commit.id.to_owned());
        }
        Ok(())
    })?;
    Ok(orders)
}

/// The money of each transfer, according to the log.
#[derive(Default)]
struct Sheet {
    /// By correlation id: the events of the money in order, and the amount that is in no account.
    by_correlation: BTreeMap<String, (Vec<AccountEvent>, i64)>,
    /// The sum of the opening balances.
    supply: i64,
    in_accounts: i64,
    in_transit: i64,
}

impl Sheet {
    fn of(reader: &dyn Reader) -> Result<Self, String> {
        let mut sheet = Self::default();
        walk(
            reader,
            |commit| if commit.category == "account" { sheet.add(commit) } else { Ok(()) },
        )?;
        if sheet.in_transit != 0 {
            return Err(format!("{} cents are in transit at the end", sheet.in_transit));
        }
        Ok(sheet)
    }

    fn add(&mut self, commit: &CommitView<'_>) -> Result<(), String> {
        for event in commit.events() {
            let correlation = commit.header(&event).correlation_id.to_string();
            let event: AccountEvent = event.decode().map_err(|error| error.to_string())?;
            let (account, transit) = match event {
                AccountEvent::Opened(cents) => {
                    self.supply += cents;
                    (cents, 0)
                }
                AccountEvent::Withdrawn(cents) | AccountEvent::Reversed(cents) => (-cents, cents),
                AccountEvent::Deposited(cents) | AccountEvent::Refunded(cents) => (cents, -cents),
                AccountEvent::Broken => {
                    return Err("an event that cannot be applied was stored".to_owned());
                }
            };
            self.in_accounts += account;
            self.in_transit += transit;
            if transit != 0 {
                let (events, in_transit) =
                    self.by_correlation.entry(correlation.clone()).or_default();
                events.push(event);
                *in_transit += transit;
                if *in_transit < 0 || *in_transit > transit.abs() {
                    return Err(format!(
                        "{correlation} has {in_transit} cents in transit after {events:?}"
                    ));
                }
            }
            self.check_now(commit.position)?;
        }
        Ok(())
    }

    fn check_now(&self, position: Position) -> Result<(), String> {
        let sum = self.in_accounts + self.in_transit;
        if sum == self.supply && self.in_transit >= 0 {
            return Ok(());
        }
        Err(format!("at position {position} there are {sum} cents of {}", self.supply))
    }

    /// Checks that a transfer was completed once, compensated once, or never begun.
    fn check(&self, order: &str, end: &InstanceStatus) -> Result<(), String> {
        let correlation = actuarius::CorrelationId::from(format!("saga/transfer/{order}"));
        let correlation = self.by_correlation.get(&correlation.to_string());
        let events = correlation.map(|(events, _)| events.as_slice()).unwrap_or_default();
        use AccountEvent::{Deposited, Refunded, Reversed, Withdrawn};
        let is_right = match (end, events) {
            (InstanceStatus::Completed, [Withdrawn(a), Deposited(b)]) => a == b,
            (InstanceStatus::Compensated { .. }, []) => true,
            (InstanceStatus::Compensated { .. }, [Withdrawn(a), Refunded(b)]) => a == b,
            (
                InstanceStatus::Compensated { .. },
                [Withdrawn(a), Deposited(b), Reversed(c), Refunded(d)],
            ) => [b, c, d] == [a, a, a],
            _ => false,
        };
        if is_right { Ok(()) } else { Err(format!("transfer {order} is {end} after {events:?}")) }
    }
}

fn walk(
    reader: &dyn Reader,
    mut each: impl FnMut(&CommitView<'_>) -> Result<(), String>,
) -> Result<(), String> {
    let mut after = Position::NONE;
    loop {
        let page =
            reader.read_log(after, PageLimit::default()).map_err(|error| error.to_string())?;
        let Some(last) = page.commits.last() else { return Ok(()) };
        after = last.last_position();
        for commit in &page.commits {
            each(&commit.view())?;
        }
    }
}

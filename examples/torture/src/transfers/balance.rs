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

/// How long all transfers may take to come to their ends: what failed outside is tried again every ten
/// seconds.
const SETTLING: Duration = Duration::from_secs(60);

/// Opens the store, has every transfer come to its end, and holds the money against the log: at each
/// position nothing is made and nothing lost, and in the end each transfer is done or undone.
///
/// # Errors
/// [`OpenError`] when it does not open.
pub async fn balance(directory: &Path, tell: &mut impl FnMut(Finding)) -> Result<(), OpenError> {
    let runtime = Runtime::open(directory).await?;
    match Bank::open(&runtime).await {
        Err(error) => tell(Finding::Damaged(error.to_string())),
        Ok(bank) => {
            if let Err(what) = look(&runtime, &bank, tell).await {
                tell(Finding::Bad(what));
            }
        }
    }
    if !runtime.shutdown(CLOSING).await.is_clean() {
        tell(Finding::Bad("the store did not close in time".to_owned()));
    }
    Ok(())
}

async fn look(
    runtime: &Runtime,
    bank: &Bank,
    tell: &mut impl FnMut(Finding),
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
        tell(Finding::Ended(order.clone()));
    }
    let sheet = Sheet::of(&*runtime.reader().map_err(|error| failed(&error))?)?;
    for (order, end) in &ends {
        sheet.check(order, end)?;
    }
    let live = bank.transfers.counts().live;
    if live > 0 { Err(format!("{live} transfers live on")) } else { Ok(()) }
}

/// What the first of those that live on has heard.
async fn still_live(bank: &Bank) -> String {
    let live = bank.transfers.list("", 1, |_| true);
    let Some(first) = live.first() else { return "none lives".to_owned() };
    let steps = bank.transfers.history(first.id.as_str(), 0).await.unwrap_or_default();
    let heard: Vec<_> = steps.into_iter().map(|step| (step.heard, step.effects)).collect();
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

/// What the log says of the money of each transfer.
#[derive(Default)]
struct Sheet {
    /// By story: what happened to the money, in order, and how much of it is in no account.
    stories: BTreeMap<String, (Vec<AccountEvent>, i64)>,
    /// What was put in when accounts were opened.
    supply: i64,
    in_accounts: i64,
    under_way: i64,
}

impl Sheet {
    fn of(reader: &dyn Reader) -> Result<Self, String> {
        let mut sheet = Self::default();
        walk(
            reader,
            |commit| if commit.category == "account" { sheet.add(commit) } else { Ok(()) },
        )?;
        if sheet.under_way != 0 {
            return Err(format!("{} cents are under way in the end", sheet.under_way));
        }
        Ok(sheet)
    }

    fn add(&mut self, commit: &CommitView<'_>) -> Result<(), String> {
        for event in commit.events() {
            let story = commit.header(&event).correlation_id.to_string();
            let event: AccountEvent = event.decode().map_err(|error| error.to_string())?;
            let (account, way) = match event {
                AccountEvent::Opened(cents) => {
                    self.supply += cents;
                    (cents, 0)
                }
                AccountEvent::Withdrawn(cents) | AccountEvent::Reversed(cents) => (-cents, cents),
                AccountEvent::Deposited(cents) | AccountEvent::Refunded(cents) => (cents, -cents),
                AccountEvent::Broken => return Err("what cannot be applied was stored".to_owned()),
            };
            self.in_accounts += account;
            self.under_way += way;
            if way != 0 {
                let (events, under_way) = self.stories.entry(story.clone()).or_default();
                events.push(event);
                *under_way += way;
                if *under_way < 0 || *under_way > way.abs() {
                    return Err(format!(
                        "{story} has {under_way} cents under way after {events:?}"
                    ));
                }
            }
            self.check_now(commit.position)?;
        }
        Ok(())
    }

    fn check_now(&self, position: Position) -> Result<(), String> {
        let sum = self.in_accounts + self.under_way;
        if sum == self.supply && self.under_way >= 0 {
            return Ok(());
        }
        Err(format!("at position {position} there are {sum} cents of {}", self.supply))
    }

    /// Done once, undone once, or never begun.
    fn check(&self, order: &str, end: &InstanceStatus) -> Result<(), String> {
        let story = actuarius::CorrelationId::from(format!("saga/transfer/{order}"));
        let story = self.stories.get(&story.to_string());
        let events = story.map(|(events, _)| events.as_slice()).unwrap_or_default();
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
        if is_right {
            Ok(())
        } else {
            Err(format!("transfer {order} is {end}, and did {events:?}"))
        }
    }
}

fn walk(
    reader: &dyn Reader,
    mut look: impl FnMut(&CommitView<'_>) -> Result<(), String>,
) -> Result<(), String> {
    let mut after = Position::NONE;
    loop {
        let page =
            reader.read_log(after, PageLimit::default()).map_err(|error| error.to_string())?;
        let Some(last) = page.commits.last() else { return Ok(()) };
        after = last.last_position();
        for commit in &page.commits {
            look(&commit.view())?;
        }
    }
}

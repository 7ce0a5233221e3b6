//! A keyed projection: one row for each account.

use actuarius::projection::{Cursor, Keyed, KeyedProjection, Rows, SecondaryKeys, View};
use actuarius::{Envelope, Runtime};
use serde::{Deserialize, Serialize};

use crate::account::AccountCommand::Deposit;
use crate::account::{Account, AccountEvent, open};

// region: view
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Balance {
    pub(crate) owner: String,
    pub(crate) cents: i64,
}

/// One row for each account.
pub(crate) struct Balances;

impl View for Balances {
    type Key = String;
    type Row = Balance;

    fn secondary(_: &String, row: &Balance, keys: &mut SecondaryKeys) {
        keys.add("owner", &row.owner);
        keys.add("cents", &row.cents);
    }
}

impl KeyedProjection<Account> for Balances {
    fn project(rows: &mut Rows<'_, Self>, envelope: &Envelope<Account>) {
        rows.update(envelope.id.as_str(), |row| match &envelope.event {
            AccountEvent::Opened { owner } => row.owner.clone_from(owner),
            AccountEvent::Deposited { cents } => row.cents += cents,
            AccountEvent::Withdrawn { cents } => row.cents -= cents,
        });
    }
}
// endregion: view

/// The view, with an account of Alice and one of Bob.
pub(crate) async fn balances(
    runtime: &Runtime,
) -> Result<Keyed<Balances>, Box<dyn std::error::Error>> {
    let accounts = runtime.host::<Account>();
    // region: start
    let balances = runtime.keyed::<Balances>("balances").on::<Account>().start().await?;
    // endregion: start
    for (owner, cents) in [("Alice", 500), ("Bob", 300)] {
        let id = owner.to_lowercase();
        accounts.execute(id.as_str(), open(owner)).await?;
        accounts.execute(id.as_str(), Deposit { cents }).consistent_with(&balances).await?;
    }
    Ok(balances)
}

#[tokio::test]
async fn rows_are_found_by_all_their_keys() -> Result<(), Box<dyn std::error::Error>> {
    let runtime = Runtime::in_memory().await?;
    let balances = balances(&runtime).await?;
    // region: read
    let alice = balances.get("alice")?; // Option<Balance>
    let richest = balances.by("cents").descending().limit(10).list()?; // of (String, Balance)
    let of_bob = balances.by("owner").equal("Bob").list()?;
    let at_least_400 = balances.by("cents").range(400i64..).list()?;
    let starting_with_a = balances.rows().starting_with("a").list()?;
    let accounts = balances.rows().limit(1);
    let page = accounts.list()?;
    let next = page.next.as_ref().map(ToString::to_string); // for the client
    let cursor: Cursor = next.unwrap_or_default().parse()?;
    let next_page = accounts.from_cursor(&cursor).list()?;
    // endregion: read
    assert_eq!(alice, Some(Balance { owner: "Alice".to_owned(), cents: 500 }));
    let names = |rows: &[(String, Balance)]| -> Vec<String> {
        rows.iter().map(|(key, _)| key.clone()).collect()
    };
    assert_eq!(names(&richest), ["alice", "bob"]);
    assert_eq!(names(&at_least_400), ["alice"]);
    assert_eq!((names(&of_bob), names(&next_page)), (vec!["bob".into()], vec!["bob".into()]));
    assert_eq!(names(&starting_with_a), ["alice"]);
    Ok(())
}

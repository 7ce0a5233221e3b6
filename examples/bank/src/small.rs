//! A whole bank in one file: three commands, three events, four refusals, and a program.
use actuarius::{Aggregate, Context, Runtime};
use serde::{Deserialize, Serialize};
use thiserror::Error;

#[derive(Default, Serialize, Deserialize)]
struct Account {
    open: bool,
    cents: i64,
}

enum AccountCommand {
    Open,
    Deposit { cents: i64 },
    Withdraw { cents: i64 },
}

#[derive(Serialize, Deserialize)]
enum AccountEvent {
    Opened,
    Deposited { cents: i64 },
    Withdrawn { cents: i64 },
}

#[derive(Debug, Error)]
enum AccountError {
    #[error("the account is open already")]
    AlreadyOpen,
    #[error("the account is not open")]
    NotOpen,
    #[error("{cents} cents cannot be moved")]
    BadAmount { cents: i64 },
    #[error("{needed} cents are more than the balance of {balance}")]
    InsufficientFunds { balance: i64, needed: i64 },
}

use AccountCommand::{Deposit, Open, Withdraw};
use AccountError::{AlreadyOpen, BadAmount, InsufficientFunds, NotOpen};
use AccountEvent::{Deposited, Opened, Withdrawn};

impl Aggregate for Account {
    const TYPE: &'static str = "account";
    type Command = AccountCommand;
    type Event = AccountEvent;
    type Error = AccountError;

    fn decide(
        &self,
        command: AccountCommand,
        _: &Context,
    ) -> Result<Vec<AccountEvent>, AccountError> {
        match command {
            Open if self.open => Err(AlreadyOpen),
            Open => Ok(vec![Opened]),
            _ if !self.open => Err(NotOpen),
            Deposit { cents } if cents <= 0 || self.cents.checked_add(cents).is_none() => {
                Err(BadAmount { cents })
            }
            Deposit { cents } => Ok(vec![Deposited { cents }]),
            Withdraw { cents } if cents <= 0 => Err(BadAmount { cents }),
            Withdraw { cents } if cents > self.cents => {
                Err(InsufficientFunds { balance: self.cents, needed: cents })
            }
            Withdraw { cents } => Ok(vec![Withdrawn { cents }]),
        }
    }

    fn apply(&mut self, event: &AccountEvent) {
        match event {
            Opened => self.open = true,
            Deposited { cents } => self.cents += cents,
            Withdrawn { cents } => self.cents -= cents,
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = std::env::args().nth(1).unwrap_or("data/small-bank".to_owned());
    let accounts = Runtime::open(directory).await?.host::<Account>();
    if !accounts.exists("alice").await? {
        accounts.execute("alice", Open).await?;
    }
    accounts.execute("alice", Deposit { cents: 500 }).await?; // durable now
    let balance = accounts.execute("alice", Withdraw { cents: 1 }).returning(|it| it.cents).await?;
    let refusal = accounts.execute("alice", Withdraw { cents: balance + 1 }).await.unwrap_err();
    println!("alice has {balance} cents; {refusal}");
    Ok(())
}

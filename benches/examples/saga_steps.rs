//! Counts what the steps of a saga cost, without a disk: processor time per event of a run with the saga, and without.
//! `cargo run --profile bench -p actuarius-bench --example saga_steps -- replacing 200000`, where the first word is
//! `none`, `idle`, `replacing`, `counting` or `transfers`.

use std::error::Error;
use std::time::{Duration, Instant};

use actuarius::saga::{Answer, Correlation, Effects, Outcome, ReactsTo, Saga, Sagas, Sends};
use actuarius::{Aggregate, Aggregates, Context, Envelope, Id, Runtime};
use serde::{Deserialize, Serialize};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const LONG: Duration = Duration::from_secs(600);
/// How many clients send at once.
const CLIENTS: u64 = 256;
/// How many aggregates they send to.
const AGGREGATES: u64 = 10_000;

#[derive(Default, Serialize, Deserialize)]
struct Journal(u64);

#[derive(Serialize, Deserialize)]
enum JournalEvent {
    Recorded { note: String },
}

impl Aggregate for Journal {
    const TYPE: &'static str = "journal";
    type Command = String;
    type Event = JournalEvent;
    type Error = std::convert::Infallible;

    fn decide(
        &self,
        note: String,
        _: &Context,
    ) -> std::result::Result<Vec<JournalEvent>, Self::Error> {
        Ok(vec![JournalEvent::Recorded { note }])
    }

    fn apply(&mut self, _: &JournalEvent) {
        self.0 += 1;
    }
}

/// What the saga does with each event.
#[derive(Clone, Copy, PartialEq)]
enum Work {
    None,
    /// Nothing, from the second event of a journal on.
    Idle,
    /// It replaces its deadline.
    Replacing,
    /// It changes its state and replaces its deadline.
    Counting,
    /// Two commands, one after the other, for each instance.
    Transfers,
}

macro_rules! watch {
    ($name:ident, $saga:ident => $react:expr) => {
        #[derive(Clone, Default, Serialize, Deserialize)]
        struct $name {
            owner: String,
            notes: u64,
        }

        impl Saga for $name {
            const TYPE: &'static str = "watch";
            type Deadline = ();
        }

        impl ReactsTo<Journal> for $name {
            fn correlate(event: &Envelope<Journal>) -> Correlation {
                Correlation::start_or_proceed(event.id.as_str())
            }

            fn react(&mut self, event: &Envelope<Journal>) -> Effects<Self> {
                if self.owner.is_empty() {
                    self.owner = format!("the owner of {}", event.id);
                }
                let $saga = self;
                $react
            }
        }
    };
}

const SILENCE: Duration = Duration::from_secs(30 * 24 * 3_600);

watch!(Idle, _saga => Effects::none());
watch!(Replacing, _saga => Effects::none().schedule_in(SILENCE, ()));
watch!(Counting, saga => { saga.notes += 1; Effects::none().schedule_in(SILENCE, ()) });

#[derive(Clone, Default, Serialize, Deserialize)]
struct Transfer {
    to: Option<Id<Journal>>,
}

impl Saga for Transfer {
    const TYPE: &'static str = "transfer";
    type Deadline = ();
}

impl Sends<Journal> for Transfer {
    fn answered(&mut self, answer: Answer<Journal>) -> Effects<Self> {
        match (answer.outcome, self.to.take()) {
            (Outcome::Rejected(never), _) => match never {},
            (Outcome::Accepted { .. }, Some(to)) => {
                Effects::none().send(&to, "deposited".to_owned())
            }
            (Outcome::Accepted { .. }, None) => Effects::complete(),
        }
    }
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let work = match arguments.next().as_deref() {
        None | Some("none") => Work::None,
        Some("idle") => Work::Idle,
        Some("replacing") => Work::Replacing,
        Some("counting") => Work::Counting,
        Some("transfers") => Work::Transfers,
        Some(other) => return Err(format!("unknown work {other}").into()),
    };
    let events = arguments.next().map_or(Ok(100_000), |events| events.parse())?;
    let tokio =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let (started, before) = (Instant::now(), cpu());
    tokio.block_on(run(work, events))?;
    let each = (cpu() - before).as_secs_f64() * 1e6 / events as f64;
    println!("{each:.2} us of CPU per event, {:.2?} in all", started.elapsed());
    Ok(())
}

async fn run(work: Work, events: u64) -> Result<()> {
    let runtime = Runtime::in_memory().await?;
    let journals = runtime.host::<Journal>();
    match work {
        Work::None => send(&journals, events).await?,
        Work::Idle => {
            heard(
                runtime.saga::<Idle>().reacts_to::<Journal>().sends_nothing().start().await?,
                &journals,
                events,
            )
            .await?;
        }
        Work::Replacing => {
            heard(
                runtime.saga::<Replacing>().reacts_to::<Journal>().sends_nothing().start().await?,
                &journals,
                events,
            )
            .await?;
        }
        Work::Counting => {
            heard(
                runtime.saga::<Counting>().reacts_to::<Journal>().sends_nothing().start().await?,
                &journals,
                events,
            )
            .await?;
        }
        Work::Transfers => {
            let sagas = runtime.saga::<Transfer>().sends_to(&journals).start().await?;
            transfer(&sagas, events).await?;
        }
    }
    let _ = runtime.shutdown(LONG).await;
    Ok(())
}

async fn heard<S: Saga>(saga: Sagas<S>, journals: &Aggregates<Journal>, events: u64) -> Result<()> {
    send(journals, events).await?;
    let sent = journals.execute("last", "x".to_owned()).await?;
    Ok(saga.wait_for_within(sent.position, LONG).await?)
}

async fn send(journals: &Aggregates<Journal>, events: u64) -> Result<()> {
    let clients = (0..CLIENTS).map(|client| {
        let journals = journals.clone();
        tokio::spawn(async move {
            for number in (client..events).step_by(CLIENTS as usize) {
                let id = format!("journal-{}", number.wrapping_mul(7_919) % AGGREGATES);
                journals
                    .execute(id, "a note of some length, as people write them".to_owned())
                    .await?;
            }
            Ok::<_, actuarius::ExecuteError<_>>(())
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await??;
    }
    Ok(())
}

async fn transfer(sagas: &Sagas<Transfer>, transfers: u64) -> Result<()> {
    let clients = (0..CLIENTS).map(|client| {
        let sagas = sagas.clone();
        tokio::spawn(async move {
            for number in (client..transfers).step_by(CLIENTS as usize) {
                let [from, to] =
                    [number, number + 1].map(|it| Id::new(format!("journal-{}", it % AGGREGATES)));
                let (from, to) = (from?, to?);
                let begin = move |it: &mut Transfer| {
                    it.to = Some(to);
                    Effects::none().send(&from, "withdrawn".to_owned())
                };
                sagas.run(format!("transfer-{number}"), begin).await?;
            }
            Ok::<_, Box<dyn Error + Send + Sync>>(())
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await??;
    }
    Ok(())
}

/// Returns the processor time of this process, which the kernel counts in hundredths of a second.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let ticks =
        after_name.split(' ').skip(11).take(2).filter_map(|field| field.parse::<u64>().ok());
    Duration::from_millis(ticks.sum::<u64>() * 10)
}

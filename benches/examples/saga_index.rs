//! Measures what saving the index of many live instances of a saga delays, and the memory of an instance in it:
//! `cargo run --profile bench -p actuarius-bench --example saga_index -- 1000000`.

use std::error::Error;
use std::fs;
use std::time::{Duration, Instant};

use actuarius::saga::{Correlation, Effects, ReactsTo, Saga, Sagas};
use actuarius::{Aggregate, Aggregates, Context, Envelope, Runtime};
use serde::{Deserialize, Serialize};

/// Long enough for two saves.
const OBSERVED: Duration = Duration::from_secs(75);

const LONG: Duration = Duration::from_secs(600);

/// How many instances one commit begins.
const AT_ONCE: usize = 100;

#[derive(Default, Serialize, Deserialize)]
struct Parcel;

#[derive(Clone, Serialize, Deserialize)]
enum ParcelEvent {
    Sent(u32),
    Scanned(u32),
}

impl Aggregate for Parcel {
    const TYPE: &'static str = "parcel";
    type Command = Vec<ParcelEvent>;
    type Event = ParcelEvent;
    type Error = std::convert::Infallible;

    fn decide(
        &self,
        events: Vec<ParcelEvent>,
        _: &Context,
    ) -> Result<Vec<ParcelEvent>, Self::Error> {
        Ok(events)
    }

    fn apply(&mut self, _: &ParcelEvent) {}
}

/// Waits for a parcel, by its number as a key, with a deadline.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
struct Delivery {
    scans: u32,
}

impl Saga for Delivery {
    const TYPE: &'static str = "delivery";
    type Deadline = ();
}

impl ReactsTo<Parcel> for Delivery {
    fn correlate(event: &Envelope<Parcel>) -> Correlation {
        match event.event {
            ParcelEvent::Sent(number) => {
                Correlation::start(format!("delivery-{number:08}")).known_as(key(number))
            }
            ParcelEvent::Scanned(number) => Correlation::proceed_by(key(number)),
        }
    }

    fn react(&mut self, event: &Envelope<Parcel>) -> Effects<Self> {
        match event.event {
            ParcelEvent::Sent(_) => Effects::none().schedule_in(LONG * 1_000, ()),
            ParcelEvent::Scanned(_) => {
                self.scans += 1;
                Effects::none()
            }
        }
    }
}

fn key(number: u32) -> String {
    format!("parcel-{number:08}")
}

/// Returns the resident memory of the process in bytes.
fn memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)).and_then(|it| it.parse().ok());
    kib.unwrap_or(0_u64) * 1_024
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let instances: u32 = std::env::args().nth(1).map_or(Ok(100_000), |it| it.parse())?;
    let scratch = tempfile::tempdir()?;
    let runtime = Runtime::open(scratch.path()).await?;
    let sagas = runtime.saga::<Delivery>().reacts_to::<Parcel>().sends_nothing();
    let sagas = sagas.hosting(|it| it.resident_limit(1_000)).start().await?;
    let parcels = runtime.host::<Parcel>();
    sagas.caught_up(LONG).await?;
    let before = memory();
    begin(&parcels, &sagas, instances).await?;
    let each = memory().saturating_sub(before) / u64::from(instances);
    println!("{instances} instances, {each} bytes each with everything around them");
    observe(&parcels, &sagas, instances).await?;
    let report = runtime.shutdown(LONG).await;
    println!("shut down, clean: {}", report.is_clean());
    Ok(())
}

async fn begin(
    parcels: &Aggregates<Parcel>,
    sagas: &Sagas<Delivery>,
    instances: u32,
) -> Result<(), Box<dyn Error>> {
    let began = Instant::now();
    for first in (0..instances).step_by(AT_ONCE) {
        let all = (first..instances.min(first + AT_ONCE as u32)).map(ParcelEvent::Sent);
        parcels.execute(format!("{}", first % 97), all.collect()).await?;
    }
    sagas.caught_up(LONG).await?;
    println!("begun in {:.1} s", began.elapsed().as_secs_f64());
    Ok(())
}

/// Sends one event by key after the other, and reads the index beside.
async fn observe(
    parcels: &Aggregates<Parcel>,
    sagas: &Sagas<Delivery>,
    instances: u32,
) -> Result<(), Box<dyn Error>> {
    let reader = sagas.clone();
    let until = Instant::now() + OBSERVED;
    let reads = std::thread::spawn(move || {
        let mut longest = Duration::ZERO;
        while Instant::now() < until {
            let began = Instant::now();
            std::hint::black_box(reader.counts());
            longest = longest.max(began.elapsed());
            std::thread::sleep(Duration::from_millis(1));
        }
        longest
    });
    let mut steps = Vec::new();
    while Instant::now() < until {
        let number = (steps.len() as u32).wrapping_mul(7_919) % instances;
        let began = Instant::now();
        let receipt = parcels.execute("scanner", vec![ParcelEvent::Scanned(number)]).await?;
        sagas.wait_for_within(receipt.position, LONG).await?;
        steps.push(began.elapsed());
    }
    steps.sort_unstable();
    let at = |share: f64| steps[((steps.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    let (p50, p99, max) = (at(0.5), at(0.99), at(1.0));
    println!("{} steps by key: p50 {p50:.2} ms, p99 {p99:.2} ms, longest {max:.2} ms", steps.len());
    let longest = reads.join().map_err(|_| "a read panicked")?;
    println!("longest read of the index: {:.2} ms", longest.as_secs_f64() * 1e3);
    Ok(())
}

//! The scenarios, one module per kind.

mod all;
mod followers;
mod large_snapshot;
mod memory;
mod one_client;
mod overload;
mod past;
mod projection;
mod recovery;
mod saga;
mod series;
mod storage;
mod throughput;
mod timers;
mod upcasting;

use crate::Result;
use crate::options::{Options, Scenario};
use crate::row::Row;

/// Runs a scenario.
///
/// # Errors
/// The first error. A failed run returns no figures.
pub async fn run(scenario: Scenario, options: &Options) -> Result<Vec<Row>> {
    match scenario {
        Scenario::Throughput | Scenario::Spread => throughput::spread(scenario, options).await,
        Scenario::Clients => series::clients(options).await,
        Scenario::Zipf => series::zipf(options).await,
        Scenario::Encodings => series::encodings(options).await,
        Scenario::Payloads => series::payloads(options).await,
        Scenario::Hot => throughput::hot(options).await,
        Scenario::ColdStorm => throughput::cold_storm(options).await,
        Scenario::OneClient => one_client::one_client(options).await,
        Scenario::Activation => recovery::activation(options).await,
        Scenario::Replay => recovery::replay(options).await,
        Scenario::Resident => memory::resident(options).await,
        Scenario::Open => storage::open(options).await,
        Scenario::Disk => storage::disk(options).await,
        Scenario::Verify => storage::verify(options).await,
        Scenario::LargeSnapshot => large_snapshot::large_snapshot(options).await,
        Scenario::Overload => overload::overload(options).await,
        Scenario::Followers => followers::followers(options).await,
        Scenario::Timers => timers::timers(options).await,
        Scenario::Projection => projection::projection(options).await,
        Scenario::Saga => saga::saga(options).await,
        Scenario::Upcasting => upcasting::upcasting(options).await,
        Scenario::Past => past::past(options).await,
        Scenario::All => all::all(),
    }
}

//! What can be measured, one module per kind.

mod throughput;

use crate::Result;
use crate::options::{Options, Scenario};
use crate::row::Row;

/// Runs a scenario.
///
/// # Errors
/// Whatever went wrong; figures of a failed run are worth nothing.
pub async fn run(scenario: Scenario, options: &Options) -> Result<Vec<Row>> {
    match scenario {
        Scenario::Throughput | Scenario::Spread => throughput::spread(scenario, options).await,
        Scenario::Hot => throughput::hot(options).await,
        _ => Err("not yet".into()),
    }
}

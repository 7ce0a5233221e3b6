//! All scenarios, each in a separate process.

use crate::Result;
use crate::children::{measure, own_arguments};
use crate::options::Scenario;
use crate::row::Row;

const IN_ORDER: [Scenario; 22] = [
    Scenario::Spread,
    Scenario::Hot,
    Scenario::Clients,
    Scenario::Zipf,
    Scenario::Encodings,
    Scenario::Payloads,
    Scenario::OneClient,
    Scenario::Activation,
    Scenario::Replay,
    Scenario::ColdStorm,
    Scenario::Resident,
    Scenario::Open,
    Scenario::Disk,
    Scenario::Verify,
    Scenario::Overload,
    Scenario::LargeSnapshot,
    Scenario::Followers,
    Scenario::Timers,
    Scenario::Projection,
    Scenario::Saga,
    Scenario::Past,
    Scenario::Upcasting,
];

pub(super) fn all() -> Result<Vec<Row>> {
    let arguments = own_arguments();
    let mut rows = Vec::new();
    for scenario in IN_ORDER {
        eprintln!("{} …", scenario.name());
        let named = |argument: &String| match argument.as_str() {
            "all" => scenario.name().to_owned(),
            _ => argument.clone(),
        };
        let arguments: Vec<String> = arguments.iter().map(named).collect();
        rows.extend(measure::<Vec<Row>>(&arguments)?);
    }
    Ok(rows)
}

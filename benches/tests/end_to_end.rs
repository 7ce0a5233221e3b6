//! Each scenario runs with a small load and returns its figures. The speed is not checked.

use actuarius_bench::options::{Cli, Scenario};
use actuarius_bench::row::Row;
use actuarius_bench::scenarios;
use clap::Parser;

async fn run(arguments: &str) -> Vec<Row> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_str().unwrap().to_owned();
    let given = arguments.split(' ').map(str::to_owned);
    let given = ["bench".to_owned()].into_iter().chain(given).chain(["--directory".into(), path]);
    let cli = Cli::parse_from(given);
    assert_ne!(cli.scenario, Scenario::All, "it starts processes of the bench's own binary");
    scenarios::run(cli.scenario, &cli.options).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn throughput_counts_every_command_beside_the_plain_log() {
    let rows = run("throughput --store memory --clients 16 --aggregates 10 --distribution zipf \
         --commands 500 --rounds 2 --payload-bytes 64")
    .await;
    let row = &rows[0];
    assert_eq!(row.details["events_stored"], 1_000.0);
    assert_eq!((row.workload.store.as_str(), row.workload.rounds), ("memory", 2));
    let positive = |figure: Option<f64>| figure.is_some_and(|figure| figure > 0.0);
    assert!(positive(row.commands_per_second) && positive(row.baseline_commands_per_second));
    assert!(positive(row.ratio) && positive(row.p50_us) && row.p999_us >= row.p99_us);
    // Each sync had at least one event and at most all clients'.
    assert!(row.events_per_sync.is_some_and(|events| (1.0..=16.0).contains(&events)), "{row:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_scenario_runs_on_disk() {
    for scenario in [
        "spread",
        "hot",
        "one-client",
        "activation",
        "replay",
        "cold-storm",
        "resident",
        "open",
        "disk",
        "overload",
        "large-snapshot",
    ] {
        let small = "--clients 20 --aggregates 30 --commands 100 --events 200 --rounds 1";
        for row in run(&format!("{scenario} {small}")).await {
            assert!(row.figure.is_some_and(f64::is_finite), "{row:?}");
            assert_eq!((row.scenario.as_str(), row.workload.store.as_str()), (scenario, "sled"));
            assert!(row.disk_bytes_per_event.is_some_and(|bytes| bytes > 100.0), "{row:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_series_has_a_row_for_each_value() {
    for (series, names) in [
        ("zipf", "zipf"),
        ("encodings", "encoding-bincode encoding-messagepack encoding-json"),
        ("payloads", "payload-100 payload-1000 payload-16000"),
        ("clients", "clients-1 clients-8 clients-64 clients-1024 clients-10240"),
    ] {
        let rows = run(&format!("{series} --aggregates 30 --commands 20 --rounds 1")).await;
        let found: Vec<&str> = rows.iter().map(|row| row.scenario.as_str()).collect();
        assert_eq!(found, names.split(' ').collect::<Vec<_>>());
        assert!(rows.iter().all(|row| row.ratio.is_some_and(|ratio| ratio > 0.0)), "{rows:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_past_is_asked_for_in_every_way() {
    let rows = run("past --aggregates 3 --events 3000 --commands 20").await;
    let [moments, history] = &rows[..] else { panic!("{rows:?}") };
    for kind in ["version", "position", "time"] {
        assert!(moments.details[&format!("by_{kind}_p99_us")] > 0.0, "{moments:?}");
    }
    assert_eq!(moments.details["events_of_the_stream"], 1_000.0);
    assert!(history.figure.is_some_and(|rate| rate > 0.0), "{history:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_upcasting_costs_is_measured_beside_a_type_without() {
    let rows = run("upcasting --events 500 --rounds 1").await;
    let [row] = &rows[..] else { panic!("{rows:?}") };
    assert!(row.figure.is_some_and(|ratio| ratio > 0.0), "{row:?}");
    assert!(row.details["all_old_events_per_second"] > 0.0, "{row:?}");
}

//! One client's latency, beside the disk's own.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use actuarius::{Hosting, Runtime};

use super::throughput::with_disk;
use crate::Result;
use crate::latency::{Latencies, Latency};
use crate::options::Options;
use crate::plain_log::{PlainLog, record};
use crate::rounds::{Side, load, turn};
use crate::row::Row;
use crate::subject::Subject;

/// How many times the disk is asked when the bench goes by commands.
const PROBES: u64 = 100;

/// One command at a time; the disk's turn is as long as the runtime's, right beside it.
pub(super) async fn one_client(options: &Options) -> Result<Vec<Row>> {
    let options = &Options { clients: Some(1), ..options.clone() };
    let scratch = options.scratch()?;
    let store = scratch.path().join("store");
    let row = Row::new("one-client", options, scratch.path());
    let hosting = Hosting::default();
    let subject = Subject::open(options.store, &store, Runtime::builder(), hosting).await?;
    let plain = PlainLog::create(&scratch.path().join("plain.log"))?;
    let (mut ours, mut theirs, mut disk) = (Side::default(), Side::default(), Latency::default());
    let load = load(&row, options);
    for round in 0..options.rounds() {
        turn(&subject, &load, &mut ours).await?;
        let file = scratch.path().join(format!("probe-{round}"));
        disk.add(&probe(&file, options).await?);
        turn(&plain, &load, &mut theirs).await?;
    }
    let row = with_disk(row.with_sides(&ours, &theirs), subject, &store).await?;
    Ok(vec![beside_the_disk(row, &disk)])
}

fn beside_the_disk(row: Row, disk: &Latency) -> Row {
    let times = row.p50_us.unwrap_or_default() / disk.us(0.5).max(0.1);
    row.with_figure(times, "x fdatasync p50")
        .with_detail("fdatasync_p50_us", disk.us(0.5))
        .with_detail("fdatasync_p99_us", disk.us(0.99))
}

/// Writes a record to a growing file and syncs it, again and again, from one thread and for nobody:
/// the least a durable command can take on this disk.
async fn probe(path: &Path, options: &Options) -> Result<Latency> {
    let (path, time) = (path.to_owned(), options.round_time());
    let most = if options.commands.is_some() { PROBES } else { u64::MAX };
    let record = record(0, &"x".repeat(options.payload_bytes));
    Ok(tokio::task::spawn_blocking(move || sync_for(&path, &record, time, most)).await??)
}

fn sync_for(path: &Path, record: &[u8], time: Duration, most: u64) -> io::Result<Latency> {
    let mut file = File::create_new(path)?;
    let (latencies, started) = (Latencies::default(), Instant::now());
    let mut done = 0;
    while done < most && started.elapsed() < time {
        let began = Instant::now();
        file.write_all(record)?;
        file.sync_data()?;
        latencies.note(0, began.elapsed());
        done += 1;
    }
    Ok(latencies.merged())
}

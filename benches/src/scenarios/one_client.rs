//! The scenario `one-client`: the latency of one client, beside that of the disk.

use std::fs::OpenOptions;
use std::io::{self, Seek, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use actuarius::Runtime;

use super::throughput::with_disk;
use crate::Result;
use crate::latency::{Latencies, Latency};
use crate::options::Options;
use crate::plain_log::{PlainLog, record};
use crate::rounds::{Side, load, turn};
use crate::row::Row;
use crate::subject::Subject;

/// The number of probes of the disk, if the bench counts commands.
const PROBES: u64 = 100;

/// Measures one command at a time. The disk is measured for as long as the runtime, directly after it.
pub(super) async fn one_client(options: &Options) -> Result<Vec<Row>> {
    let options = &Options { clients: Some(1), ..options.clone() };
    let scratch = options.scratch()?;
    let store = scratch.path().join("store");
    let row = Row::new("one-client", options, scratch.path());
    let hosting = options.hosting();
    let subject = Subject::open(options.store, &store, Runtime::builder(), hosting).await?;
    let plain = PlainLog::create(&scratch.path().join("plain.log"))?;
    let (mut ours, mut theirs, mut disk) = (Side::default(), Side::default(), Disk::default());
    let load = load(&row, options);
    for _ in 0..options.rounds() {
        turn(&subject, &load, &mut ours).await?;
        disk.turn(scratch.path(), options).await?;
        turn(&plain, &load, &mut theirs).await?;
    }
    let row = with_disk(row.with_sides(&ours, &theirs), subject, &store).await?;
    Ok(vec![disk.beside(row)])
}

/// The latency of the disk for a small write and its sync.
#[derive(Default)]
struct Disk {
    /// Over existing bytes: the device alone.
    in_place: Latency,
    /// At the end of a file, whose new length the file system must write as well.
    growing: Latency,
}

impl Disk {
    async fn turn(&mut self, directory: &Path, options: &Options) -> Result<()> {
        let time = options.round_time() / 2;
        let most = if options.commands.is_some() { PROBES } else { u64::MAX };
        let record = record(0, &"x".repeat(options.payload_bytes));
        let path = directory.join("probe");
        let probe = move || -> io::Result<_> {
            let growing = sync_for(&path, &record, time, most, Place::End)?;
            let in_place = sync_for(&path, &record, time, most, Place::Start)?;
            std::fs::remove_file(&path)?;
            Ok((growing, in_place))
        };
        let (growing, in_place) = tokio::task::spawn_blocking(probe).await??;
        self.growing.add(&growing);
        self.in_place.add(&in_place);
        Ok(())
    }

    /// The main figure compares with the device alone, which is the stricter comparison.
    fn beside(&self, row: Row) -> Row {
        let times = row.p50_us.unwrap_or_default() / self.in_place.us(0.5).max(0.1);
        row.with_figure(times, "x fdatasync p50")
            .with_detail("fdatasync_in_place_p50_us", self.in_place.us(0.5))
            .with_detail("fdatasync_in_place_p99_us", self.in_place.us(0.99))
            .with_detail("fdatasync_growing_file_p50_us", self.growing.us(0.5))
    }
}

/// The place of a record in the file.
enum Place {
    End,
    Start,
}

/// Writes and syncs a record repeatedly from one thread: the minimum latency of a durable command on this disk.
fn sync_for(
    path: &Path,
    record: &[u8],
    time: Duration,
    most: u64,
    place: Place,
) -> io::Result<Latency> {
    let mut file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
    let (latencies, started) = (Latencies::default(), Instant::now());
    let mut done = 0;
    while done < most && started.elapsed() < time {
        if let Place::Start = place {
            file.rewind()?;
        }
        let began = Instant::now();
        file.write_all(record)?;
        file.sync_data()?;
        latencies.note(0, began.elapsed());
        done += 1;
    }
    Ok(latencies.merged())
}

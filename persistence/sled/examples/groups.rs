//! A writer and a verifier of groups of many commits, with an index of short runs, for simulated power cuts.
//!
//! `groups write DIR` prints `ACK` with the number of each commit of a batch once it is durable. Each batch has up to 60
//! commits of up to 3 KB, and runs of the index are written, merged and removed beside them. `groups verify DIR` prints
//! `FOUND` with the numbers of the commits that are there, and `BAD` if anything else is wrong.

use std::error::Error;

use actuarius_domain::{Metadata, Position, StreamId, Timestamp, Version};
use actuarius_persistence::verify::Verify;
use actuarius_persistence::{Append, Batch, Codec, NewCommit, PageLimit, Store};
use actuarius_sled::{SledOptions, open_with};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
enum Event {
    Happened(Vec<u8>),
}

const BATCHES: u64 = 60;

type Done = Result<(), Box<dyn Error>>;

fn main() -> Done {
    let mut arguments = std::env::args().skip(1);
    let (mode, directory) = (arguments.next(), arguments.next());
    // About one run for every four batches.
    let options = SledOptions::default().index_runs(120, 30);
    let mut store = open_with(directory.ok_or("name a directory")?, &options)?;
    match mode.as_deref() {
        Some("write") => write(&mut store, |line, number| println!("{line} {number}"))?,
        Some("verify") => verify(&mut store)?,
        _ => return Err("write or verify?".into()),
    }
    Ok(store.writer.close()?)
}

fn write(store: &mut Store, report: impl Fn(&str, u64)) -> Done {
    let mut number = store.reader.head().get();
    for batch in 0..BATCHES {
        let mut rng = fastrand::Rng::with_seed(batch);
        let first = number + 1;
        let mut appends = Vec::new();
        for _ in 0..rng.u64(1..=60) {
            number += 1;
            appends.push(append(number, rng.usize(1..3_000))?);
        }
        (first..=number).for_each(|number| report("TRY", number));
        for outcome in store.writer.commit(&Batch { appends, ..Batch::default() })? {
            outcome?;
        }
        (first..=number).for_each(|number| report("ACK", number));
    }
    Ok(())
}

/// Makes the only commit of a stream, whose id is its position.
fn append(number: u64, bytes: usize) -> Result<Append, Box<dyn Error>> {
    let stream = StreamId::new("account", number.to_string())?;
    let mut append = Append::new(stream, Version::NONE);
    let commit = NewCommit {
        time: Timestamp::from_micros(1),
        command_id: uuid::Uuid::from_u128(u128::from(number)).into(),
        named_by_caller: false,
        metadata: &Metadata::default(),
    };
    let mut rng = fastrand::Rng::with_seed(number);
    let payload = std::iter::repeat_with(|| rng.u8(..)).take(bytes).collect();
    append.push(commit, Codec::Bincode, &[Event::Happened(payload)], |_| 1)?;
    Ok(append)
}

fn verify(store: &mut Store) -> Done {
    let head = store.reader.head();
    for number in 1..=head.get() {
        let stream = StreamId::new("account", number.to_string())?;
        let page = store.reader.read_stream(
            &stream,
            Version::NONE,
            Position::NONE,
            PageLimit::default(),
        )?;
        let is_there =
            page.commits.first().is_some_and(|it| it.view().position == Position::new(number));
        println!("{} {number}", if is_there { "FOUND" } else { "BAD" });
    }
    check(store, "as it was left")?;
    // What is left of the index must not disturb what is written now.
    write(store, |_, _| {})?;
    check(store, "after further commits")
}

fn check(store: &Store, when: &str) -> Done {
    for finding in store.reader.maintenance().verify(&mut Verify::default())?.findings {
        println!("BAD {when}: {finding:?}");
    }
    Ok(())
}

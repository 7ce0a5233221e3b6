//! The parts that every command passes through, measured one by one: `cargo bench -p actuarius-bench`.

#![allow(missing_docs, reason = "criterion's macros define undocumented functions")]

use std::hint::black_box;

use actuarius::store::{Append, Batch, Codec, NewCommit, memory};
use actuarius::{CommandId, Id, Metadata, Runtime, StreamId, Timestamp, Version};
use actuarius_bench::workload::{Journal, JournalEvent, Record, payload};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use fastrand::Rng;

const CODECS: [(&str, Codec); 3] =
    [("bincode", Codec::Bincode), ("json", Codec::Json), ("messagepack", Codec::MessagePack)];

fn event() -> JournalEvent {
    JournalEvent::Recorded { note: payload(&mut Rng::with_seed(1), 100) }
}

fn stream(number: usize) -> StreamId {
    Id::<Journal>::new(format!("journal-{number}")).expect("the id is valid").stream()
}

/// The id is given, because deriving it from a name takes as long as everything else.
fn commit(command_id: CommandId, metadata: &Metadata) -> NewCommit<'_> {
    let time = Timestamp::from_micros(1_700_000_000_000_000);
    NewCommit { time, command_id, named_by_caller: false, metadata }
}

fn append(stream: StreamId, id: CommandId, event: &JournalEvent) -> Append {
    let mut append = Append::new(stream, Version::NONE);
    let metadata = Metadata::default();
    let events = std::slice::from_ref(event);
    append.push(commit(id, &metadata), Codec::Bincode, events, |_| 1).expect("the event is valid");
    append
}

/// Encodes an event of 100 bytes, and decodes it.
fn codecs(criterion: &mut Criterion) {
    let event = event();
    for (name, codec) in CODECS {
        let mut bytes = Vec::new();
        criterion.bench_function(&format!("encode an event/{name}"), |bencher| {
            bencher.iter(|| {
                bytes.clear();
                codec.encode_event(black_box(&event), &mut bytes)
            });
        });
        criterion.bench_function(&format!("decode an event/{name}"), |bencher| {
            bencher.iter(|| codec.decode_event::<JournalEvent>("Recorded", black_box(&bytes)));
        });
    }
}

/// Encodes a state as a snapshot.
fn snapshots(criterion: &mut Criterion) {
    let state = Journal { notes: 1_000, bytes: 100_000 };
    let mut bytes = Vec::new();
    criterion.bench_function("encode a snapshot/bincode", |bencher| {
        bencher.iter(|| {
            bytes.clear();
            Codec::Bincode.encode(black_box(&state), &mut bytes)
        });
    });
}

/// Frames a decided event as a turn does: header, payload and checksum.
fn framing(criterion: &mut Criterion) {
    let (event, stream, metadata) = (event(), stream(1), Metadata::default());
    let id = CommandId::from("a command");
    criterion.bench_function("frame a command of one event", |bencher| {
        bencher.iter(|| append(stream.clone(), id, black_box(&event)));
    });
    criterion.bench_function("frame one more command", |bencher| {
        bencher.iter_batched_ref(
            || append(stream.clone(), id, &event),
            |append| {
                let events = std::slice::from_ref(black_box(&event));
                append.push(commit(id, &metadata), Codec::Bincode, events, |_| 1)
            },
            BatchSize::SmallInput,
        );
    });
}

/// Commits one group of 100 streams to the store in memory: checks and framing of records, without a disk.
fn commits(criterion: &mut Criterion) {
    const STREAMS: usize = 100;
    let (event, id) = (event(), CommandId::from("a command"));
    let streams: Vec<_> = (0..STREAMS).map(stream).collect();
    let appends = streams.iter().map(|stream| append(stream.clone(), id, &event)).collect();
    let batch = Batch { appends, ..Batch::default() };
    let mut group = criterion.benchmark_group("commit to memory");
    group.throughput(Throughput::Elements(STREAMS as u64));
    group.bench_function("100 appends", |bencher| {
        bencher.iter_batched_ref(
            memory::open,
            |store| store.writer.commit(black_box(&batch)),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

/// Executes one command from call to answer on the store in memory: everything except the disk, one at a time.
fn commands(criterion: &mut Criterion) {
    let tokio = tokio::runtime::Runtime::new().expect("threads can be started");
    let runtime = tokio.block_on(Runtime::in_memory()).expect("a store in memory opens");
    let journals = tokio.block_on(async { runtime.host::<Journal>() });
    let note = payload(&mut Rng::with_seed(1), 100);
    criterion.bench_function("one command, end to end", |bencher| {
        bencher
            .iter(|| tokio.block_on(async { journals.execute("one", Record(note.clone())).await }));
    });
    criterion.bench_function("one query, end to end", |bencher| {
        bencher.iter(|| {
            tokio.block_on(async { journals.query("one", |journal| journal.notes).await })
        });
    });
}

criterion_group!(hot_parts, codecs, snapshots, framing, commits, commands);
criterion_main!(hot_parts);

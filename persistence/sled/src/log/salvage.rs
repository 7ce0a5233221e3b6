//! Recovery of what is left of a damaged log, for reading only: damaged parts of it are skipped.

use actuarius_domain::Position;
use actuarius_persistence::chain::{ChainEnd, Link};

use super::chunk::Chunk;
use super::recover::{self, Recovered};
use crate::engine::Engine;
use crate::error::catch_panic;
use crate::format::Format;
use crate::index::memtable::Index;
use crate::keys;

/// How far is looked for readable events after the last one, if neither the end of the log nor the
/// high-water mark is known.
const LOOKED_AT_MAX: u64 = 1_000_000;

/// Recovers as much of the log as can be read, whatever was acknowledged. Reads of what is damaged report it.
pub(crate) fn recover_anyway(
    engine: &Engine,
    format: &Format,
    acknowledged: Option<u64>,
) -> Recovered {
    let manifest = recover::manifest_or_none(engine);
    let index = Index::new(format.buckets, manifest.runs.clone());
    let mut head = manifest.indexed;
    let mut last = catch_panic(|| recover::floor(engine, head)).ok().and_then(Result::ok).flatten();
    let end = last_key(engine).max(acknowledged).unwrap_or(head + LOOKED_AT_MAX);
    while let Some(chunk) = recover::next_readable(engine, head + 1, end) {
        if chunk.first > head + 1 {
            let (from, to) = (head + 1, chunk.first - 1);
            tracing::error!(target: "actuarius::store", from, to, "events cannot be read");
        }
        index.extend(recover::entries(&chunk, format.seed()));
        head = chunk.last;
        last = Some(chunk);
    }
    let link = last.as_ref().filter(|last| last.last == head).and_then(link_after);
    let end = ChainEnd { position: Position::new(head), link: link.unwrap_or(Link::NONE) };
    Recovered { index, manifest, end }
}

/// Returns where the last chunk begins, if that can be read.
fn last_key(engine: &Engine) -> Option<u64> {
    let last = catch_panic(|| engine.floor(&keys::chunk(u64::MAX, u16::MAX)));
    let (key, _) = last.ok()?.ok()??;
    keys::chunk_place(&key).map(|(first, _part)| first)
}

fn link_after(last: &Chunk) -> Option<Link> {
    Some(last.end_of_chain(last.before?).link)
}

//! The shape of a type as serde sees it: fields and their names, variants, kinds of values, and everything
//! nested. After a change of it, older bytes may decode to something else, or not at all.

mod deserializer;
mod node;
mod parts;
mod samples;
mod stack;
mod tracer;
mod words;

#[cfg(test)]
mod tests;

use std::any::TypeId;
use std::sync::{Arc, OnceLock};

use actuarius_persistence::Codec;
use actuarius_persistence::personal::within;
use dashmap::DashMap;
use serde::de::DeserializeOwned;

use crate::base::panics::guarded;
use node::{ROOT, variant_of};
use tracer::{Effort, Tracer};

pub(super) use node::Node;
pub(crate) use words::Unknown;
pub(super) use words::reads_renamed;

/// Distinguishes the fingerprint of a shape that is not completely known.
const UNKNOWN: u64 = 0x6b6e_6f77_6e6f_7421;

/// The shape of a type that is stored as a whole.
#[derive(Clone)]
pub(crate) struct Shape {
    /// The same in each run and on each machine.
    pub(crate) fingerprint: u64,
    /// The shape in canonical words, or the part that cannot be seen.
    pub(crate) words: Result<Arc<str>, Unknown>,
}

static SHAPES: OnceLock<DashMap<TypeId, Shape, foldhash::fast::RandomState>> = OnceLock::new();

/// Returns the shape of a type. It is computed once per process.
///
/// What cannot be seen makes a shape unknown: flattened fields, untagged and internally tagged enums, values
/// of any kind, and everything after a value that rejects all samples. What a hand-written `Deserialize` does
/// with a value that it has accepted is not covered.
pub(crate) fn shape<T: DeserializeOwned + 'static>() -> Shape {
    let known = SHAPES.get_or_init(DashMap::default);
    let id = TypeId::of::<T>();
    if let Some(found) = known.get(&id) {
        return found.clone();
    }
    // The user's code runs while no part of the map is locked.
    let found = compute::<T>();
    known.insert(id, found.clone());
    found
}

/// Returns the fingerprint of a type's shape.
pub(crate) fn fingerprint<T: DeserializeOwned + 'static>() -> u64 {
    shape::<T>().fingerprint
}

/// Returns whether a codec stores names and kinds of values, so that bytes of another shape are noticed.
pub(crate) fn is_self_describing(codec: Codec) -> bool {
    codec != Codec::Bincode
}

/// Returns the codec to store states, views or rows of a type with: `wanted`, unless a part of the type's shape
/// cannot be seen, and `wanted` would read other values after a change of that part.
pub(crate) fn codec_for<T: DeserializeOwned + 'static>(wanted: Codec) -> Codec {
    match is_self_describing(wanted) || shape::<T>().words.is_ok() {
        true => wanted,
        false if cfg!(feature = "messagepack") || cfg!(not(feature = "json")) => Codec::MessagePack,
        false => Codec::Json,
    }
}

fn compute<T: DeserializeOwned>() -> Shape {
    let read = |node: Node<'_>| T::deserialize(node).is_ok();
    let (tracer, words) = trace(None, ROOT, &read);
    let fingerprint = tracer.fingerprint();
    match words {
        Ok(words) => Shape { fingerprint, words: Ok(words.into()) },
        Err(unknown) => Shape { fingerprint: fingerprint ^ UNKNOWN, words: Err(unknown) },
    }
}

/// Returns in canonical words the shape of what `read` reads, which returns whether it was accepted.
///
/// # Errors
/// Returns the part that cannot be seen.
pub(super) fn words_of(read: &dyn Fn(Node<'_>) -> bool) -> Result<String, Unknown> {
    trace(None, ROOT, read).1
}

/// Calls `read` with sample values until one is accepted. With another `shift`, the values are others.
pub(super) fn read_samples(shift: usize, read: &dyn Fn(Node<'_>) -> bool) {
    walk(Tracer::shifted(shift), None, read);
}

/// What an event type is in this program.
pub(super) struct Variant {
    /// The names of all variants, if the type is an enum.
    pub(super) names: Option<&'static [&'static str]>,
    /// Whether it has a variant of this name, or takes any name; `None` if that is not known.
    pub(super) exists: Option<bool>,
    /// The shape of the variant's content in words.
    pub(super) words: Result<String, Unknown>,
}

/// Returns what is known of the variant `name` of an enum.
pub(super) fn variant<E: DeserializeOwned>(name: &str) -> Variant {
    let read = |node: Node<'_>| E::deserialize(node).is_ok();
    let (tracer, words) = trace(Some(name), variant_of(ROOT, name, 0), &read);
    Variant { names: tracer.root.names, exists: tracer.root.is_variant, words }
}

/// Returns whether an enum within the variant `name` may have a catch-all variant, which takes what it does not know
/// for something without content.
pub(super) fn variant_has_catch_all<E: DeserializeOwned>(name: &str) -> bool {
    let read = |node: Node<'_>| E::deserialize(node).is_ok();
    walk(Tracer::probing(), Some(name), &read).may_have_catch_all()
}

/// The same for a type that is stored as a whole.
pub(crate) fn has_catch_all<T: DeserializeOwned>() -> bool {
    let read = |node: Node<'_>| T::deserialize(node).is_ok();
    walk(Tracer::probing(), None, &read).may_have_catch_all()
}

/// Traces what `read` reads, and describes the node `from`. If it cannot be described, it is tried again with
/// more samples. The result of the first attempt counts if it is complete, because fingerprints are stored.
fn trace(
    variant: Option<&str>,
    from: u64,
    read: &dyn Fn(Node<'_>) -> bool,
) -> (Tracer, Result<String, Unknown>) {
    let usual = walk(Tracer::new(Effort::Usual), variant, read);
    match words::describe(&usual, from) {
        Ok(words) => (usual, Ok(words)),
        // There is nothing to try samples on.
        Err(unknown) if usual.root.is_variant == Some(false) => (usual, Err(unknown)),
        Err(_) => {
            let thorough = walk(Tracer::after(usual), variant, read);
            let words = words::describe(&thorough, from);
            (thorough, words)
        }
    }
}

fn walk(mut tracer: Tracer, variant: Option<&str>, read: &dyn Fn(Node<'_>) -> bool) -> Tracer {
    tracer.root.variant = variant.map(Into::into);
    loop {
        let root = node::root(&mut tracer);
        // Without keys: samples are not personal data.
        let (walked, is_endless) = stack::bounded(|| within(None, || guarded(|| read(root))));
        let walked = walked.unwrap_or(false);
        if walked {
            tracer.accept(ROOT);
        }
        if is_endless {
            tracer.spend_on_endless();
        }
        if !tracer.end_walk(walked) {
            return tracer;
        }
    }
}

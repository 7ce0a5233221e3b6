//! [`Tracer`]: records what was seen of a type, and chooses what the next walk through it tries.

use std::collections::{BTreeMap, HashMap};

use xxhash_rust::xxh3::xxh3_64;

/// How many values are visited in all walks: a few milliseconds of work.
const VALUES_MAX: usize = 100_000;
/// How deeply values may be nested: far below what a thread's stack can take.
const DEPTH_MAX: usize = 64;
/// How many times a struct or an enum may contain itself. Once is not enough, because a generic type within
/// itself looks the same.
const WITHIN_ITSELF_MAX: usize = 2;

/// What was seen of a type in all walks through it.
#[derive(Default)]
pub(super) struct Tracer {
    /// By node, what it is.
    seen: BTreeMap<u64, u64>,
    /// By node, the last choice: a sample of a value, or a variant.
    choices: HashMap<u64, usize>,
    /// By enum, a variant that terminates.
    ends: HashMap<Container, usize>,
    values: usize,
    walk: Walk,
}

/// Identifies a struct or an enum: its name, and the names of its fields or variants.
pub(super) type Container = (&'static str, &'static [&'static str]);

/// The state of one walk.
#[derive(Default)]
struct Walk {
    /// The nodes with a choice, in order, and the number of alternatives.
    chosen: Vec<(u64, usize)>,
    /// The structs and enums that the walk is in.
    within: Vec<Container>,
    /// The nesting depth of the current value.
    depth: usize,
    /// How many enums have variants that were not visited yet.
    unfinished: usize,
}

/// Ends a walk early: nothing more can be seen in it.
#[derive(Debug)]
pub(super) struct Refused;

impl Tracer {
    /// Records what a node is.
    pub(super) fn see(&mut self, node: u64, what: u64) -> Result<(), Refused> {
        self.values += 1;
        if self.values > VALUES_MAX || self.walk.depth > DEPTH_MAX {
            return Err(Refused);
        }
        self.seen.insert(node, what);
        Ok(())
    }

    /// Returns which of `samples` samples to try at a node.
    pub(super) fn sample(&mut self, node: u64, samples: usize) -> usize {
        self.walk.chosen.push((node, samples));
        self.choices.get(&node).copied().unwrap_or(0)
    }

    pub(super) fn enter(&mut self) {
        self.walk.depth += 1;
    }

    pub(super) fn leave(&mut self) {
        self.walk.depth -= 1;
    }

    /// Enters a struct or enum. Returns whether it contains itself so often that the walk must choose a
    /// variant that terminates.
    pub(super) fn enter_container(&mut self, container: Container) -> Result<bool, Refused> {
        let within = self.walk.within.iter().filter(|it| **it == container).count();
        if within > WITHIN_ITSELF_MAX {
            return Err(Refused);
        }
        self.walk.within.push(container);
        Ok(within == WITHIN_ITSELF_MAX)
    }

    pub(super) fn leave_container(&mut self) {
        self.walk.within.pop();
    }

    /// Returns a variant of the enum that terminates, if one is known.
    pub(super) fn end_of(&self, container: &Container) -> Option<usize> {
        self.ends.get(container).copied()
    }

    /// Returns the variant to visit, and the number that [`walked`](Self::walked) takes afterwards.
    pub(super) fn variant(&mut self, node: u64, container: &Container) -> (usize, usize) {
        let variants = container.1.len();
        (self.sample(node, variants).min(variants.saturating_sub(1)), self.walk.unfinished)
    }

    /// Records that a variant was visited. If everything in it was, the next walk takes the next variant.
    pub(super) fn walked(&mut self, node: u64, container: Container, before: (usize, usize)) {
        let (variant, unfinished) = before;
        self.ends.entry(container).or_insert(variant);
        let next = if self.walk.unfinished == unfinished { variant + 1 } else { variant };
        if next < container.1.len() {
            self.choices.insert(node, next);
            self.walk.unfinished = unfinished + 1;
        }
    }

    /// Ends a walk, and returns whether another one may see more.
    pub(super) fn end_walk(&mut self, is_complete: bool) -> bool {
        let walk = std::mem::take(&mut self.walk);
        if self.values > VALUES_MAX {
            return false;
        }
        if is_complete {
            return walk.unfinished > 0;
        }
        // The last choice was rejected.
        for (node, of) in walk.chosen.into_iter().rev() {
            let choice = self.choices.entry(node).or_insert(0);
            if *choice + 1 < of {
                *choice += 1;
                return true;
            }
        }
        false
    }

    pub(super) fn fingerprint(&self) -> u64 {
        let mut all = Vec::with_capacity(16 * self.seen.len());
        for (node, what) in &self.seen {
            all.extend_from_slice(&node.to_le_bytes());
            all.extend_from_slice(&what.to_le_bytes());
        }
        xxh3_64(&all)
    }
}

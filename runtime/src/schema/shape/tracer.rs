//! [`Tracer`]: records what was seen of a type, and chooses what the next walk through it tries.

use std::collections::{BTreeMap, HashMap, HashSet};

use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::stack;

/// How deeply values may be nested: far below what a thread's stack can take.
const DEPTH_MAX: usize = 64;
/// How many times a struct or an enum may contain itself. Once is not enough, because a generic type within
/// itself looks the same.
const WITHIN_ITSELF_MAX: usize = 2;
/// How many times a type is traversed, each time with the next variants of its enums or the next samples.
const WALKS: usize = 1_000;
/// The same for a type that is not completely seen at first. Nested enums multiply: one of 20 variants that each
/// contain one of 250 takes 5,000 walks.
const WALKS_THOROUGH: usize = 10_000;
/// How many values are visited in all walks: a few milliseconds of work.
const VALUES: usize = 100_000;
/// The same for a type that is not completely seen at first: about 50 ms of work, and 25 MB at most.
const VALUES_THOROUGH: usize = 400_000;

/// How many walks through a type that contains itself endlessly use up the values: each fills the stack, in about
/// a millisecond.
const ENDLESS_WALKS: usize = 16;

/// How much work is spent on a type.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Effort {
    /// Enough for most types.
    Usual,
    /// For a type that could not be seen completely: with many more samples.
    Thorough,
}

impl Effort {
    fn walks(self) -> usize {
        match self {
            Self::Usual => WALKS,
            Self::Thorough => WALKS_THOROUGH,
        }
    }

    fn values(self) -> usize {
        match self {
            Self::Usual => VALUES,
            Self::Thorough => VALUES_THOROUGH,
        }
    }
}

/// What was seen of a type in all walks through it.
pub(super) struct Tracer {
    pub(super) effort: Effort,
    /// By node, what it is.
    seen: BTreeMap<u64, Seen>,
    /// Nodes whose whole value was accepted at least once.
    accepted: HashSet<u64>,
    /// Nodes at which a type contains itself once too often.
    cuts: HashMap<u64, Container>,
    /// Nodes that are not what they look like: one of several kinds, or the fields of a flattened struct.
    hidden: HashSet<u64>,
    /// By node, the last choice: a sample of a value, or a variant.
    choices: HashMap<u64, usize>,
    /// By enum, a variant that terminates.
    ends: HashMap<u64, usize>,
    /// The hashes of long lists of names, by their places.
    hashes: HashMap<[usize; 5], u64>,
    pub(super) root: Root,
    walks: usize,
    values: usize,
    /// Whether a bound ended a walk, or all of them.
    is_exhausted: bool,
    /// If catch-all variants are looked for.
    probe: Option<Probe>,
    /// How many samples of each kind are passed over at first.
    pub(super) shift: usize,
    walk: Walk,
}

/// A search for enums with a catch-all variant.
#[derive(Default)]
struct Probe {
    /// The enums to which a variant was given that they do not have.
    probed: HashSet<u64>,
    /// Whether one of them took it.
    has_found: bool,
    /// Whether everything was seen.
    is_complete: bool,
}

/// The only variant of the outermost enum that is visited, if it is traced for one variant.
#[derive(Default)]
pub(super) struct Root {
    pub(super) variant: Option<Box<str>>,
    /// The names of all variants, once seen.
    pub(super) names: Option<&'static [&'static str]>,
    /// Whether the enum has a variant of that name.
    pub(super) is_variant: Option<bool>,
}

/// What a node is.
#[derive(Clone, Copy)]
pub(super) struct Seen {
    /// The hash of the rest.
    pub(super) what: u64,
    pub(super) kind: &'static str,
    pub(super) names: &'static [&'static str],
    pub(super) number: usize,
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
    /// Whether an enum was given a variant that it does not have.
    is_probe: bool,
    /// Whether it ended at a value of any kind.
    is_at_any: bool,
}

/// Identifies a node within a node, or what a node is.
pub(super) fn hash(seed: u64, words: &[&str], number: usize) -> u64 {
    let mut hash = Xxh3::with_seed(seed);
    hash.update(&(number as u64).to_le_bytes());
    for word in words {
        hash.update(&(word.len() as u64).to_le_bytes());
        hash.update(word.as_bytes());
    }
    hash.digest()
}

/// Ends a walk early: nothing more can be seen in it.
#[derive(Debug)]
pub(in crate::schema) struct Refused;

impl Tracer {
    pub(super) fn new(effort: Effort) -> Self {
        Self {
            effort,
            seen: BTreeMap::new(),
            accepted: HashSet::new(),
            cuts: HashMap::new(),
            hidden: HashSet::new(),
            choices: HashMap::new(),
            ends: HashMap::new(),
            hashes: HashMap::new(),
            root: Root::default(),
            walks: 0,
            values: 0,
            is_exhausted: false,
            probe: None,
            shift: 0,
            walk: Walk::default(),
        }
    }

    /// Creates the tracer of a second attempt, which knows from the first one how recursive types end.
    pub(super) fn after(first: Self) -> Self {
        Self { ends: first.ends, ..Self::new(Effort::Thorough) }
    }

    /// Creates a tracer that begins with other samples.
    pub(super) fn shifted(shift: usize) -> Self {
        Self { shift, ..Self::new(Effort::Usual) }
    }

    /// Creates a tracer that looks for catch-all variants.
    pub(super) fn probing() -> Self {
        Self { probe: Some(Probe::default()), ..Self::new(Effort::Thorough) }
    }

    /// Returns whether a catch-all variant was found, or not everything was seen.
    pub(super) fn may_have_catch_all(&self) -> bool {
        self.probe.as_ref().is_none_or(|probe| probe.has_found || !probe.is_complete)
    }

    /// Returns whether this walk gives an enum a variant that it does not have: once for each enum.
    pub(super) fn probes(&mut self, node: u64) -> bool {
        let probes = self.probe.as_mut().is_some_and(|probe| probe.probed.insert(node));
        self.walk.is_probe |= probes;
        probes
    }

    /// Records whether an enum took a variant that it does not have.
    pub(super) fn probed(&mut self, is_taken: bool) {
        if let Some(probe) = &mut self.probe {
            probe.has_found |= is_taken;
        }
    }

    /// Returns whether the type was not completely seen because of its size.
    pub(super) fn is_exhausted(&self) -> bool {
        self.is_exhausted
    }

    pub(super) fn is_thorough(&self) -> bool {
        self.effort == Effort::Thorough
    }

    /// Returns the hash of what a node is.
    pub(super) fn hash_of(
        &mut self,
        kind: &'static str,
        names: &'static [&'static str],
        number: usize,
    ) -> u64 {
        let compute = || hash(hash(0, &[kind], 0), names, number);
        if names.len() < 8 {
            return compute();
        }
        // They are static, so their place identifies them.
        let place = [kind.as_ptr().addr(), names.as_ptr().addr(), kind.len(), names.len(), number];
        *self.hashes.entry(place).or_insert_with(compute)
    }

    /// Records what a node is.
    pub(super) fn see(&mut self, node: u64, seen: Seen) -> Result<(), Refused> {
        self.values += 1;
        if self.values > self.effort.values() || self.walk.depth > DEPTH_MAX || stack::is_used_up()
        {
            self.is_exhausted = true;
            return Err(Refused);
        }
        if self.seen.insert(node, seen).is_some_and(|before| before.what != seen.what) {
            self.hide(node);
        }
        Ok(())
    }

    /// Records that a walk ended because it used too much stack. That takes about as long as these values.
    pub(super) fn spend_on_endless(&mut self) {
        self.values += self.effort.values() / ENDLESS_WALKS;
        self.is_exhausted = true;
    }

    /// Returns whether a value of any kind ends the walk. Events that have one are of an unknown shape, whatever else
    /// they have, so nothing more needs to be seen. A fingerprint needs what follows the value.
    pub(super) fn ends_at_any(&mut self) -> bool {
        self.walk.is_at_any = self.root.variant.is_some();
        self.walk.is_at_any
    }

    /// Records that a value was accepted, with everything in it.
    pub(super) fn accept(&mut self, node: u64) {
        self.accepted.insert(node);
    }

    /// Records that a node may have parts that cannot be seen.
    pub(super) fn hide(&mut self, node: u64) {
        self.hidden.insert(node);
    }

    pub(super) fn seen(&self, node: u64) -> Option<Seen> {
        self.seen.get(&node).copied()
    }

    pub(super) fn is_accepted(&self, node: u64) -> bool {
        self.accepted.contains(&node)
    }

    pub(super) fn is_hidden(&self, node: u64) -> bool {
        self.hidden.contains(&node)
    }

    pub(super) fn cut(&self, node: u64) -> Option<Container> {
        self.cuts.get(&node).copied()
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
    pub(super) fn enter_container(
        &mut self,
        node: u64,
        container: Container,
    ) -> Result<bool, Refused> {
        let within = self.walk.within.iter().filter(|it| **it == container).count();
        if within >= WITHIN_ITSELF_MAX {
            self.cuts.insert(node, container);
        }
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
    pub(super) fn end_of(&mut self, container: &Container) -> Option<usize> {
        let key = self.hash_of(container.0, container.1, 0);
        self.ends.get(&key).copied()
    }

    /// Returns the variant to visit, and the number that [`walked`](Self::walked) takes afterwards.
    pub(super) fn variant(&mut self, node: u64, container: &Container) -> (usize, usize) {
        let variants = container.1.len();
        (self.sample(node, variants).min(variants.saturating_sub(1)), self.walk.unfinished)
    }

    /// Records that a variant was visited. If everything in it was, the next walk takes the next variant.
    pub(super) fn walked(&mut self, node: u64, container: Container, before: (usize, usize)) {
        let (variant, unfinished) = before;
        let key = self.hash_of(container.0, container.1, 0);
        self.ends.entry(key).or_insert(variant);
        let next = if self.walk.unfinished == unfinished { variant + 1 } else { variant };
        if next < container.1.len() {
            self.choices.insert(node, next);
            self.walk.unfinished = unfinished + 1;
        }
    }

    /// Ends a walk, and returns whether another one is made.
    pub(super) fn end_walk(&mut self, is_complete: bool) -> bool {
        let walk = std::mem::take(&mut self.walk);
        self.walks += 1;
        if self.values > self.effort.values() || self.walks >= self.effort.walks() {
            self.is_exhausted |= walk.unfinished > 0 || !is_complete;
            return false;
        }
        if walk.is_at_any {
            return false;
        }
        if walk.is_probe {
            return true;
        }
        if is_complete {
            if let Some(probe) = &mut self.probe {
                probe.is_complete = walk.unfinished == 0;
            }
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
        for (node, seen) in &self.seen {
            all.extend_from_slice(&node.to_le_bytes());
            all.extend_from_slice(&seen.what.to_le_bytes());
        }
        xxh3_64(&all)
    }
}

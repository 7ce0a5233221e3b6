use std::collections::{BTreeMap, HashMap};

use xxhash_rust::xxh3::xxh3_64;

/// How many values are looked at, in all walks: a few milliseconds.
const VALUES_MAX: usize = 100_000;
/// How deep values may stand in each other: far below what a thread's stack can take.
const DEPTH_MAX: usize = 64;
/// How often a struct or an enum may stand within itself. Once is not enough: a generic type in itself
/// looks like that, too.
const WITHIN_ITSELF_MAX: usize = 2;

/// What was seen of a type, over all walks through it.
#[derive(Default)]
pub(super) struct Tracer {
    /// By place, what stands there.
    seen: BTreeMap<u64, u64>,
    /// By place, what was chosen there last: a sample of a value, or a variant.
    choices: HashMap<u64, usize>,
    /// By enum, a variant that came to an end.
    ends: HashMap<Container, usize>,
    values: usize,
    walk: Walk,
}

/// Names a struct or an enum: its name, and the names in it.
pub(super) type Container = (&'static str, &'static [&'static str]);

/// What belongs to one walk.
#[derive(Default)]
struct Walk {
    /// The places where something was chosen, in order, and of how many it was.
    chosen: Vec<(u64, usize)>,
    /// The structs and enums that are being walked through.
    within: Vec<Container>,
    /// How deep the values stand in each other.
    depth: usize,
    /// How many enums have variants left that were not walked through.
    unfinished: usize,
}

/// Nothing more can be seen on this walk.
#[derive(Debug)]
pub(super) struct Refused;

impl Tracer {
    /// Something stands at a place.
    pub(super) fn see(&mut self, place: u64, what: u64) -> Result<(), Refused> {
        self.values += 1;
        if self.values > VALUES_MAX || self.walk.depth > DEPTH_MAX {
            return Err(Refused);
        }
        self.seen.insert(place, what);
        Ok(())
    }

    /// Which of so many samples is tried at a place.
    pub(super) fn sample(&mut self, place: u64, samples: usize) -> usize {
        self.walk.chosen.push((place, samples));
        self.choices.get(&place).copied().unwrap_or(0)
    }

    pub(super) fn enter(&mut self) {
        self.walk.depth += 1;
    }

    pub(super) fn leave(&mut self) {
        self.walk.depth -= 1;
    }

    /// Goes into a struct or enum, and says whether it stands in itself so often that it is time to come
    /// to an end.
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

    /// A variant of the enum that comes to an end, if any is known.
    pub(super) fn end_of(&self, container: &Container) -> Option<usize> {
        self.ends.get(container).copied()
    }

    /// Which variant is walked through now, and what [`walked`](Self::walked) wants to know then.
    pub(super) fn variant(&mut self, place: u64, container: &Container) -> (usize, usize) {
        let variants = container.1.len();
        (self.sample(place, variants).min(variants.saturating_sub(1)), self.walk.unfinished)
    }

    /// A variant was walked through. If all in it was, the next one is next.
    pub(super) fn walked(&mut self, place: u64, container: Container, before: (usize, usize)) {
        let (variant, unfinished) = before;
        self.ends.entry(container).or_insert(variant);
        let next = if self.walk.unfinished == unfinished { variant + 1 } else { variant };
        if next < container.1.len() {
            self.choices.insert(place, next);
            self.walk.unfinished = unfinished + 1;
        }
    }

    /// A walk has ended: whether another one would see more.
    pub(super) fn goes_on(&mut self, has_arrived: bool) -> bool {
        let walk = std::mem::take(&mut self.walk);
        if self.values > VALUES_MAX {
            return false;
        }
        if has_arrived {
            return walk.unfinished > 0;
        }
        // Whatever was chosen last was wrong.
        for (place, of) in walk.chosen.into_iter().rev() {
            let choice = self.choices.entry(place).or_insert(0);
            if *choice + 1 < of {
                *choice += 1;
                return true;
            }
        }
        false
    }

    pub(super) fn fingerprint(&self) -> u64 {
        let mut all = Vec::with_capacity(16 * self.seen.len());
        for (place, what) in &self.seen {
            all.extend_from_slice(&place.to_le_bytes());
            all.extend_from_slice(&what.to_le_bytes());
        }
        xxh3_64(&all)
    }
}

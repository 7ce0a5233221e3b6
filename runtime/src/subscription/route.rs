//! Whom an event concerns if its handler determines that by names, and the lanes that follow from it: pure, so that
//! tests need not wait.
//!
//! A handler gives names to the keys of its events, and later events may be addressed by such a name. Who has a name at
//! the position of an event follows from all earlier events, some of which may be unfinished. So an event by a name has
//! a share for each key that may have the name, and each share waits until the earlier events of all these keys are
//! finished. The handler then finds out which one is meant.

use std::collections::HashMap;
use std::sync::Arc;

use smallvec::SmallVec;

/// How many keys of unfinished events an event may have to wait for: beyond that it is read once fewer are unfinished.
/// A name that more keys were given within so few events is one that all of them have, by mistake.
const KEYS_WAITED_FOR_MAX: usize = 16;

/// Whom an event concerns.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Route {
    /// The key that it concerns, as far as that follows from finished events.
    pub(crate) to: Option<String>,
    /// The name that it is addressed by, if it is not addressed by the key itself.
    pub(crate) by: Option<String>,
    /// The names that it gives to the key that it concerns.
    pub(crate) names: Vec<String>,
    /// The keys that have these names now, as far as that follows from finished events.
    pub(crate) holders: Vec<String>,
}

/// The parts of a stored event that one key may receive.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Share<P> {
    pub(super) key: Arc<str>,
    /// The lanes that it is in beside that of the key.
    pub(super) beside: Vec<Arc<str>>,
    pub(super) parts: SmallVec<[P; 1]>,
    /// Whether a part gives a name to the key.
    pub(super) names: bool,
}

/// The keys of the unfinished events in a lane.
pub(super) type Unfinished<'a> = dyn Fn(&str) -> Vec<Arc<str>> + 'a;

/// The shares of a stored event.
pub(super) struct Shares<'a, P> {
    unfinished: &'a Unfinished<'a>,
    shares: SmallVec<[Share<P>; 1]>,
    /// The keys that earlier parts of the event may have given a name.
    named: HashMap<String, Vec<Arc<str>>>,
    /// How many keys of unfinished events it waits for.
    waits_for: usize,
}

impl<'a, P: Copy> Shares<'a, P> {
    pub(super) fn new(unfinished: &'a Unfinished<'a>) -> Self {
        Self { unfinished, shares: SmallVec::new(), named: HashMap::new(), waits_for: 0 }
    }

    /// Adds a part with its only key.
    pub(super) fn add(&mut self, key: Arc<str>, part: P) {
        let _ = self.share(key, &[], part);
    }

    /// Adds a part of a handler that determines by names whom it concerns.
    pub(super) fn add_routed(&mut self, route: &Route, part: P) {
        let mut to: Vec<Arc<str>> = route.to.iter().map(|key| cut(key.clone()).into()).collect();
        if let Some(name) = &route.by {
            self.add_pending(&mut to, name);
        }
        let mut beside: Vec<Arc<str>> = Vec::new();
        for key in &route.holders {
            add(&mut beside, cut(key.clone()).into());
        }
        for name in &route.names {
            self.add_pending(&mut beside, name);
            add(&mut beside, lane_of(name));
        }
        if to.len() > 1 {
            to.iter().for_each(|key| add(&mut beside, key.clone()));
        }
        for name in &route.names {
            let named = self.named.entry(name.clone()).or_default();
            to.iter().for_each(|key| add(named, key.clone()));
        }
        for key in to {
            self.share(key, &beside, part).names |= !route.names.is_empty();
        }
    }

    /// Adds the keys that unfinished events, or earlier parts of this one, may have given a name.
    fn add_pending(&mut self, keys: &mut Vec<Arc<str>>, name: &str) {
        let before = keys.len();
        (self.unfinished)(&lane_of(name)).into_iter().for_each(|key| add(keys, key));
        self.waits_for += keys.len() - before;
        let named = self.named.get(name).into_iter().flatten();
        named.for_each(|key| add(keys, key.clone()));
    }

    fn share(&mut self, key: Arc<str>, beside: &[Arc<str>], part: P) -> &mut Share<P> {
        let at = self.shares.iter().position(|share| share.key == key).unwrap_or_else(|| {
            let (beside, parts) = (Vec::new(), SmallVec::new());
            self.shares.push(Share { key, beside, parts, names: false });
            self.shares.len() - 1
        });
        let share = &mut self.shares[at];
        share.parts.push(part);
        let others = beside.iter().filter(|lane| **lane != share.key).cloned();
        others.for_each(|lane| add(&mut share.beside, lane));
        share
    }

    /// Returns the shares, or `None` if the event must wait for too many keys now.
    pub(super) fn finish(self) -> Option<SmallVec<[Share<P>; 1]>> {
        (self.waits_for <= KEYS_WAITED_FOR_MAX).then_some(self.shares)
    }
}

fn add(all: &mut Vec<Arc<str>>, one: Arc<str>) {
    if !all.contains(&one) {
        all.push(one);
    }
}

/// Returns the lane of the events that give a name. A key with the same characters would share it, which is stricter
/// than needed and never wrong.
fn lane_of(name: &str) -> Arc<str> {
    format!("\0{name}").into()
}

/// How many bytes of a key count: the key is part of a note's name. Two longer keys with the same first bytes
/// share their order, which is stricter than requested and never wrong.
const KEY_BYTES_MAX: usize = 1_024;

pub(super) fn cut(mut key: String) -> String {
    key.truncate(whole_characters(&key, KEY_BYTES_MAX));
    key
}

/// Returns the largest number of bytes of `text`, up to `bytes`, that ends with a whole character.
pub(super) fn whole_characters(text: &str, bytes: usize) -> usize {
    if text.len() <= bytes {
        return text.len();
    }
    (0..=bytes).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_key_is_cut_between_characters() {
        assert_eq!(cut("short".to_owned()), "short");
        let long = format!("{}ü{}", "a".repeat(KEY_BYTES_MAX - 1), "b".repeat(9));
        assert_eq!(cut(long), "a".repeat(KEY_BYTES_MAX - 1));
    }

    fn arcs(texts: &[&str]) -> Vec<Arc<str>> {
        texts.iter().map(|text| Arc::from(*text)).collect()
    }

    fn shares(routes: &[Route], unfinished: &[(&str, &[&str])]) -> Option<Vec<Share<usize>>> {
        let keys_in = |lane: &str| {
            let lane = unfinished.iter().find(|(name, _)| *lane_of(name) == *lane);
            lane.map(|(_, keys)| arcs(keys)).unwrap_or_default()
        };
        let mut shares = Shares::new(&keys_in);
        (0..).zip(routes).for_each(|(part, route)| shares.add_routed(route, part));
        shares.finish().map(SmallVec::into_vec)
    }

    fn share(key: &str, beside: &[&str], parts: &[usize]) -> Share<usize> {
        let (key, beside, parts) = (key.into(), arcs(beside), parts.into());
        Share { key, beside, parts, names: false }
    }

    fn naming_share(key: &str, beside: &[&str], parts: &[usize]) -> Share<usize> {
        Share { names: true, ..share(key, beside, parts) }
    }

    fn by(name: &str, to: Option<&str>) -> Route {
        Route { to: to.map(str::to_owned), by: Some(name.to_owned()), ..Route::default() }
    }

    fn naming(to: &str, name: &str) -> Route {
        Route { to: Some(to.to_owned()), names: vec![name.to_owned()], ..Route::default() }
    }

    #[test]
    fn an_event_by_a_name_that_no_unfinished_event_gives_is_only_in_the_lane_of_its_key() {
        assert_eq!(shares(&[by("k", Some("a"))], &[]), Some(vec![share("a", &[], &[0])]));
        assert_eq!(shares(&[by("k", None)], &[]), Some(vec![]));
        assert_eq!(shares(&[by("k", None)], &[("k", &["a"])]), Some(vec![share("a", &[], &[0])]));
    }

    #[test]
    fn an_event_by_a_name_has_a_share_for_each_key_that_may_have_it_and_waits_for_all_of_them() {
        let found = shares(&[by("k", Some("a"))], &[("k", &["b", "a"])]);
        assert_eq!(found, Some(vec![share("a", &["b"], &[0]), share("b", &["a"], &[0])]));
    }

    #[test]
    fn an_event_that_gives_a_name_waits_for_those_that_may_have_it() {
        let route = Route { holders: vec!["b".to_owned()], ..naming("a", "k") };
        let found = shares(&[route], &[("k", &["c", "a"])]);
        assert_eq!(found, Some(vec![naming_share("a", &["b", "c", "\0k"], &[0])]));
    }

    #[test]
    fn a_part_by_a_name_that_an_earlier_part_gives_is_in_the_share_of_that_part() {
        let found = shares(&[naming("a", "k"), by("k", None)], &[]);
        assert_eq!(found, Some(vec![naming_share("a", &["\0k"], &[0, 1])]));
        let found = shares(&[naming("a", "k"), by("k", Some("b"))], &[]);
        let expected = vec![naming_share("a", &["\0k", "b"], &[0, 1]), share("b", &["a"], &[1])];
        assert_eq!(found, Some(expected));
    }

    #[test]
    fn an_event_that_had_to_wait_for_too_many_keys_is_not_taken_yet() {
        let many: Vec<String> = (0..=KEYS_WAITED_FOR_MAX).map(|key| key.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(shares(&[by("k", None)], &[("k", &many)]), None);
        assert!(shares(&[by("k", None)], &[("k", &many[1..])]).is_some());
    }
}

//! The fold that knows nothing of time, and the comparison with it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::AddAssign;

use actuarius::operations::Reuse;
use actuarius::{Failure, Personal};

use super::life::{LONG, Life, Place};
use super::world::{JarEvent, Row, life_of};

/// One life of a jar.
#[derive(Default)]
struct JarLife {
    /// The positions of its puts, and of all its events.
    puts: BTreeSet<u64>,
    events: BTreeSet<u64>,
    row: Row,
    subject: Option<String>,
    end: Option<End>,
}

#[derive(Clone, Copy, PartialEq)]
enum End {
    /// The deletion waited for all followers.
    AfterAll,
    /// It did not: some have received a part of its events.
    AtOnce,
}

#[derive(Default)]
pub(super) struct Fold {
    /// The lives of each jar.
    jars: BTreeMap<String, Vec<JarLife>>,
    subjects: u32,
    forgotten: BTreeSet<String>,
}

/// How much of what the model is about has happened.
#[derive(Debug, Default)]
pub(super) struct Seen {
    events: usize,
    deleted_after_all: usize,
    deleted_at_once: usize,
    used_again: usize,
    forgotten: usize,
}

impl Seen {
    pub(super) fn is_everything(&self) -> bool {
        let Self { events, deleted_after_all, deleted_at_once, used_again, forgotten } = self;
        [events, deleted_after_all, deleted_at_once, used_again, forgotten]
            .iter()
            .all(|it| **it > 0)
    }
}

impl AddAssign for Seen {
    fn add_assign(&mut self, other: Self) {
        self.events += other.events;
        self.deleted_after_all += other.deleted_after_all;
        self.deleted_at_once += other.deleted_at_once;
        self.used_again += other.used_again;
        self.forgotten += other.forgotten;
    }
}

impl Fold {
    pub(super) fn seen(&self) -> Seen {
        let lives = || self.jars.values().flatten();
        let ended = |end| lives().filter(|it| it.end == Some(end)).count();
        let owners = lives().filter_map(|it| it.subject.as_ref());
        Seen {
            events: lives().map(|it| it.events.len()).sum(),
            deleted_after_all: ended(End::AfterAll),
            deleted_at_once: ended(End::AtOnce),
            used_again: self.jars.values().filter(|lives| lives.len() > 2).count(),
            forgotten: owners.filter(|subject| self.forgotten.contains(*subject)).count(),
        }
    }

    fn current(&mut self, jar: &str) -> (u32, &mut JarLife) {
        let lives = self.jars.entry(jar.to_owned()).or_default();
        if lives.last().is_none_or(|life| life.end.is_some()) {
            lives.push(JarLife::default());
        }
        let number = lives.len() as u32;
        (number, lives.last_mut().expect("there is one"))
    }

    async fn execute(&mut self, life: &Life, jar: &str, events: Vec<JarEvent>) {
        let receipt = life.jars.execute(jar, events.clone()).await.unwrap();
        let (_, it) = self.current(jar);
        let first = receipt.position.get() + 1 - receipt.events;
        for (position, event) in (first..).zip(&events) {
            it.row.take(event);
            it.events.insert(position);
            match event {
                JarEvent::Put { .. } => drop(it.puts.insert(position)),
                JarEvent::Owned { owner, .. } => it.subject = Some(owner.subject().to_owned()),
            }
        }
    }

    pub(super) async fn put(&mut self, life: &Life, jar: &str, times: u64, coins: i64) {
        let number = self.current(jar).0;
        let puts = (0..times as i64).map(|n| JarEvent::Put { life: number, coins: coins + n });
        self.execute(life, jar, puts.collect()).await;
    }

    pub(super) async fn own(&mut self, life: &Life, jar: &str) {
        self.subjects += 1;
        let owner =
            Personal::new(format!("s{}", self.subjects), format!("owner {}", self.subjects));
        let number = self.current(jar).0;
        self.execute(life, jar, vec![JarEvent::Owned { life: number, owner }]).await;
    }

    fn ended(&mut self, jar: &str, end: End) {
        if let Some(last) = self.jars.get_mut(jar).and_then(|lives| lives.last_mut()) {
            last.end.get_or_insert(end);
        }
    }

    pub(super) async fn delete_after_all(&mut self, life: &Life, jar: &str) {
        (0..5).for_each(|which| life.resume(which));
        life.jars.delete(jar, Reuse::Allowed).waits_at_most(LONG).await.unwrap();
        self.ended(jar, End::AfterAll);
    }

    /// Deletes it although followers may lag.
    pub(super) async fn delete_at_once(&mut self, life: &Life, jar: &str) {
        let waiting =
            life.jars.delete(jar, Reuse::Allowed).waits_at_most(std::time::Duration::ZERO);
        match waiting.await {
            Ok(_) => self.ended(jar, End::AfterAll),
            Err(Failure::FollowersLag { .. }) => {
                life.jars.delete(jar, Reuse::Allowed).without_waiting().await.unwrap();
                self.ended(jar, End::AtOnce);
            }
            Err(failure) => panic!("{failure}"),
        }
    }

    pub(super) async fn forget(&mut self, life: &Life, place: &Place, which: u64) {
        let subject = format!("s{which}");
        let forgotten = life.runtime.forget(subject.as_str()).await.unwrap();
        assert!(forgotten.is_complete(), "{forgotten:?}");
        place.heard.0.lock().unwrap().forgotten.insert(subject.clone());
        self.forgotten.insert(subject);
        // A subject that is forgotten in advance is not used.
        self.subjects = self.subjects.max(which as u32);
    }

    /// What every view shows.
    fn rows(&self) -> BTreeMap<String, Row> {
        let last = |lives: &Vec<JarLife>| {
            let last = lives.last().filter(|last| last.end.is_none() && !last.events.is_empty())?;
            let mut row = last.row.clone();
            if last.subject.as_ref().is_some_and(|subject| self.forgotten.contains(subject)) {
                row.owner = None;
            }
            Some(row)
        };
        self.jars.iter().filter_map(|(jar, lives)| Some((jar.clone(), last(lives)?))).collect()
    }

    pub(super) async fn check(&self, life: &Life, place: &Place, seed: u64) {
        let expected = self.rows();
        assert_eq!(life.in_memory.read(|jars| jars.0.clone()), expected, "in memory, seed {seed}");
        let keyed = life.keyed.rows().list().unwrap();
        assert!(keyed.next.is_none());
        let keyed: BTreeMap<_, _> = keyed.into_iter().collect();
        assert_eq!(keyed, expected, "keyed, seed {seed}");
        let without = |row: &Row| Row { owner: None, ..row.clone() };
        let nameless = expected.iter().map(|(jar, row)| (jar.clone(), without(row))).collect();
        assert_eq!(place.shelf.jars(), nameless, "in a database, seed {seed}");
        self.check_heard(place, seed);
        self.check_tallies(life, seed).await;
    }

    fn lives(&self) -> impl Iterator<Item = (String, &JarLife)> {
        self.jars.iter().flat_map(|(jar, lives)| {
            (1..).zip(lives).map(|(number, it)| (life_of(jar, number), it))
        })
    }

    fn check_heard(&self, place: &Place, seed: u64) {
        let heard = place.heard.0.lock().unwrap();
        assert!(heard.wrong.is_empty(), "seed {seed}: {:?}", heard.wrong);
        for (name, it) in self.lives() {
            let of_it = heard.events.iter().filter(|(_, life)| **life == name);
            let of_it = of_it.map(|(position, _)| *position).collect();
            check(&format!("the subscription, {name}, seed {seed}"), it.end, &it.events, &of_it);
            // It receives the events of a jar in order, and none after one that was removed.
            assert!(
                it.events.iter().take(of_it.len()).eq(&of_it),
                "{name}, seed {seed}: {of_it:?}"
            );
        }
    }

    async fn check_tallies(&self, life: &Life, seed: u64) {
        for (name, it) in self.lives() {
            let tally = life.tallies.query(name.as_str(), Clone::clone).await.unwrap();
            assert_eq!(tally.repeated, 0, "{name}, seed {seed}");
            check(&format!("the saga, {name}, seed {seed}"), it.end, &it.puts, &tally.positions);
        }
    }
}

/// Compares what was received of a life with what is in the log: all of it, or a part if the jar was deleted while the
/// follower lagged.
fn check(what: &str, end: Option<End>, all: &BTreeSet<u64>, received: &BTreeSet<u64>) {
    if end == Some(End::AtOnce) {
        assert!(received.is_subset(all), "{what}: {received:?} of {all:?}");
    } else {
        assert_eq!(received, all, "{what}");
    }
}

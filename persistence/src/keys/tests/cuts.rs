//! Power cuts: after one, unsynced writes may be on disk, missing, or garbage.

use std::io;
use std::sync::{Mutex, PoisonError};

use super::*;
use crate::keys::header::PAGE;
use crate::test_rng::TestRng;

/// A simulated disk that tracks which writes survive a power cut.
#[derive(Clone)]
struct Disk(Arc<Mutex<Content>>);

struct Content {
    durable: Vec<u8>,
    written: Vec<(u64, Vec<u8>)>,
    /// How many more writes and syncs succeed.
    left: u64,
}

impl Disk {
    fn new(durable: Vec<u8>) -> Self {
        Self(Arc::new(Mutex::new(Content { durable, written: vec![], left: u64::MAX })))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Content> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fail_after(&self, steps: u64) {
        self.lock().left = steps;
    }

    /// Returns the content after a power cut: each sector that was being written has its old content, its
    /// new one, or garbage.
    fn after_a_cut(&self, rng: &mut TestRng) -> Vec<u8> {
        let content = self.lock();
        let mut found = content.durable.clone();
        let mut newest = found.clone();
        for (offset, bytes) in &content.written {
            newest.write(*offset, bytes).unwrap();
        }
        for (offset, bytes) in &content.written {
            let sectors = offset / 512..=(offset + bytes.len() as u64 - 1) / 512;
            for sector in sectors {
                let range = sector as usize * 512..(sector as usize + 1) * 512;
                let mut copy = newest[range].to_vec();
                match rng.below(3) {
                    0 => continue,
                    1 => {}
                    _ => copy.iter_mut().for_each(|byte| *byte = rng.below(256) as u8),
                }
                found.write(sector * 512, &copy).unwrap();
            }
        }
        let whole = found.len().div_ceil(512) * 512;
        found.resize(whole, 0);
        found
    }
}

impl Content {
    fn step(&mut self) -> io::Result<()> {
        self.left = self.left.checked_sub(1).ok_or(io::ErrorKind::StorageFull)?;
        Ok(())
    }
}

impl Medium for Disk {
    fn length(&self) -> io::Result<u64> {
        let content = self.lock();
        let written = content.written.iter().map(|(at, bytes)| at + bytes.len() as u64);
        Ok(written.max().unwrap_or(0).max(content.durable.len() as u64))
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        let content = self.lock();
        let mut all = content.durable.clone();
        content.written.iter().try_for_each(|(at, bytes)| all.write(*at, bytes))?;
        all.read(offset, into)
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut content = self.lock();
        content.step()?;
        content.written.push((offset, bytes.to_vec()));
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut content = self.lock();
        content.step()?;
        let written = std::mem::take(&mut content.written);
        written.iter().try_for_each(|(at, bytes)| content.durable.write(*at, bytes))
    }
}

/// What must be true after a power cut.
#[derive(Default)]
struct Expected {
    /// Values of keys that were flushed.
    durable: Vec<(String, Vec<u8>)>,
    /// Subjects that `forget` reported as forgotten.
    forgotten: Vec<String>,
    /// Subjects whose `forget` failed, so they may be forgotten.
    uncertain: Vec<String>,
}

impl Expected {
    fn check(&self, keys: &Keys, context: &str) {
        for (subject, value) in &self.durable {
            let found =
                read(keys, subject, value).unwrap_or_else(|error| panic!("{context}: {error}"));
            if self.forgotten.contains(subject) {
                assert_eq!(found, None, "{context}: {subject} is back");
            } else if !self.uncertain.contains(subject) {
                assert_eq!(found.as_ref(), Some(subject), "{context}: {subject} is lost");
            }
        }
        for subject in &self.forgotten {
            assert!(keys.is_forgotten(subject), "{context}: {subject}");
        }
        assert_eq!(keys.figures().damaged, 0, "{context}");
    }
}

/// Seals, flushes, forgets and rotates until the disk fails.
fn work(keys: &Keys, rng: &mut TestRng, run: u64, expected: &mut Expected) {
    for number in 0..40u64 {
        let subject = format!("{run}/{number}");
        match rng.below(8) {
            0 if !expected.durable.is_empty() => {
                let at = rng.below(expected.durable.len() as u64) as usize;
                let subject = expected.durable[at].0.clone();
                match keys.forget(&subject) {
                    Ok(_) => expected.forgotten.push(subject),
                    Err(_) => return expected.uncertain.push(subject),
                }
            }
            1 if keys.settle().is_err() => return,
            2 if keys.rotate().is_err() => return,
            3 => match keys.forget(&subject) {
                Ok(_) => expected.forgotten.push(subject),
                Err(_) => return expected.uncertain.push(subject),
            },
            _ => {
                let some: Vec<_> = (0..=rng.below(3)).map(|it| format!("{subject}/{it}")).collect();
                let values: Vec<_> = some
                    .iter()
                    .map(|it| (it.clone(), keys.seal(it, it.as_bytes()).unwrap()))
                    .collect();
                if keys.flush().is_err() {
                    return;
                }
                expected.durable.extend(values);
            }
        }
    }
}

#[test]
fn no_power_cut_loses_a_flushed_key_or_restores_a_forgotten_one() {
    for seed in 0..150 {
        let mut rng = TestRng::new(seed);
        let (mut ring, mut content) = (ring("0"), empty());
        let mut expected = Expected::default();
        for run in 0..4 {
            let context = format!("seed {seed}, run {run}");
            if run > 0 {
                ring.add(MasterKeyId::new(&run.to_string()).unwrap(), MasterKey::random().unwrap());
            }
            let disk = Disk::new(content);
            // The disk may also fail while the file is being opened and repaired.
            disk.fail_after(rng.below(150));
            if let Ok(keys) = try_open(disk.clone(), &ring) {
                expected.check(&keys, &context);
                work(&keys, &mut rng, run, &mut expected);
                disk.fail_after(0);
            }
            content = disk.after_a_cut(&mut rng);
        }
        expected.check(&opened(content, &ring), &format!("seed {seed}, at the end"));
    }
}

#[test]
fn a_rotation_resumes_after_a_power_cut_at_any_step() {
    let subjects: Vec<_> = (0..70).map(|number| number.to_string()).collect();
    let names: Vec<_> = subjects.iter().map(String::as_str).collect();
    let mut two = ring("one");
    let disk = Disk::new(empty());
    let keys = opened(disk.clone(), &two);
    let values = sealed(&keys, &names);
    keys.settle().unwrap();
    drop(keys);
    let before = disk.lock().durable.clone();
    two.add(MasterKeyId::new("two").unwrap(), MasterKey::random().unwrap());
    let mut new_only = two.clone();
    new_only.remove(&MasterKeyId::new("one").unwrap());
    // 70 slots on two sides, and two syncs.
    for steps in 0..=142 {
        let disk = Disk::new(before.clone());
        let keys = opened(disk.clone(), &two);
        disk.fail_after(steps);
        assert_eq!(keys.rotate().is_ok(), steps >= 142, "{steps}");
        drop(keys);
        let found = disk.after_a_cut(&mut TestRng::new(steps));
        let keys = opened(found, &two);
        keys.rotate().unwrap();
        for (name, value) in names.iter().zip(&values) {
            assert_eq!(read(&keys, name, value), Ok(Some((*name).to_owned())), "{steps}");
        }
    }
    let disk = Disk::new(before);
    let keys = opened(disk.clone(), &two);
    keys.rotate().unwrap();
    let found = disk.after_a_cut(&mut TestRng::new(1));
    assert!(try_open(found, &new_only).is_ok());
}

#[test]
fn a_full_disk_is_reported_loses_nothing_and_stops_all_writes() {
    let ring = ring("one");
    let disk = Disk::new(empty());
    let keys = opened(disk.clone(), &ring);
    let before = sealed(&keys, &["ada"]);
    keys.flush().unwrap();
    disk.fail_after(0);
    sealed(&keys, &["bob"]);
    assert!(matches!(keys.flush(), Err(KeyError::Failed { .. })));
    disk.fail_after(u64::MAX);
    assert!(matches!(keys.flush(), Err(KeyError::Failed { .. })), "a failed sync is not retried");
    assert!(matches!(keys.forget("ada"), Err(KeyError::Failed { .. })));
    drop(keys);
    let keys = opened(disk.after_a_cut(&mut TestRng::new(3)), &ring);
    assert_eq!(read(&keys, "ada", &before[0]), Ok(Some("ada".to_owned())));
    assert!(!keys.is_forgotten("ada"));
}

#[test]
fn the_header_counts_new_pages_before_they_are_used() {
    let ring = ring("one");
    let disk = Disk::new(empty());
    let keys = opened(disk.clone(), &ring);
    let names: Vec<_> = (0..700).map(|number| number.to_string()).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let values = sealed(&keys, &names);
    keys.flush().unwrap();
    let found = disk.after_a_cut(&mut TestRng::new(1));
    assert_eq!(found.len() % PAGE, 0);
    let shorter = found[..found.len() - 2 * PAGE].to_vec();
    assert!(try_open(shorter, &ring).is_err(), "slots are missing");
    let keys = opened(found, &ring);
    for (name, value) in names.iter().zip(&values) {
        assert_eq!(read(&keys, name, value), Ok(Some((*name).to_owned())));
    }
}

#[test]
fn a_commit_flushes_its_keys_first_and_a_failure_is_permanent() {
    let ring = ring("one");
    let disk = Disk::new(empty());
    let keys = opened(disk.clone(), &ring);
    let mut store = with_sealer(crate::store::memory::open(), keys.clone());
    let values = sealed(&keys, &["ada"]);
    store.writer.commit(&crate::Batch::default()).unwrap();
    let after = opened(disk.after_a_cut(&mut TestRng::new(2)), &ring);
    assert_eq!(read(&after, "ada", &values[0]), Ok(Some("ada".to_owned())));
    // Nothing new: the commit touches no key.
    disk.fail_after(0);
    store.writer.commit(&crate::Batch::default()).unwrap();
    sealed(&keys, &["bob"]);
    assert!(store.writer.commit(&crate::Batch::default()).is_err());
    disk.fail_after(u64::MAX);
    assert!(store.writer.commit(&crate::Batch::default()).is_err(), "a failed writer stays failed");
    assert!(store.writer.settle().is_err());
}

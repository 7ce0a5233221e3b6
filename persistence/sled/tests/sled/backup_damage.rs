//! Backups that are damaged, and restores that are killed.

use crate::backup::{files, place, take};
use crate::common::log::{log, note, same, write};
use actuarius_domain::Position;
use actuarius_persistence::backup::{self, BackupError, Until};
use actuarius_persistence::segment::SegmentError;
use actuarius_persistence::{OpenError, crash_points, ignore_progress, memory};
use std::fs;

#[test]
fn every_missing_file_and_every_flipped_bit_of_a_backup_is_reported() {
    let (_directory, [saved, _]) = place();
    let mut store = memory::open();
    for round in 0..2 {
        write(&mut store, round * 12..round * 12 + 12);
        note(&mut store, "subscription/mailer", "17");
        take(&*store.reader, &saved).expect("taken");
    }
    let mut bit = 0;
    for file in files(&saved) {
        let whole = fs::read(&file).expect("there");
        let name = file.file_name().expect("a name").to_string_lossy().into_owned();
        // Takes the bits in turn, so that each field of each kind of file is covered.
        for byte in (0..whole.len()).step_by(3) {
            bit = (bit + 3) % 8;
            let mut damaged = whole.clone();
            damaged[byte] ^= 1 << bit;
            fs::write(&file, damaged).expect("written");
            let error =
                backup::verify(&saved, &mut ignore_progress).expect_err("reported").to_string();
            assert!(error.contains(&name), "{name}, byte {byte}: {error}");
        }
        fs::remove_file(&file).expect("removed");
        // Without its last manifest a backup is one of fewer runs, and its segments do not count.
        if !name.ends_with("2.manifest") {
            let error =
                backup::verify(&saved, &mut ignore_progress).expect_err("reported").to_string();
            assert!(error.contains(&name), "{error}");
        }
        fs::write(&file, whole).expect("written");
    }
    backup::verify(&saved, &mut ignore_progress).expect("whole again");
}

#[test]
fn segments_of_another_run_or_backup_are_reported() {
    let (_directory, [saved, other]) = place();
    let mut store = memory::open();
    write(&mut store, 0..12);
    for place in [&saved, &other] {
        take(&*store.reader, place).expect("taken");
    }
    let name = "run-000001.000001.seg";
    fs::copy(other.join(name), saved.join(name)).expect("copied");
    let error = backup::verify(&saved, &mut ignore_progress).expect_err("reported");
    assert!(error.to_string().contains(name), "{error}");
    let error = backup::load(&saved, &mut memory::open(), Until::End, &mut ignore_progress)
        .expect_err("reported");
    assert!(!matches!(error, BackupError::Segment(SegmentError::Io { .. })), "{error}");
}

/// Moves all events of one stream into the archive.

#[test]
fn a_restore_that_is_killed_anywhere_leaves_the_whole_store_or_none() {
    let (_directory, [saved, back]) = place();
    let mut store = memory::open();
    write(&mut store, 0..9);
    take(&*store.reader, &saved).expect("taken");
    for number in 0.. {
        let to = back.join(format!("{number}"));
        let restore = || actuarius_sled::restore(&saved, &to, Until::End, &mut ignore_progress);
        let (done, was_killed) = crash_points::killed_at(number, restore);
        assert!(was_killed || done.is_ok(), "{done:?}");
        let opened = fs::exists(&to).expect("readable").then(|| actuarius_sled::open(&to));
        match opened {
            Some(Ok(found)) if found.reader.head() > Position::NONE => {
                assert!(same(&log(&*found.reader), &log(&*store.reader)), "killed at {number}");
                assert!(
                    found
                        .reader
                        .maintenance()
                        .lineage()
                        .shares(store.reader.identity(), store.reader.head())
                );
            }
            // Nothing had been done yet: there is no trace of a restore.
            Some(Ok(found)) => assert!(done.is_err() && found.reader.head() == Position::NONE),
            Some(Err(OpenError::UnknownFormat { .. })) | None => {
                restore().expect("the next try removes what is left");
                let found = actuarius_sled::open(&to).expect("opens");
                assert!(same(&log(&*found.reader), &log(&*store.reader)));
            }
            Some(Err(error)) => panic!("killed at {number}: {error}"),
        }
        if !was_killed {
            break;
        }
    }
}

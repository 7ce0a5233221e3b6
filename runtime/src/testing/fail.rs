//! How the test kits fail a test.

use std::panic::Location;

#[track_caller]
pub(in crate::testing) fn fail(what: &str) -> ! {
    panic!("{what}\n  in the test at {}", Location::caller())
}

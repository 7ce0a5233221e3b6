//! The contract of stores, as runnable test cases.
//!
//! Every store must pass them: the store in memory, the store on disk, and your own. A [`Stage`] is a
//! place where a store can be opened, closed and opened again; usually it is a closure:
//!
//! ```
//! # mod actuarius { pub mod store { pub use actuarius_persistence::*; } }
//! use std::sync::Arc;
//!
//! use actuarius::store::contract::{self, Stage};
//! use actuarius::store::memory;
//!
//! fn empty_stage() -> impl Stage {
//!     let contents = Arc::default();
//!     move || memory::reopen(&contents)
//! }
//!
//! contract::case("an_empty_batch_is_accepted").run(&empty_stage());
//! ```
//!
//! In a file of your `tests/` folder, one line turns every case into a separate test:
//! `actuarius_persistence::contract_tests!(empty_stage);`
//!
//! The cases use no clock, no sleep and no randomness without a fixed seed, so failures are
//! reproducible. The exception are cases with threads: their failures are real, too, but may need
//! several runs to reproduce.

mod concurrency;
mod history;
mod notes;
mod ordering;
mod pages;
mod records;
mod removals;
mod sample;
mod scene;
mod snapshots;
mod stage;

use std::panic::{AssertUnwindSafe, catch_unwind};

use concurrency::*;
use history::*;
use notes::*;
use ordering::*;
use pages::*;
use records::*;
use removals::*;
use snapshots::*;

pub use stage::Stage;

/// One requirement on every store.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    name: &'static str,
    run: fn(&dyn Stage),
}

impl Case {
    /// Returns the requirement, as a sentence with underscores.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Runs the case on a new, empty stage.
    ///
    /// # Panics
    /// Panics if the store does not meet the requirement.
    pub fn run(&self, stage: &dyn Stage) {
        (self.run)(stage);
    }
}

/// Returns all cases, the simple ones first.
#[must_use]
pub fn cases() -> &'static [Case] {
    crate::contract_tests!(@cases (list))
}

/// Returns the case named `name`.
///
/// # Panics
/// Panics if there is none.
#[must_use]
pub fn case(name: &str) -> Case {
    let found = cases().iter().find(|case| case.name == name);
    *found.unwrap_or_else(|| panic!("the contract has no case named {name}"))
}

/// Runs all cases, each on a new stage.
///
/// # Panics
/// Panics if the store fails any case. The message names all failed cases.
pub fn check<S: Stage>(new_stage: impl Fn() -> S) {
    let mut failed = Vec::new();
    for case in cases() {
        // A case owns its stage, so its state is not used after a panic.
        let run = AssertUnwindSafe(|| case.run(&new_stage()));
        if let Err(panic) = catch_unwind(run) {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            failed.push(format!("{}: {}", case.name, text.unwrap_or("panicked")));
        }
    }
    assert!(failed.is_empty(), "the store breaks its contract:\n{}", failed.join("\n"));
}

/// Makes every case of the [contract](crate::contract) a separate test.
///
/// Takes a function that returns a new, empty [`Stage`](crate::contract::Stage). Use it in a separate
/// module or test file, because each test has the name of its case.
#[macro_export]
macro_rules! contract_tests {
    (@(list) $($case:ident)*) => {
        &[$(Case { name: stringify!($case), run: $case }),*]
    };
    (@(tests $new_stage:path) $($case:ident)*) => {
        $(
            #[test]
            fn $case() {
                $crate::contract::case(stringify!($case)).run(&$new_stage());
            }
        )*
    };
    // The one list of all cases.
    (@cases $use:tt) => {
        $crate::contract_tests! { @$use
            an_empty_batch_is_accepted
            unknown_streams_are_empty_and_have_no_version
            a_reader_obtained_before_a_commit_sees_it_after
            positions_and_versions_run_without_gaps_across_batches_and_reopening
            the_commits_of_one_append_follow_each_other
            commits_of_many_events_stay_whole
            an_append_may_build_on_the_one_before_it_in_its_batch
            a_conflict_names_the_actual_version_and_writes_nothing
            a_conflict_leaves_its_neighbours_untouched
            a_conflict_inside_a_batch_counts_the_appends_before_it
            an_append_without_commits_writes_nothing
            a_batch_far_above_its_size_is_stored_whole_and_in_order
            the_log_in_bounded_pages_is_the_whole_log
            a_stream_in_bounded_pages_is_the_whole_stream
            a_page_behind_the_end_is_empty
            a_true_as_of_changes_no_answer
            odd_ids_never_share_a_stream
            every_header_field_comes_back
            event_ids_are_stable_and_unique
            payloads_of_every_size_survive_reopening
            payloads_around_a_page_survive_reopening
            the_largest_commit_survives_reopening
            the_newest_snapshot_comes_first_and_before_leads_to_older_ones
            snapshots_beyond_keep_are_dropped_oldest_first
            snapshots_that_are_too_old_go_when_a_new_one_comes
            a_snapshot_at_the_same_version_replaces_the_old_one
            a_late_snapshot_does_not_displace_a_newer_one
            snapshots_of_every_size_survive_reopening
            a_snapshot_is_never_found_under_another_stream
            a_batch_of_snapshots_alone_moves_no_position
            snapshots_beside_a_conflict_are_kept
            notes_come_back_after_reopening
            a_removed_note_is_gone
            the_last_change_of_a_note_counts
            notes_are_listed_by_prefix_in_the_order_of_their_keys
            odd_keys_never_share_a_note
            the_largest_notes_survive_reopening
            a_full_set_of_small_notes_survives_reopening
            a_batch_of_notes_alone_moves_no_position
            notes_beside_a_conflict_are_kept
            notes_in_any_order_equal_their_model
            the_identity_stays_and_is_the_stores_own
            the_chain_is_that_of_its_commits
            removed_commits_leave_their_place_and_their_hash
            removing_twice_or_what_is_not_there_changes_nothing
            what_is_left_of_an_archived_commit_names_its_segment
            dropped_snapshots_are_gone_and_new_ones_stay
            a_long_history_equals_its_model_through_every_reopening
            a_history_of_large_and_small_events_equals_its_model
            readers_beside_a_writer_see_whole_commits_up_to_the_head
            readers_beside_a_writer_see_streams_grow_without_gaps
            readers_beside_a_writer_see_sets_of_notes_whole
            readers_beside_removals_see_events_or_stubs_but_no_damage
        }
    };
    ($new_stage:path) => {
        $crate::contract_tests! { @cases (tests $new_stage) }
    };
}

//! The store on disk keeps the contract.

use actuarius_persistence::contract::Stage;
use actuarius_persistence::disk::{self, DiskOptions};

/// A directory of its own for each case, removed with the stage.
fn empty_stage(options: DiskOptions) -> impl Stage {
    let directory = tempfile::tempdir().expect("a temporary directory");
    move || disk::open_with(directory.path().join("store"), &options).expect("the store opens")
}

mod by_default {
    use super::*;

    fn empty_stage() -> impl Stage {
        super::empty_stage(DiskOptions::default())
    }

    actuarius_persistence::contract_tests!(empty_stage);
}

/// So few commits in an index run that every case writes and merges many of them.
mod with_small_index_runs {
    use super::*;

    fn empty_stage() -> impl Stage {
        super::empty_stage(DiskOptions::default().index_runs(8, 4))
    }

    actuarius_persistence::contract_tests!(empty_stage);
}

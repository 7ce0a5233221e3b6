//! The store on disk passes the contract.

use actuarius_persistence::contract::Stage;

/// A directory of its own for each case, removed with the stage.
fn empty_stage() -> impl Stage {
    let directory = tempfile::tempdir().expect("a temporary directory");
    move || actuarius_sled::open(directory.path().join("store")).expect("the store opens")
}

actuarius_persistence::contract_tests!(empty_stage);

//! The store on disk passes the contract with index runs so small that they are flushed, merged and
//! removed all the time.

use actuarius_persistence::Store;
use actuarius_sled::SledOptions;

fn empty_stage() -> impl Fn() -> Store {
    let directory = tempfile::tempdir().expect("a directory");
    let options = SledOptions::default().index_runs(3, 2);
    move || actuarius_sled::open_with(directory.path(), &options).expect("the store opens")
}

actuarius_persistence::contract_tests!(empty_stage);

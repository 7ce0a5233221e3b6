//! The store in memory passes the contract.

use std::sync::Arc;

use actuarius_persistence::contract::Stage;
use actuarius_persistence::memory;

fn empty_stage() -> impl Stage {
    let contents = Arc::default();
    move || memory::reopen(&contents)
}

actuarius_persistence::contract_tests!(empty_stage);

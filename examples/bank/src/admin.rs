//! Inspects the bank's store while the bank is closed, with the bank's own types:
//! `cargo run -p bank --bin bank-admin -- --store data/bank show account/account-1`.

use std::process::ExitCode;

use actuarius_tool::Tool;
use bank::{Account, Transfer, TransferOrder};

// region: admin
fn main() -> ExitCode {
    Tool::new()
        .named("bank-admin")
        .store("data/bank")
        .aggregate::<Account>()
        .aggregate::<TransferOrder>()
        .saga::<Transfer>()
        .run()
}
// endregion: admin

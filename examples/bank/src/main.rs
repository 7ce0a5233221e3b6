//! Tells the life of one account: `cargo run -p bank [DIRECTORY]`. Each run opens the next free account.

mod story;

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    let directory = std::env::args().nth(1).unwrap_or("data/bank".to_owned());
    match story::tell(&directory).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bank: {error}");
            ExitCode::FAILURE
        }
    }
}

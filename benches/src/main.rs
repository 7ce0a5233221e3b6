//! Runs the scenarios: `cargo run --profile bench -p actuarius-bench -- help`.

use std::process::ExitCode;

use actuarius_bench::options::Cli;
use actuarius_bench::{Result, compare, report, row, scenarios, table};
use clap::Parser;

/// An allocator for many threads, because one thread often frees what another has allocated.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    match run(Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("actuarius-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> Result<()> {
    // Read first, so that a wrong file does not cost a run.
    let before = cli.options.compare.as_deref().map(compare::read).transpose()?;
    let rows = scenarios::run(cli.scenario, &cli.options).await?;
    print!("{}", table::render(&rows));
    if let Some(before) = before {
        print!("\n{}", compare::render(&rows, &before));
    }
    if let Some(path) = &cli.options.json {
        row::write_json(&rows, path)?;
    }
    if let Some(path) = &cli.options.report {
        report::write(&rows, path)?;
    }
    Ok(())
}

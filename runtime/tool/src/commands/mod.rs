//! What each command does.

mod archive;
mod backup;
mod delete;
mod export;
mod history;
mod info;
mod parked;
mod sagas;
mod show;
mod streams;
mod subscriptions;
mod tail;
mod verify;

use std::path::Path;

use crate::arguments::Command;
use crate::output::Output;
use crate::place::Place;
use crate::trouble::{Outcome, Trouble};
use crate::types::Types;

/// What most commands are given.
pub(crate) struct Desk<'a, 'b> {
    pub(crate) place: Place,
    pub(crate) types: &'a Types,
    pub(crate) output: &'a mut Output<'b>,
}

pub(crate) fn run(
    command: &Command,
    store: Option<&Path>,
    types: &Types,
    output: &mut Output<'_>,
) -> Result<Outcome, Trouble> {
    let directory = || store.ok_or(Trouble::NoStoreNamed);
    let open = |output| Ok::<_, Trouble>(Desk { place: Place::open(directory()?)?, types, output });
    match command {
        Command::Info => info::run(directory()?, types, output),
        Command::Streams(asked) => streams::run(&mut open(output)?, asked),
        Command::Show(asked) => show::run(&mut open(output)?, asked),
        Command::Tail(asked) => tail::run(&mut open(output)?, asked),
        Command::History(asked) => history::run(&mut open(output)?, asked),
        Command::Subscriptions => subscriptions::run(&mut open(output)?),
        Command::Sagas(asked) => sagas::run(&mut open(output)?, asked),
        Command::Parked(asked) => parked::run(&mut open(output)?, asked),
        Command::Verify(asked) => verify::run(directory()?, types, output, asked),
        Command::Backup { to } => backup::take(&mut open(output)?, to),
        Command::Restore(asked) => backup::restore(output, asked),
        Command::Archive(asked) => archive::run(&mut open(output)?, asked),
        Command::Delete(asked) => delete::run(&mut open(output)?, asked),
        Command::Compact => archive::compact(directory()?, output),
        Command::Export(asked) => export::export(&mut open(output)?, asked),
        Command::Import { from, to } => export::import(from, to, output),
    }
}

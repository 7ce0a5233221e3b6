//! What each command does.

mod history;
mod info;
mod parked;
mod sagas;
mod show;
mod streams;
mod subscriptions;
mod tail;

use std::path::Path;

use crate::arguments::Command;
use crate::output::Output;
use crate::place::Place;
use crate::trouble::{Outcome, Trouble};
use crate::types::Types;

/// What every command is given.
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
    let place = Place::open(store.ok_or(Trouble::NoStoreNamed)?)?;
    let mut desk = Desk { place, types, output };
    match command {
        Command::Info => info::run(&mut desk),
        Command::Streams(asked) => streams::run(&mut desk, asked),
        Command::Show(asked) => show::run(&mut desk, asked),
        Command::Tail(asked) => tail::run(&mut desk, asked),
        Command::History(asked) => history::run(&mut desk, asked),
        Command::Subscriptions => subscriptions::run(&mut desk),
        Command::Sagas(asked) => sagas::run(&mut desk, asked),
        Command::Parked(asked) => parked::run(&mut desk, asked),
    }
}

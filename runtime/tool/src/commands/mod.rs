//! What each command does.

mod archive;
mod backup;
mod delete;
mod export;
mod forget;
mod history;
mod info;
mod keys;
mod parked;
mod sagas;
mod show;
mod streams;
mod subscriptions;
mod tail;
mod verify;

use std::path::Path;
use std::sync::Arc;

use actuarius::erasure::keys::{FileMasterKeys, MasterKeys};
use actuarius::store::sled;

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

/// What a command is done with.
pub(crate) struct Means<'a> {
    pub(crate) store: Option<&'a Path>,
    /// Where master keys are, as an argument says.
    pub(crate) master_file: Option<&'a Path>,
    /// The master keys of the program.
    pub(crate) master: Option<&'a Arc<dyn MasterKeys>>,
    pub(crate) types: &'a Types,
}

impl Means<'_> {
    fn directory(&self) -> Result<&Path, Trouble> {
        self.store.ok_or(Trouble::NoStoreNamed)
    }

    /// The master keys. A file is read only by commands that need it.
    fn master(&self) -> Result<Option<Arc<dyn MasterKeys>>, Trouble> {
        Ok(match self.master_file {
            Some(path) => Some(Arc::new(FileMasterKeys::open(path)?)),
            None => self.master.cloned(),
        })
    }

    fn must_have_master(&self) -> Result<Arc<dyn MasterKeys>, Trouble> {
        self.master()?.ok_or(Trouble::NoMasterKeys)
    }
}

pub(crate) fn run(
    command: &Command,
    means: &Means<'_>,
    output: &mut Output<'_>,
) -> Result<Outcome, Trouble> {
    let types = means.types;
    let directory = || means.directory();
    let open = |output| Ok::<_, Trouble>(Desk { place: Place::open(directory()?)?, types, output });
    // For what is read by the code of types: with personal data in it opened.
    let unlocked = |output| {
        let mut desk = open(output)?;
        means.master()?.map_or(Ok(()), |master| desk.place.unlock(master))?;
        Ok::<_, Trouble>(desk)
    };
    match command {
        Command::Info => info::run(directory()?, types, output),
        Command::Streams(asked) => streams::run(&mut open(output)?, asked),
        Command::Show(asked) => show::run(&mut unlocked(output)?, asked),
        Command::Tail(asked) => tail::run(&mut unlocked(output)?, asked),
        Command::History(asked) => history::run(&mut unlocked(output)?, asked),
        Command::Subscriptions => subscriptions::run(&mut open(output)?),
        Command::Sagas(asked) => sagas::run(&mut unlocked(output)?, asked),
        Command::Parked(asked) => parked::run(&mut open(output)?, asked),
        Command::Verify(asked) => verify::run(means, output, asked),
        Command::Backup { to } => backup::take(&mut open(output)?, to),
        Command::Restore(asked) => backup::restore(output, asked),
        Command::Archive(asked) => archive::run(&mut open(output)?, asked),
        Command::Delete(asked) => delete::run(&mut open(output)?, asked),
        Command::Forget(asked) => forget::run(&mut open(output)?, means.must_have_master()?, asked),
        Command::Keys(asked) => keys::run(&mut open(output)?, means.must_have_master()?, asked),
        Command::Compact => archive::compact(directory()?, output),
        Command::Export(asked) => export::export(&mut open(output)?, asked),
        Command::Import { from, to } => export::import(from, to, output),
    }
}

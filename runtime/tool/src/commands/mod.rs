//! The commands, one file each, and the dispatch from arguments to a command.

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

use crate::arguments::Command;
use crate::error::{Outcome, ToolError};
use crate::forensics::Notice;
use crate::open_store::OpenStore;
use crate::output::Output;
use crate::types::Types;

/// What a command works with: the open store, the registered types and the output.
pub(crate) struct Session<'a, 'b> {
    pub(crate) store: OpenStore,
    pub(crate) types: &'a Types,
    pub(crate) output: &'a mut Output<'b>,
}

/// The settings from the arguments and from the program.
pub(crate) struct Settings<'a> {
    pub(crate) store: Option<&'a Path>,
    /// The file of the master keys that an argument names.
    pub(crate) master_file: Option<&'a Path>,
    /// The master keys that the program provides.
    pub(crate) master: Option<&'a Arc<dyn MasterKeys>>,
    pub(crate) types: &'a Types,
    /// Receives what is left of the store, if a damaged one is to be read.
    pub(crate) forensics: Option<Notice>,
}

impl Settings<'_> {
    /// Opens the store, or what is left of it.
    fn open(&self) -> Result<OpenStore, ToolError> {
        let directory = self.directory()?;
        match &self.forensics {
            Some(notice) => OpenStore::what_is_left(directory, notice),
            None => OpenStore::open(directory),
        }
    }

    fn directory(&self) -> Result<&Path, ToolError> {
        self.store.ok_or(ToolError::NoStoreNamed)
    }

    /// The master keys. Only commands that need them read the file.
    fn master(&self) -> Result<Option<Arc<dyn MasterKeys>>, ToolError> {
        Ok(match self.master_file {
            Some(path) => Some(Arc::new(FileMasterKeys::open(path)?)),
            None => self.master.cloned(),
        })
    }

    fn required_master(&self) -> Result<Arc<dyn MasterKeys>, ToolError> {
        self.master()?.ok_or(ToolError::NoMasterKeys)
    }
}

pub(crate) fn run(
    command: &Command,
    settings: &Settings<'_>,
    output: &mut Output<'_>,
) -> Result<Outcome, ToolError> {
    let types = settings.types;
    let directory = || settings.directory();
    let open = |output| Ok::<_, ToolError>(Session { store: settings.open()?, types, output });
    // With decrypted personal data, for commands that run the code of registered types.
    let unlocked = |output| {
        let mut session = open(output)?;
        settings.master()?.map_or(Ok(()), |master| session.store.unlock(master))?;
        Ok::<_, ToolError>(session)
    };
    if settings.forensics.is_some() && !command.only_reads() {
        return Err(ToolError::ReadOnly);
    }
    match command {
        Command::Info => info::run(settings, output),
        Command::Streams(args) => streams::run(&mut open(output)?, args),
        Command::Show(args) => show::run(&mut unlocked(output)?, args),
        Command::Tail(args) => tail::run(&mut unlocked(output)?, args),
        Command::History(args) => history::run(&mut unlocked(output)?, args),
        Command::Subscriptions => subscriptions::run(&mut open(output)?),
        Command::Sagas(args) => sagas::run(&mut unlocked(output)?, args),
        Command::Parked(args) => parked::run(&mut open(output)?, args),
        Command::Verify(args) => verify::run(settings, output, args),
        Command::Backup { to } => backup::take(&mut open(output)?, to),
        Command::Restore(args) => backup::restore(output, args),
        Command::Archive(args) => archive::run(&mut open(output)?, args),
        Command::Delete(args) => delete::run(&mut open(output)?, args),
        Command::Forget(args) => forget::run(&mut open(output)?, settings.required_master()?, args),
        Command::Keys(args) => keys::run(&mut open(output)?, settings.required_master()?, args),
        Command::Compact => archive::compact(directory()?, output),
        Command::Export(args) => export::export(&mut open(output)?, args),
        Command::Import { from, to } => export::import(from, to, output),
    }
}

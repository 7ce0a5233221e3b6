//! Personal data: opens the keys of data subjects, and guards a store with them.

use std::path::Path;
use std::sync::Arc;

use actuarius_persistence::keys::{KeyError, Keys, MasterKeys};
use actuarius_persistence::personal::KEY_FILE;
use actuarius_persistence::{Batch, Notes, OpenError, Store, with_own_sealer, with_sealer};

use crate::builder::RuntimeBuilder;
use crate::engine::keyring::{Keyring, StoreGuard, key_file};

/// The source of the keys of data subjects.
enum PersonalData {
    /// A key file in the store's directory, or keys in memory, wrapped by the master keys.
    Wrapped(Arc<dyn MasterKeys>),
    /// Keys that the caller has opened.
    Open(Arc<Keys>),
}

impl RuntimeBuilder {
    /// Allows [`Personal`](crate::Personal) data in events, states and views. It is sealed with a key for
    /// each data subject, which is destroyed when the subject is [forgotten](crate::Runtime::forget). The keys
    /// are stored in the folder `keys` in the directory of the durable store, wrapped with the master key;
    /// in memory for any other store.
    pub fn personal_data(mut self, master: impl MasterKeys) -> Self {
        self.guard = Some(Box::new(PersonalData::Wrapped(Arc::new(master))));
        self
    }

    /// Like [`personal_data`](RuntimeBuilder::personal_data), with keys that you have opened from a place of
    /// your own.
    pub fn personal_data_with(mut self, keys: Arc<Keys>) -> Self {
        self.guard = Some(Box::new(PersonalData::Open(keys)));
        self
    }
}

impl StoreGuard for PersonalData {
    /// Keys of a durable store are in `directory`, others in memory.
    fn guard(
        self: Box<Self>,
        mut store: Store,
        directory: Option<&Path>,
    ) -> Result<(Store, Keyring), OpenError> {
        let path = directory.unwrap_or(Path::new("")).to_owned();
        let failed = |source| OpenError::Keys { path: path.clone(), source };
        let expected = key_file(&*store.reader).map_err(|error| failed(unreadable(error)))?;
        let is_its_own = matches!(*self, Self::Wrapped(_));
        let keys = match (*self, directory) {
            (Self::Open(keys), _) => keys,
            (Self::Wrapped(master), None) => Keys::in_memory(master).map_err(failed)?,
            (Self::Wrapped(master), Some(directory)) => match expected {
                // Creating a new file would hide that the right one is missing.
                Some(expected) if !Keys::exist_in(directory) => {
                    let found = "but there is none".to_owned();
                    return Err(failed(KeyError::OtherFile { expected, found }));
                }
                _ => Keys::open(directory, master)?,
            },
        };
        match expected {
            Some(expected) if expected != keys.identity() => {
                let found = format!("not with {}", keys.identity());
                return Err(failed(KeyError::OtherFile { expected, found }));
            }
            Some(_) => {}
            None => {
                let mut notes = Notes::default();
                // A key of 4 bytes and a value of 16 bytes always fit.
                let _ = notes.put(KEY_FILE, keys.identity().as_bytes());
                let batch = Batch { notes: vec![notes], ..Batch::default() };
                store.writer.commit(&batch).map_err(|error| failed(unreadable(error)))?;
            }
        }
        let guarded = match is_its_own {
            true => with_own_sealer(store, keys.clone()),
            false => with_sealer(store, keys.clone()),
        };
        Ok((guarded, Keyring::of(keys)))
    }
}

fn unreadable(error: impl std::fmt::Display) -> KeyError {
    KeyError::Unreadable { what: error.to_string() }
}

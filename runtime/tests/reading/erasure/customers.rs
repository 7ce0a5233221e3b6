//! A customer with personal values, and a careless state that copies them in clear text.

use std::path::{Path, PathBuf};

use actuarius::erasure::keys::{FileMasterKeys, MasterKeyRing};
use actuarius::{
    Aggregate, Aggregates, Codec, Context, Hosting, Personal, Runtime, RuntimeBuilder,
};
use serde::{Deserialize, Serialize};

#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Customer {
    pub(crate) name: Personal<String>,
    /// Clear text, copied out of personal values.
    pub(crate) greeting: String,
    pub(crate) orders: u32,
}

#[derive(Debug)]
pub(crate) enum CustomerCommand {
    Register(Personal<String>),
    Order,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum CustomerEvent {
    Registered { name: Personal<String> },
    Ordered(Personal<Address>, u32),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Address {
    pub(crate) street: String,
    pub(crate) number: Option<u32>,
}

impl Aggregate for Customer {
    const TYPE: &'static str = "customer";
    type Command = CustomerCommand;
    type Event = CustomerEvent;
    type Error = std::convert::Infallible;

    fn decide(
        &self,
        command: CustomerCommand,
        _: &Context,
    ) -> Result<Vec<CustomerEvent>, Self::Error> {
        Ok(match command {
            CustomerCommand::Register(name) => vec![CustomerEvent::Registered { name }],
            CustomerCommand::Order => {
                let name = self.name.get().cloned().unwrap_or_default();
                let address = Address { street: format!("{name} Street"), number: Some(7) };
                let subject = self.name.subject().to_owned();
                vec![CustomerEvent::Ordered(Personal::new(subject, address), 1)]
            }
        })
    }

    fn apply(&mut self, event: &CustomerEvent) {
        match event {
            CustomerEvent::Registered { name } => {
                self.greeting =
                    name.get().map_or("dear customer".to_owned(), |name| format!("dear {name}"));
                self.name = name.clone();
            }
            CustomerEvent::Ordered(_, count) => self.orders += count,
        }
    }
}

/// A store with its keys, and its master keys in another directory.
pub(crate) struct Place {
    _directory: tempfile::TempDir,
    pub(crate) data: PathBuf,
    master: PathBuf,
}

impl Place {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (data, master) = (directory.path().join("data"), directory.path().join("master"));
        Self { _directory: directory, data, master }
    }

    pub(crate) fn master(&self) -> FileMasterKeys {
        FileMasterKeys::open_or_generate(&self.master, "first").unwrap()
    }

    pub(crate) async fn open(&self) -> Runtime {
        self.builder().open(&self.data).await.unwrap()
    }

    pub(crate) fn builder(&self) -> RuntimeBuilder {
        Runtime::builder().personal_data(self.master())
    }

    /// Returns whether any file of the store contains `text` in any of its possible encodings.
    pub(crate) fn says(&self, text: &str) -> bool {
        says(&self.data, text)
    }
}

pub(crate) fn says(path: &Path, text: &str) -> bool {
    if path.is_dir() {
        return std::fs::read_dir(path).unwrap().any(|entry| says(&entry.unwrap().path(), text));
    }
    let bytes = std::fs::read(path).unwrap_or_default();
    bytes.windows(text.len()).any(|found| found == text.as_bytes())
}

pub(crate) fn ring() -> MasterKeyRing {
    MasterKeyRing::generate("only").unwrap()
}

/// Takes snapshots as often as possible.
pub(crate) fn hosting(codec: Codec) -> Hosting {
    Hosting::default().codec(codec).snapshot_every(1)
}

/// Registers a customer under a subject of the same id, with a unique name.
pub(crate) async fn register(customers: &Aggregates<Customer>, id: &str) -> String {
    let (name, subject) = (token(&format!("name of {id}")), subject(id));
    let command = CustomerCommand::Register(Personal::new(subject, name.clone()));
    customers.execute(id, command).await.unwrap();
    name
}

pub(crate) fn subject(id: &str) -> String {
    token(&format!("subject of {id}"))
}

/// Returns a text that has nothing in common with any other, so that it is stored in one piece,
/// even in compressed data.
pub(crate) fn token(seed: &str) -> String {
    let mut state = seed.bytes().fold(7u64, |state, byte| {
        (state ^ u64::from(byte)).wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1)
    });
    let letter = |_| {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        char::from(b'a' + (state >> 40) as u8 % 26)
    };
    (0..20).map(letter).collect()
}

pub(crate) const CODECS: [Codec; 3] = [Codec::Bincode, Codec::Json, Codec::MessagePack];

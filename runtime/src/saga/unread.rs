//! [`Unread`]: instances with steps that could not be read. An index that lacks such steps is not saved.

use std::collections::BTreeSet;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Live instances with a step that could not be read. Saved as their number, of which only 0 can be loaded.
#[derive(Debug, Default, Clone)]
pub(super) struct Unread(BTreeSet<String>);

impl Unread {
    pub(super) fn add(&mut self, id: &str) {
        self.0.insert(id.to_owned());
    }

    pub(super) fn remove(&mut self, id: &str) {
        self.0.remove(id);
    }
}

impl Serialize for Unread {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0.len() as u64)
    }
}

impl<'de> Deserialize<'de> for Unread {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u64::deserialize(deserializer)? {
            0 => Ok(Self::default()),
            unread => {
                Err(D::Error::custom(format_args!("it lacks steps of {unread} saga instances")))
            }
        }
    }
}

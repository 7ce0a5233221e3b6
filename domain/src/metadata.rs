use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The namespace of names that become ids: a UUID of our own, drawn once.
const NAMES: Uuid = Uuid::from_u128(0x6b1f_4c1e_0d0a_4c57_9a3e_5a2f_7c11_ac70);

macro_rules! uuid_newtype {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// The id as a UUID.
            #[must_use]
            pub const fn as_uuid(self) -> Uuid {
                self.0
            }

            /// The sixteen bytes of the id.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
        }

        impl From<Uuid> for $name {
            fn from(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }

        /// A name becomes an id by hashing (UUID version 5, RFC 9562), so the same name is always
        /// the same id.
        impl From<&str> for $name {
            fn from(name: &str) -> Self {
                Self(Uuid::new_v5(&NAMES, name.as_bytes()))
            }
        }

        impl From<String> for $name {
            fn from(name: String) -> Self {
                Self::from(name.as_str())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(formatter)
            }
        }
    };
}

uuid_newtype! {
    /// Names one request, so that its repetition is recognised.
    ///
    /// Use a UUID, or any text that names the request in your own world:
    ///
    /// ```
    /// use actuarius_domain::CommandId;
    ///
    /// assert_eq!(CommandId::from("order-17/pay"), CommandId::from("order-17/pay"));
    /// assert_ne!(CommandId::from("order-17/pay"), CommandId::from("order-18/pay"));
    /// ```
    CommandId
}

uuid_newtype! {
    /// Names what directly caused a request: the event, command or outside message before it.
    CausationId
}

uuid_newtype! {
    /// Names the whole story a request belongs to, across aggregates.
    CorrelationId
}

uuid_newtype! {
    /// Names one stored event.
    EventId
}

impl From<EventId> for CausationId {
    fn from(event: EventId) -> Self {
        Self(event.0)
    }
}

impl From<CommandId> for CausationId {
    fn from(command: CommandId) -> Self {
        Self(command.0)
    }
}

/// Who asked, why, and as part of which story. Stored with every event of the command.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// The story this belongs to. When absent, the command starts a story of its own, named after
    /// its command id.
    pub correlation: Option<CorrelationId>,
    /// What directly caused this.
    pub causation: Option<CausationId>,
    /// The person or system on whose behalf the request is made.
    pub user: Option<String>,
    /// Anything else, by name.
    pub entries: BTreeMap<String, String>,
}

impl Metadata {
    /// The same metadata with one more entry.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.entries.insert(name.into(), value.into());
        self
    }

    /// The same metadata on behalf of `user`.
    #[must_use]
    pub fn on_behalf_of(mut self, user: impl Into<String>) -> Self {
        self.user = Some(user.into());
        self
    }
}

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! count {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(u64);

        impl $name {
            /// Nothing yet: the place before the first event.
            pub const NONE: Self = Self(0);

            /// The place numbered `number`.
            #[must_use]
            pub const fn new(number: u64) -> Self {
                Self(number)
            }

            /// The plain number.
            #[must_use]
            pub const fn get(self) -> u64 {
                self.0
            }

            /// The place right behind this one.
            #[must_use]
            pub const fn next(self) -> Self {
                Self(self.0 + 1)
            }

            /// The place `events` further on.
            #[must_use]
            pub const fn plus(self, events: u64) -> Self {
                Self(self.0 + events)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(formatter)
            }
        }
    };
}

count! {
    /// How many events a stream has, and so the number of its newest event: 1, 2, 3 … without gaps.
    /// [`Version::NONE`] says that the stream does not exist.
    Version
}

count! {
    /// An event's place in the whole log: 1, 2, 3 … without gaps, given at commit.
    /// [`Position::NONE`] is the place before the first event.
    Position
}

/// What a caller demands of an aggregate's version before its command is decided.
///
/// ```
/// use actuarius_domain::{Expected, Version};
///
/// assert!(Expected::Any.allows(Version::new(7)));
/// assert!(Expected::from(Version::new(7)).allows(Version::new(7)));
/// assert!(!Expected::NEW.allows(Version::new(7)));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Expected {
    /// Whatever it is.
    #[default]
    Any,
    /// Exactly this version.
    Exactly(Version),
}

impl Expected {
    /// The aggregate must not exist yet.
    pub const NEW: Self = Self::Exactly(Version::NONE);

    /// Whether `actual` meets the demand.
    #[must_use]
    pub fn allows(self, actual: Version) -> bool {
        match self {
            Self::Any => true,
            Self::Exactly(version) => version == actual,
        }
    }
}

impl From<Version> for Expected {
    fn from(version: Version) -> Self {
        Self::Exactly(version)
    }
}

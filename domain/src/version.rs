//! Versions of streams, positions in the log, and the version that a caller expects.

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
            /// The place before the first event.
            pub const NONE: Self = Self(0);

            /// Creates the place with this number.
            #[must_use]
            pub const fn new(number: u64) -> Self {
                Self(number)
            }

            /// Returns the number.
            #[must_use]
            pub const fn get(self) -> u64 {
                self.0
            }

            /// Returns the next place.
            #[must_use]
            pub const fn next(self) -> Self {
                Self(self.0 + 1)
            }

            /// Returns the place `events` later.
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
    /// The number of events in a stream, which is also the number of its newest event: 1, 2, 3 …
    /// without gaps. The version of a stream that does not exist is [`Version::NONE`].
    Version
}

count! {
    /// The place of an event in the whole log: 1, 2, 3 … without gaps, assigned at commit.
    /// [`Position::NONE`] is the place before the first event.
    Position
}

/// The version of an aggregate that a caller expects before its command is decided.
///
/// ```
/// # use actuarius_domain as actuarius;
/// use actuarius::{Expected, Version};
///
/// assert!(Expected::Any.allows(Version::new(7)));
/// assert!(Expected::from(Version::new(7)).allows(Version::new(7)));
/// assert!(!Expected::NEW.allows(Version::new(7)));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Expected {
    /// Any version.
    #[default]
    Any,
    /// Exactly this version.
    Exactly(Version),
}

impl Expected {
    /// The aggregate must not exist yet.
    pub const NEW: Self = Self::Exactly(Version::NONE);

    /// Returns whether `actual` is an expected version.
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

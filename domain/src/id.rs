//! Typed ids of aggregates, and the names of their streams.

use std::convert::Infallible;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Aggregate;

/// The longest id, in bytes. Ids are names, not payload: they are part of every record and key.
pub const MAX_ID_BYTES: usize = 512;

/// The longest aggregate type name, in bytes.
pub const MAX_TYPE_BYTES: usize = 128;

/// The id of one aggregate of type `A`: an `Id<Account>` cannot be used where an `Id<Order>` is
/// expected.
///
/// Any text of 1 to [`MAX_ID_BYTES`] bytes is an id and is kept exactly, whatever characters it
/// contains; no two ids share a stream. Cloning is cheap.
///
/// ```compile_fail
/// # use std::convert::Infallible;
/// # use actuarius_domain as actuarius;
/// # use actuarius::{Aggregate, Context, Id};
/// # macro_rules! aggregate { ($name:ident) => {
/// # #[derive(Default, serde::Serialize, serde::Deserialize)] struct $name;
/// # impl Aggregate for $name {
/// #     const TYPE: &'static str = stringify!($name);
/// #     type Command = (); type Event = (); type Error = Infallible;
/// #     fn decide(&self, _: (), _: &Context) -> Result<Vec<()>, Infallible> { Ok(vec![]) }
/// #     fn apply(&mut self, _: &()) {}
/// # } } }
/// # aggregate!(Account); aggregate!(Order);
/// fn close(account: Id<Account>) {}
///
/// let order: Id<Order> = "A-17".parse().unwrap();
/// close(order); // expected `Id<Account>`, found `Id<Order>`
/// ```
pub struct Id<A: ?Sized> {
    name: Arc<str>,
    aggregate: PhantomData<fn() -> A>,
}

impl<A: ?Sized> Id<A> {
    /// Creates an id from a name.
    ///
    /// # Errors
    /// Returns [`InvalidId`] if the name is empty or longer than [`MAX_ID_BYTES`].
    pub fn new(name: impl Into<Arc<str>>) -> Result<Self, InvalidId> {
        let name = name.into();
        match name.len() {
            0 => Err(InvalidId::Empty),
            1..=MAX_ID_BYTES => Ok(Self { name, aggregate: PhantomData }),
            bytes => Err(InvalidId::TooLong { bytes }),
        }
    }

    /// Returns the id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// Returns the id as shared text.
    #[must_use]
    pub fn shared(&self) -> &Arc<str> {
        &self.name
    }
}

impl<A: Aggregate> Id<A> {
    /// Returns the name of the stream with the events of this aggregate.
    #[must_use]
    pub fn stream(&self) -> StreamId {
        StreamId { category: A::TYPE.into(), id: self.name.clone() }
    }
}

/// The name of a stream: an aggregate's type and its id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId {
    category: Arc<str>,
    id: Arc<str>,
}

impl StreamId {
    /// Creates the name of the stream of the aggregate `id` of the type `category`.
    ///
    /// # Errors
    /// Returns [`InvalidId`] if either part is empty or too long.
    pub fn new(category: impl Into<Arc<str>>, id: impl Into<Arc<str>>) -> Result<Self, InvalidId> {
        let (category, id) = (category.into(), id.into());
        match (category.len(), id.len()) {
            (0, _) => Err(InvalidId::EmptyType),
            (_, 0) => Err(InvalidId::Empty),
            (bytes, _) if bytes > MAX_TYPE_BYTES => Err(InvalidId::TypeTooLong { bytes }),
            (_, bytes) if bytes > MAX_ID_BYTES => Err(InvalidId::TooLong { bytes }),
            _ => Ok(Self { category, id }),
        }
    }

    /// Returns the aggregate type.
    #[must_use]
    pub fn category(&self) -> &str {
        &self.category
    }

    /// Returns the id of the aggregate.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the id of the aggregate as shared text.
    #[must_use]
    pub fn shared_id(&self) -> &Arc<str> {
        &self.id
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.category, self.id.escape_debug())
    }
}

/// Why a text is not a valid id. Nothing was written; use another text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidId {
    /// The id is empty.
    Empty,
    /// The id is longer than [`MAX_ID_BYTES`].
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// The aggregate type is empty.
    EmptyType,
    /// The aggregate type is longer than [`MAX_TYPE_BYTES`].
    TypeTooLong {
        /// Its length.
        bytes: usize,
    },
}

impl fmt::Display for InvalidId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(formatter, "an aggregate id must not be empty"),
            Self::TooLong { bytes } => {
                write!(formatter, "an aggregate id has {bytes} bytes, at most {MAX_ID_BYTES} fit")
            }
            Self::EmptyType => write!(formatter, "an aggregate type must not be empty"),
            Self::TypeTooLong { bytes } => write!(
                formatter,
                "an aggregate type has {bytes} bytes, at most {MAX_TYPE_BYTES} fit"
            ),
        }
    }
}

impl std::error::Error for InvalidId {}

impl From<Infallible> for InvalidId {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

// Derived traits would require the same traits of `A`, although only the name needs them.

impl<A: ?Sized> Clone for Id<A> {
    fn clone(&self) -> Self {
        Self { name: self.name.clone(), aggregate: PhantomData }
    }
}

impl<A: ?Sized> PartialEq for Id<A> {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl<A: ?Sized> Eq for Id<A> {}

impl<A: ?Sized> PartialOrd for Id<A> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<A: ?Sized> Ord for Id<A> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.name.cmp(&other.name)
    }
}

impl<A: ?Sized> Hash for Id<A> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl<A: ?Sized> fmt::Debug for Id<A> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Id({:?})", self.name)
    }
}

impl<A: ?Sized> fmt::Display for Id<A> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.fmt(formatter)
    }
}

impl<A: ?Sized> FromStr for Id<A> {
    type Err = InvalidId;

    fn from_str(name: &str) -> Result<Self, InvalidId> {
        Self::new(name)
    }
}

impl<A: ?Sized> TryFrom<&str> for Id<A> {
    type Error = InvalidId;

    fn try_from(name: &str) -> Result<Self, InvalidId> {
        Self::new(name)
    }
}

impl<A: ?Sized> TryFrom<String> for Id<A> {
    type Error = InvalidId;

    fn try_from(name: String) -> Result<Self, InvalidId> {
        Self::new(name)
    }
}

impl<A: ?Sized> TryFrom<&String> for Id<A> {
    type Error = InvalidId;

    fn try_from(name: &String) -> Result<Self, InvalidId> {
        Self::new(name.as_str())
    }
}

impl<A: ?Sized> From<&Id<A>> for Id<A> {
    fn from(id: &Id<A>) -> Self {
        id.clone()
    }
}

impl<A: ?Sized> Serialize for Id<A> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.name.serialize(serializer)
    }
}

impl<'de, A: ?Sized> Deserialize<'de> for Id<A> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type AnyId = Id<()>;

    #[test]
    fn odd_names_are_kept_exactly() {
        for name in ["\0", "/", "a/b", "é", " ", "..", &"x".repeat(MAX_ID_BYTES)] {
            let id = AnyId::new(name).expect("a valid id");
            assert_eq!(id.as_str(), name);
            let json = serde_json::to_string(&id).expect("serializable");
            assert_eq!(serde_json::from_str::<AnyId>(&json).expect("the same id"), id);
        }
    }

    #[test]
    fn empty_and_overlong_names_are_refused() {
        assert_eq!(AnyId::new("").unwrap_err(), InvalidId::Empty);
        let long = "x".repeat(MAX_ID_BYTES + 1);
        assert_eq!(AnyId::new(long).unwrap_err(), InvalidId::TooLong { bytes: 513 });
        assert_eq!(StreamId::new("", "a").unwrap_err(), InvalidId::EmptyType);
        assert!(serde_json::from_str::<AnyId>("\"\"").is_err());
    }

    #[test]
    fn streams_with_the_same_joined_text_are_different() {
        let one = StreamId::new("a/b", "c").expect("valid");
        let other = StreamId::new("a", "b/c").expect("valid");
        assert_ne!(one, other);
    }
}

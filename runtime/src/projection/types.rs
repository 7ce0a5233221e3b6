//! The aggregate types that a view is made from.

use std::fmt;
use std::sync::Arc;

use crate::follow::followers::StartError;

/// The aggregate types that a view is made from, by name and in order.
///
/// They are stored with the view. A view that follows another type from some position on would lack that
/// type's earlier events without notice. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Types(Arc<[Box<str>]>);

impl Types {
    pub(crate) fn of<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut names: Vec<Box<str>> = names.into_iter().map(Box::from).collect();
        names.sort_unstable();
        names.dedup();
        Self(names.into())
    }

    /// Returns their names.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|name| &**name)
    }

    /// Appends `count u16 | (length u16 | name) …`, integers little-endian.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        // No program has more types or longer names.
        let length = |length: usize| u16::try_from(length).unwrap_or(u16::MAX).to_le_bytes();
        out.extend_from_slice(&length(self.0.len()));
        for name in self.0.iter() {
            out.extend_from_slice(&length(name.len()));
            out.extend_from_slice(name.as_bytes());
        }
    }

    /// Reads what was written from the front of `bytes`; `None` if it is something else.
    pub(crate) fn read(bytes: &mut &[u8]) -> Option<Self> {
        let count = number(bytes)?;
        let name = |_| {
            let length = number(bytes)?;
            let (name, rest) = bytes.split_at_checked(length)?;
            *bytes = rest;
            std::str::from_utf8(name).ok().map(Box::from)
        };
        (0..count).map(name).collect::<Option<_>>().map(Self)
    }

    /// Checks that a view made from `self` may be continued with the types of `now`.
    ///
    /// # Errors
    /// [`StartError::OtherTypes`].
    pub(crate) fn must_be(&self, now: &Self, name: &str) -> Result<(), StartError> {
        if self == now {
            return Ok(());
        }
        let (name, before, now) = (name.to_owned(), self.to_string(), now.to_string());
        Err(StartError::OtherTypes { name, before, now })
    }
}

/// Takes `N` bytes from the front.
pub(crate) fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (front, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*front)
}

fn number(bytes: &mut &[u8]) -> Option<usize> {
    Some(u16::from_le_bytes(take(bytes)?).into())
}

impl fmt::Display for Types {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_read_back_in_order_and_truncated_bytes_are_refused() {
        let types = Types::of(["order", "account", "order"]);
        assert_eq!(types.to_string(), "account, order");
        assert_eq!(types, Types::of(["account", "order"]));
        let mut bytes = Vec::new();
        types.write(&mut bytes);
        for length in 0..bytes.len() {
            assert_eq!(Types::read(&mut &bytes[..length]), None);
        }
        bytes.push(7);
        let mut rest = &bytes[..];
        assert_eq!(Types::read(&mut rest), Some(types));
        assert_eq!(rest, [7]);
    }

    #[test]
    fn the_error_names_the_types_before_and_now() {
        let (before, now) = (Types::of(["account"]), Types::of(["account", "order"]));
        assert!(before.must_be(&before, "sums").is_ok());
        let refused = before.must_be(&now, "sums").unwrap_err().to_string();
        assert!(refused.contains("\"sums\" was built from the events of account"), "{refused}");
        assert!(refused.contains("follows account, order"), "{refused}");
    }
}

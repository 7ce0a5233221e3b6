//! The file `FORMAT`, which identifies a directory as a store: its format, its identity, its ancestors.
//!
//! It has a few lines of text. The first two and the last keep their meaning in every format, so that
//! an old release can distinguish a newer store from a damaged one.

use std::fs;

use actuarius_domain::Position;
use actuarius_persistence::files::marker::{Unreadable, sealed, unsealed};
use actuarius_persistence::files::{self, OnFile};
use actuarius_persistence::{Ancestor, OpenError};
use uuid::Uuid;

use crate::files::Files;

/// The format this release writes, and the newest it reads. It also reads format 1, whose chunks have
/// no link.
pub(super) const NUMBER: u32 = 2;
const OLDEST: u32 = 1;

const MAGIC: &str = "actuarius store";

/// The content of `FORMAT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Format {
    /// The store's identity.
    pub(super) store: Uuid,
    /// The number of buckets of its index.
    pub(super) buckets: u16,
    /// The stores whose history it shares.
    pub(super) ancestors: Vec<Ancestor>,
}

impl Format {
    pub(super) fn to_text(&self) -> String {
        let (store, buckets) = (self.store, self.buckets);
        let from = |it: &Ancestor| format!("from {} {}\n", it.store, it.position);
        let from: String = self.ancestors.iter().map(from).collect();
        sealed(&format!("{MAGIC}\nformat {NUMBER}\nid {store} buckets {buckets}\n{from}"))
    }

    pub(super) fn parse(text: &[u8]) -> Result<Self, Unreadable> {
        let text = unsealed(MAGIC, OLDEST..=NUMBER, text)?;
        Self::fields(text).ok_or(Unreadable::Unknown("FORMAT has invalid fields"))
    }

    fn fields(text: &str) -> Option<Self> {
        let mut words = text.lines().nth(2)?.split(' ');
        let mut field = |name| (words.next()? == name).then(|| words.next())?;
        let store = field("id")?.parse().ok()?;
        let buckets = field("buckets")?.parse().ok().filter(|&buckets| buckets > 0)?;
        let last = text.lines().count().checked_sub(1)?;
        let from = text.lines().take(last).skip(3).map(|line| {
            let (store, position) = line.strip_prefix("from ")?.split_once(' ')?;
            Some(Ancestor {
                store: store.parse().ok()?,
                position: Position::new(position.parse().ok()?),
            })
        });
        Some(Self { store, buckets, ancestors: from.collect::<Option<_>>()? })
    }

    /// Returns the seed of the stream hashes.
    pub(super) fn seed(&self) -> u64 {
        self.store.as_u64_pair().0
    }
}

/// Reads the `FORMAT` of a store.
pub(super) fn read(store: &Files) -> Result<Format, OpenError> {
    let path = store.root.clone();
    let text = match fs::read(store.format()) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(OpenError::UnknownFormat { path, what: "FORMAT is missing".to_owned() });
        }
        text => text.on(&store.format())?,
    };
    Format::parse(&text).map_err(|unreadable| match unreadable {
        Unreadable::Newer(found) => OpenError::NewerFormat { path, found, supported: NUMBER },
        Unreadable::Unknown(what) => OpenError::UnknownFormat { path, what: what.to_owned() },
    })
}

/// Raises `FORMAT` to this release's format before anything is written, so that an older release does
/// not open the store.
pub(super) fn write(store: &Files, format: &Format) -> Result<(), OpenError> {
    let (path, text) = (store.format(), format.to_text());
    if fs::read(&path).on(&path)? == text.as_bytes() {
        return Ok(());
    }
    files::replace(&path, &[text.as_bytes()])
}

/// Returns the content of `FORMAT` in another format.
#[cfg(test)]
fn of_number(number: &str) -> String {
    sealed(&format!("{MAGIC}\nformat {number}\nanything\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use actuarius_persistence::mutations::{Mutations, reseal_marker};

    fn format(ancestors: u32) -> Format {
        let of = |number| Ancestor {
            store: Uuid::from_u128(u128::from(number)),
            position: Position::new(u64::from(number) * 100),
        };
        let ancestors = (0..ancestors).map(of).collect();
        Format { store: Uuid::from_u128(7), buckets: 16, ancestors }
    }

    #[test]
    fn a_format_is_parsed_with_all_its_ancestors() {
        for ancestors in [0, 1, 3] {
            let format = format(ancestors);
            assert_eq!(Format::parse(format.to_text().as_bytes()), Ok(format));
        }
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let text = format(1).to_text().into_bytes();
        for bit in 0..text.len() * 8 {
            let mut damaged = text.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let unreadable = Format::parse(&damaged).expect_err("damaged");
            assert!(matches!(unreadable, Unreadable::Unknown(_)), "bit {bit}");
        }
        assert!(Format::parse(b"").is_err());
    }

    #[test]
    fn a_newer_format_is_distinguished_from_an_unknown_one() {
        assert_eq!(Format::parse(of_number("3").as_bytes()), Err(Unreadable::Newer(3)));
        let unknown = Format::parse(of_number("one").as_bytes());
        assert!(matches!(unknown, Err(Unreadable::Unknown(_))));
    }

    #[test]
    fn no_mutated_format_panics_or_allocates_without_a_bound() {
        let samples = [0, 3].map(|ancestors| format(ancestors).to_text().into_bytes());
        let decoder = Mutations::of("FORMAT", samples).resealed(reseal_marker);
        decoder.run(
            |work| allocation_counter::measure(work).bytes_max,
            |bytes| drop(Format::parse(bytes)),
        );
    }
}

use actuarius_domain::{Position, ReadModel};
use actuarius_persistence::Codec;
use actuarius_persistence::views::{Place, ViewError};
use uuid::Uuid;

use crate::panics::guarded;

const LAYOUT: u8 = 1;

/// The place of one projection's states, and what makes a state one of its own: the version of the
/// projection's code, and the store whose log it was made from.
pub(crate) struct Shelf {
    pub(crate) name: String,
    pub(crate) place: Place,
    pub(crate) version: u32,
    pub(crate) store: Uuid,
}

impl Shelf {
    /// `layout u8 = 1 | codec u8 | version u32 | store 16 | position u64 | view`, integers
    /// little-endian. The checksum is the place's.
    pub(crate) fn encode<P: ReadModel>(
        &self,
        view: &P,
        position: Position,
        codec: Codec,
    ) -> Result<Vec<u8>, String> {
        let mut out = vec![LAYOUT, codec.byte()];
        out.extend_from_slice(&self.version.to_le_bytes());
        out.extend_from_slice(self.store.as_bytes());
        out.extend_from_slice(&position.get().to_le_bytes());
        guarded(|| codec.encode(view, &mut out))?.map_err(|error| error.to_string())?;
        Ok(out)
    }

    /// The state of a generation, if there is one. A damaged one is told.
    pub(crate) fn load(&self, generation: u64) -> Result<Option<Saved>, ViewError> {
        let Some(bytes) = self.place.load_state(generation)? else { return Ok(None) };
        match Saved::parse(bytes) {
            Ok(saved) => Ok(Some(saved)),
            Err(why) => {
                let name = &self.name;
                tracing::warn!(target: "actuarius::projection", name, why, "a saved view is no use");
                Ok(None)
            }
        }
    }

    pub(crate) fn save(&self, generation: u64, state: &[u8]) -> Result<(), String> {
        self.place.save_state(generation, state).map_err(|error| error.to_string())
    }

    /// From now on this generation is the view; the others go.
    pub(crate) fn make_current(&self, generation: u64) -> Result<(), String> {
        self.place.make_current(generation).map_err(|error| error.to_string())?;
        self.remove_others(generation);
        Ok(())
    }

    fn remove_others(&self, generation: u64) {
        let others = self.place.generations().unwrap_or_default();
        for other in others.into_iter().filter(|other| *other != generation) {
            if let Err(error) = self.place.remove(other) {
                let name = &self.name;
                tracing::warn!(target: "actuarius::projection", name, %error, "an old view stays");
            }
        }
    }
}

/// A saved view, not yet decoded.
pub(crate) struct Saved {
    codec: Codec,
    pub(crate) version: u32,
    pub(crate) store: Uuid,
    pub(crate) position: Position,
    bytes: Vec<u8>,
}

const HEAD_BYTES: usize = 2 + 4 + 16 + 8;

impl Saved {
    pub(crate) fn parse(bytes: Vec<u8>) -> Result<Self, String> {
        let head: &[u8; HEAD_BYTES] = bytes.first_chunk().ok_or("it is cut short")?;
        let (names, position) = head.split_at(22);
        if names[0] != LAYOUT {
            return Err(format!("unknown layout {}", names[0]));
        }
        let codec = Codec::from_byte(names[1]).map_err(|error| error.to_string())?;
        let number = |bytes: &[u8]| bytes.iter().rev().fold(0, |sum, &b| sum << 8 | u64::from(b));
        let store = Uuid::from_slice(&names[6..]).map_err(|error| error.to_string())?;
        let (version, position) = (number(&names[2..6]) as u32, Position::new(number(position)));
        Ok(Self { codec, version, store, position, bytes })
    }

    pub(crate) fn decode<P: ReadModel>(&self) -> Result<(P, Position), String> {
        let view = guarded(|| self.codec.decode(&self.bytes[HEAD_BYTES..]))?;
        Ok((view.map_err(|error| error.to_string())?, self.position))
    }
}

#[cfg(test)]
mod tests {
    use actuarius_persistence::views::Views;

    use super::*;

    #[test]
    fn a_state_comes_back_with_all_that_makes_it_one_of_this_projection() {
        let place = Views::in_memory().place("sums").unwrap();
        let shelf = Shelf { name: "sums".to_owned(), place, version: 3, store: Uuid::from_u128(9) };
        for codec in [Codec::Bincode, Codec::Json, Codec::MessagePack] {
            let bytes = shelf.encode(&vec![1u64, 2], Position::new(77), codec).unwrap();
            let saved = Saved::parse(bytes).unwrap();
            assert_eq!((saved.version, saved.store), (3, Uuid::from_u128(9)));
            assert_eq!(saved.decode(), Ok((vec![1u64, 2], Position::new(77))));
        }
    }

    #[test]
    fn a_state_cut_short_is_refused() {
        for length in 0..HEAD_BYTES {
            assert!(Saved::parse(vec![LAYOUT; length]).is_err());
        }
    }
}

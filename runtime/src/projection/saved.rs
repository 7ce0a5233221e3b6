use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use actuarius_domain::{Position, ReadModel};
use actuarius_persistence::personal::{Sealer, deriving};
use actuarius_persistence::views::{Place, ViewError};
use actuarius_persistence::{Codec, Lineage};
use uuid::Uuid;

use super::erasure_taint::ErasureTaint;
use super::types::Types;
use crate::base::panics::guarded;

const LAYOUT: u8 = 3;

/// The place of one projection's views, and what makes a view one of its own: the version of the
/// projection's code, the shape of what it keeps, and the store whose log it was made from, or that it was
/// restored from.
pub(crate) struct SavedViews {
    pub(crate) name: String,
    pub(crate) place: Place,
    pub(crate) version: u32,
    /// The fingerprint of what is kept: the whole view, or a row.
    pub(crate) shape: u64,
    pub(crate) lineage: Lineage,
}

/// The saved states of one view in memory, by generation.
pub(crate) struct States {
    saved_views: SavedViews,
    types: Types,
    codec: Codec,
    /// The last number that was given to a generation: none is given twice, because its state may not
    /// have been saved yet.
    last: AtomicU64,
}

impl States {
    pub(crate) fn of(saved_views: SavedViews, types: Types, codec: Codec) -> Self {
        Self { saved_views, types, codec, last: AtomicU64::new(0) }
    }

    pub(crate) fn name(&self) -> &str {
        &self.saved_views.name
    }

    pub(crate) fn current(&self) -> Result<Option<u64>, ViewError> {
        self.saved_views.place.current()
    }

    /// A number behind those of all other generations.
    pub(crate) fn next(&self) -> Result<u64, ViewError> {
        let stored = self.saved_views.place.generations()?.into_iter().max();
        // A generation may be current and have no state. When it is not known which one is, there is
        // none that could be taken for it.
        let stored = stored.max(self.current().unwrap_or(None)).unwrap_or(0);
        let next = stored.max(self.last.load(Ordering::Relaxed)) + 1;
        self.last.store(next, Ordering::Relaxed);
        Ok(next)
    }

    /// `layout u8 = 3 | codec u8 | version u32 | shape u64 | store 16 | position u64 | traces | types |
    /// view`, integers little-endian. The checksum is the place's.
    pub(crate) fn encode<P: ReadModel>(
        &self,
        view: &P,
        position: Position,
        taint: ErasureTaint,
    ) -> Result<Vec<u8>, String> {
        let mut out = vec![LAYOUT, self.codec.byte()];
        out.extend_from_slice(&self.saved_views.version.to_le_bytes());
        out.extend_from_slice(&self.saved_views.shape.to_le_bytes());
        out.extend_from_slice(self.saved_views.lineage.store().as_bytes());
        out.extend_from_slice(&position.get().to_le_bytes());
        taint.write(&mut out);
        self.types.write(&mut out);
        let keys = self.saved_views.place.sealer();
        let encoded = guarded(|| deriving(keys, || self.codec.encode(view, &mut out)))?;
        encoded.map_err(|error| error.to_string())?;
        Ok(out)
    }

    /// The state of a generation, if there is one. One of no use is told.
    pub(crate) fn load(&self, generation: u64) -> Result<Option<Saved>, ViewError> {
        let Some(bytes) = self.saved_views.place.load_state(generation)? else { return Ok(None) };
        Ok(self.parse(bytes).map_or_else(|why| self.useless(why), Some))
    }

    /// What a state says.
    pub(crate) fn parse(&self, bytes: Vec<u8>) -> Result<Saved, String> {
        Ok(Saved { keys: self.saved_views.place.sealer().cloned(), ..Saved::parse(bytes)? })
    }

    /// Tells why a state is not gone on from.
    pub(crate) fn useless<T>(&self, why: impl std::fmt::Display) -> Option<T> {
        let name = self.name();
        tracing::warn!(target: "actuarius::projection", name, %why, "the saved view is no use");
        None
    }

    /// Whether a state was made from this log.
    pub(crate) fn is_ours(&self, saved: &Saved) -> bool {
        self.saved_views.lineage.shares(saved.store, saved.position)
    }

    /// Whether a state was made by this version of the projection, from the same types. That it was
    /// not from the same, or of the same shape, is told: it would lack their events, or have too many;
    /// or would decode to something else.
    pub(crate) fn is_same(&self, saved: &Saved) -> bool {
        if saved.version != self.saved_views.version {
            return false;
        }
        if saved.types != self.types {
            let (before, now) = (&saved.types, &self.types);
            let why = format_args!("it was made from the events of {before}, not of {now}");
            let _: Option<()> = self.useless(why);
        } else if saved.shape != self.saved_views.shape {
            let _: Option<()> = self.useless("it has another shape than the view of this version");
        }
        saved.types == self.types && saved.shape == self.saved_views.shape
    }

    /// Whether someone may be in a view who is forgotten by now.
    pub(crate) fn must_go(&self, taint: ErasureTaint) -> bool {
        taint.must_go(self.keys().map_or(0, |keys| keys.forgotten()))
    }

    pub(crate) fn keys(&self) -> Option<&Arc<dyn Sealer>> {
        self.saved_views.place.sealer()
    }

    /// Whether no other generation has left anything.
    pub(crate) fn has_only(&self, generation: u64) -> bool {
        let all = self.saved_views.place.generations();
        all.is_ok_and(|all| all.iter().all(|other| *other == generation))
    }

    pub(crate) fn save(&self, generation: u64, state: &[u8]) -> Result<(), ViewError> {
        self.saved_views.place.save_state(generation, state)
    }

    /// From now on this generation is the view; those before it go. One behind it is being built.
    pub(crate) fn make_current(&self, generation: u64) -> Result<(), ViewError> {
        self.saved_views.place.make_current(generation)?;
        self.remove_those(|other| other < generation);
        Ok(())
    }

    /// Removes what others have left when nothing else is being built.
    pub(crate) fn remove_others(&self, generation: u64) {
        self.remove_those(|other| other != generation);
    }

    pub(crate) fn remove(&self, generation: u64) {
        self.remove_those(|other| other == generation);
    }

    fn remove_those(&self, which: impl Fn(u64) -> bool) {
        let all = self.saved_views.place.generations().unwrap_or_default();
        for generation in all.into_iter().filter(|generation| which(*generation)) {
            if let Err(error) = self.saved_views.place.remove(generation) {
                let name = self.name();
                tracing::warn!(target: "actuarius::projection", name, %error, "an old view stays");
            }
        }
    }
}

/// A saved view, not yet decoded.
pub(crate) struct Saved {
    codec: Codec,
    pub(crate) version: u32,
    shape: u64,
    pub(crate) store: Uuid,
    pub(crate) position: Position,
    pub(crate) taint: ErasureTaint,
    types: Types,
    bytes: Vec<u8>,
    /// Where the view begins in them.
    view: usize,
    /// What personal data in it is opened with.
    keys: Option<Arc<dyn Sealer>>,
}

impl Saved {
    pub(crate) fn parse(bytes: Vec<u8>) -> Result<Self, String> {
        let mut rest = &bytes[..];
        let [layout, codec] = take(&mut rest)?;
        if layout != LAYOUT {
            return Err(format!("unknown layout {layout}"));
        }
        let codec = Codec::from_byte(codec).map_err(|error| error.to_string())?;
        let version = u32::from_le_bytes(take(&mut rest)?);
        let shape = u64::from_le_bytes(take(&mut rest)?);
        let store = Uuid::from_bytes(take(&mut rest)?);
        let position = Position::new(u64::from_le_bytes(take(&mut rest)?));
        let taint = ErasureTaint::read(&mut rest).ok_or(CUT_SHORT)?;
        let types = Types::read(&mut rest).ok_or(CUT_SHORT)?;
        let view = bytes.len() - rest.len();
        Ok(Self { codec, version, shape, store, position, taint, types, bytes, view, keys: None })
    }

    pub(crate) fn decode<P: ReadModel>(&self) -> Result<(P, Position), String> {
        let decode = || self.codec.decode(&self.bytes[self.view..]);
        let view = guarded(|| deriving(self.keys.as_ref(), decode))?;
        Ok((view.map_err(|error| error.to_string())?, self.position))
    }
}

const CUT_SHORT: &str = "it is cut short";

fn take<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], String> {
    let (front, rest) = bytes.split_first_chunk().ok_or(CUT_SHORT)?;
    *bytes = rest;
    Ok(*front)
}

#[cfg(test)]
mod tests {
    use actuarius_persistence::views::Views;

    use super::*;

    fn states(codec: Codec) -> States {
        let (name, place) = ("sums".to_owned(), Views::in_memory().place("sums").unwrap());
        let lineage = Lineage::of(Uuid::from_u128(9));
        let saved_views = SavedViews { name, place, version: 3, shape: 5, lineage };
        States::of(saved_views, Types::of(["bell", "ledger"]), codec)
    }

    #[test]
    fn a_state_comes_back_with_all_that_makes_it_one_of_this_projection() {
        for codec in [Codec::Bincode, Codec::Json, Codec::MessagePack] {
            let states = states(codec);
            let bytes =
                states.encode(&vec![1u64, 2], Position::new(77), ErasureTaint::default()).unwrap();
            let saved = Saved::parse(bytes).unwrap();
            assert!(states.is_ours(&saved) && states.is_same(&saved));
            assert_eq!(saved.decode(), Ok((vec![1u64, 2], Position::new(77))));
        }
    }

    #[test]
    fn a_state_cut_short_is_refused() {
        let whole =
            states(Codec::Bincode).encode(&(), Position::new(77), ErasureTaint::default()).unwrap();
        assert!(Saved::parse(whole.clone()).is_ok());
        for length in 0..whole.len() {
            assert!(Saved::parse(whole[..length].to_vec()).is_err());
        }
    }

    /// A number was that of the current generation and one: it was given again while its state was
    /// not saved, and again when a process was killed before its state became current.
    #[test]
    fn no_generation_is_given_twice_and_none_that_somebody_has_left() {
        let states = states(Codec::Bincode);
        assert_eq!((states.next().unwrap(), states.next().unwrap()), (1, 2));
        states.save(7, b"left").unwrap();
        assert_eq!(states.next().unwrap(), 8);
        states.make_current(8).unwrap();
        states.remove_others(8);
        assert_eq!(states.next().unwrap(), 9);
    }
}

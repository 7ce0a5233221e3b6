//! The saved states of a view in memory.

use std::fmt::{self, Display};
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actuarius_domain::{Position, ReadModel};
use actuarius_persistence::personal::{Sealer, deriving};
use actuarius_persistence::views::ViewError;
use actuarius_persistence::{Codec, CodecError};

use super::erasure_taint::ErasureTaint;
use super::saved_views::{Origin, SavedViews};
use super::types::take;
use crate::base::panics::{Contained, guarded};
use crate::base::telemetry::SaveMeters;

const LAYOUT: u8 = 3;

/// The saved states of one view in memory, by generation.
pub(crate) struct States {
    saved_views: SavedViews,
    codec: Codec,
    /// The last number of a generation. None is used twice, because its state may not be saved yet.
    last: AtomicU64,
    /// How often a view was replaced by another one.
    replacements: Mutex<u64>,
    pub(crate) meters: SaveMeters,
}

impl Deref for States {
    type Target = SavedViews;

    fn deref(&self) -> &SavedViews {
        &self.saved_views
    }
}

impl States {
    pub(crate) fn of(saved_views: SavedViews, codec: Codec) -> Self {
        let meters = SaveMeters::of(&saved_views.name);
        let (last, replacements) = (AtomicU64::new(0), Mutex::default());
        Self { saved_views, codec, last, replacements, meters }
    }

    /// Returns a number greater than those of all other generations.
    pub(crate) fn next(&self) -> Result<u64, ViewError> {
        let next = self.last()?.max(self.last.load(Ordering::Relaxed)) + 1;
        self.last.store(next, Ordering::Relaxed);
        Ok(next)
    }

    /// Encodes `layout u8 = 3 | codec u8 | origin | view`, and returns the view that the next start decodes from
    /// it as well. The checksum is the place's.
    ///
    /// # Errors
    /// [`Unsaved`]; the view can be computed from the log.
    pub(crate) fn encode<P: ReadModel>(
        &self,
        view: &P,
        position: Position,
        taint: ErasureTaint,
    ) -> Result<(Vec<u8>, Contained<P>), Unsaved> {
        let mut out = vec![LAYOUT, self.codec.byte()];
        self.origin(position, taint).write(&mut out);
        let encode = || self.codec.encode_checked(view, &mut out).map(Contained::new);
        match guarded(|| deriving(self.sealer(), encode)) {
            Ok(Ok(decoded)) => Ok((out, decoded)),
            Ok(Err(error @ (CodecError::DoesNotReadBack { .. } | CodecError::TooDeep))) => {
                Err(Unsaved::Unstorable(error.to_string()))
            }
            Ok(Err(error)) => Err(Unsaved::Failed(error.to_string())),
            Err(panic) => Err(Unsaved::Failed(panic)),
        }
    }

    /// Returns the state of a generation, if there is one that can be read.
    pub(crate) fn load(&self, generation: u64) -> Result<Option<Saved>, ViewError> {
        let Some(bytes) = self.place.load_state(generation)? else { return Ok(None) };
        Ok(self.parse(bytes).map_or_else(|why| self.reject(why), Some))
    }

    pub(crate) fn parse(&self, bytes: Vec<u8>) -> Result<Saved, String> {
        Ok(Saved { keys: self.sealer().cloned(), ..Saved::parse(bytes)? })
    }

    /// Logs why a state is not used.
    pub(crate) fn reject<T>(&self, why: impl Display) -> Option<T> {
        let name = &self.name;
        tracing::warn!(target: "actuarius::projection", name, %why, "the saved view is not used");
        None
    }

    /// Returns whether a state was made by this version of the projection, from the same types and in the
    /// same shape. Otherwise it would lack events, have too many, or decode to something else.
    pub(crate) fn is_same(&self, origin: &Origin) -> bool {
        if origin.version != self.version {
            return false;
        }
        if origin.types != self.types {
            let (before, now) = (&origin.types, &self.types);
            let why = format_args!("it was made from the events of {before}, not of {now}");
            let _: Option<()> = self.reject(why);
        } else if origin.shape != self.shape {
            let _: Option<()> = self.reject("it has another shape than the view of this version");
        }
        origin.types == self.types && origin.shape == self.shape
    }

    /// Makes this generation the current one and removes those before it. A later one is being built.
    pub(crate) fn make_current(&self, generation: u64) -> Result<(), ViewError> {
        self.place.make_current(generation)?;
        self.remove(|other| other < generation);
        Ok(())
    }

    /// Makes the view of this generation the current one, in place of another one.
    pub(crate) fn replace_by(&self, generation: u64) -> Result<(), ViewError> {
        let mut replacements = self.replacements();
        *replacements += 1;
        self.make_current(generation)
    }

    /// Makes this generation the current one if no view was replaced after the first `before` times.
    pub(crate) fn make_current_unless_replaced(
        &self,
        generation: u64,
        before: u64,
    ) -> Result<(), String> {
        let replacements = self.replacements();
        if *replacements != before {
            return Err("another view has replaced it".to_owned());
        }
        self.make_current(generation).map_err(|error| error.to_string())
    }

    /// Locks the number of replacements: nothing is replaced meanwhile.
    pub(crate) fn replacements(&self) -> MutexGuard<'_, u64> {
        self.replacements.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes generations. One that cannot be removed is logged, and is removed later.
    pub(crate) fn remove(&self, which: impl Fn(u64) -> bool) {
        for error in self.remove_where(which) {
            let name = &self.name;
            tracing::warn!(target: "actuarius::projection", name, %error, "an old view was not removed");
        }
    }
}

/// Why a view was not saved.
#[derive(Debug)]
pub(crate) enum Unsaved {
    /// Its bytes do not read back, so it is computed from the log at each start.
    Unstorable(String),
    /// It could not be encoded or written.
    Failed(String),
}

impl fmt::Display for Unsaved {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Unstorable(why) | Self::Failed(why)) = self;
        formatter.write_str(why)
    }
}

/// A saved view, not yet decoded.
pub(crate) struct Saved {
    codec: Codec,
    pub(crate) origin: Origin,
    bytes: Vec<u8>,
    /// Where the view starts in the bytes.
    view: usize,
    /// Opens the personal data in it.
    keys: Option<Arc<dyn Sealer>>,
}

impl Saved {
    pub(crate) fn parse(bytes: Vec<u8>) -> Result<Self, String> {
        let mut rest = &bytes[..];
        let [layout, codec] = take(&mut rest).ok_or(TRUNCATED)?;
        if layout != LAYOUT {
            return Err(format!("unknown layout {layout}"));
        }
        let codec = Codec::from_byte(codec).map_err(|error| error.to_string())?;
        let origin = Origin::read(&mut rest).ok_or(TRUNCATED)?;
        let view = bytes.len() - rest.len();
        Ok(Self { codec, origin, bytes, view, keys: None })
    }

    pub(crate) fn decode<P: ReadModel>(&self) -> Result<(P, Position), String> {
        let decode = || self.codec.decode(&self.bytes[self.view..]);
        let view = guarded(|| deriving(self.keys.as_ref(), decode))?;
        Ok((view.map_err(|error| error.to_string())?, self.origin.position))
    }
}

const TRUNCATED: &str = "it is truncated";

#[cfg(test)]
mod tests {
    use actuarius_persistence::Lineage;
    use actuarius_persistence::views::Views;
    use uuid::Uuid;

    use super::super::types::Types;
    use super::*;
    use actuarius_persistence::mutations::Mutations;

    fn states(codec: Codec) -> States {
        let (name, place) = ("sums".to_owned(), Views::in_memory().place("sums").unwrap());
        let lineage = Lineage::of(Uuid::from_u128(9));
        let types = Types::of(["bell", "ledger"]);
        States::of(SavedViews { name, place, version: 3, shape: 5, lineage, types }, codec)
    }

    #[test]
    fn a_state_is_read_back_with_its_origin() {
        for codec in [Codec::Bincode, Codec::Json, Codec::MessagePack] {
            let states = states(codec);
            let (bytes, decoded) =
                states.encode(&vec![1u64, 2], Position::new(77), ErasureTaint::default()).unwrap();
            assert_eq!(*decoded, [1, 2]);
            let saved = Saved::parse(bytes).unwrap();
            assert!(states.shares_log(&saved.origin) && states.is_same(&saved.origin));
            assert_eq!(saved.decode(), Ok((vec![1u64, 2], Position::new(77))));
        }
    }

    #[test]
    fn a_truncated_state_is_refused() {
        let (whole, _) =
            states(Codec::Bincode).encode(&(), Position::new(77), ErasureTaint::default()).unwrap();
        assert!(Saved::parse(whole.clone()).is_ok());
        for length in 0..whole.len() {
            assert!(Saved::parse(whole[..length].to_vec()).is_err());
        }
    }

    #[test]
    fn no_generation_number_is_used_twice_and_none_that_has_files() {
        let states = states(Codec::Bincode);
        assert_eq!((states.next().unwrap(), states.next().unwrap()), (1, 2));
        states.place.save_state(7, b"state").unwrap();
        assert_eq!(states.next().unwrap(), 8);
        states.make_current(8).unwrap();
        states.remove(|it| it != 8);
        assert_eq!(states.next().unwrap(), 9);
    }

    #[test]
    fn no_mutated_view_panics_or_allocates_without_a_bound() {
        let samples = [Codec::Bincode, Codec::Json, Codec::MessagePack].map(|codec| {
            let view = vec![1u64, 2, 1 << 40];
            states(codec).encode(&view, Position::new(77), ErasureTaint::default()).unwrap().0
        });
        // serde reserves 1 MiB at most for a list, however long it claims to be.
        let decoder = Mutations::of("a saved view", samples).may_allocate(2 * 1024 * 1024, 64);
        decoder.run(
            |work| allocation_counter::measure(work).bytes_max,
            |bytes| {
                if let Ok(saved) = Saved::parse(bytes.to_vec()) {
                    let _ = saved.decode::<Vec<u64>>();
                }
            },
        );
    }
}

//! Puts each value of a shape into every place, in memory and on disk.

use std::collections::BTreeMap;

use actuarius::Codec;

use crate::holder::{as_rows, as_state, as_view};
use crate::keeper::as_events;
use crate::shape::{ALL, Picks, Shape, picked, values};
use crate::tale::as_saga;
use crate::world::{Outcome, World};

/// What became of values in each place.
type Everywhere = [(&'static str, Outcome); 7];

/// The seed of the random values. `ZOO_SEED` sets another one.
fn seed() -> u64 {
    std::env::var("ZOO_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1)
}

async fn everywhere<S: Shape>(world: fn() -> World, codec: Codec, picks: &Picks) -> Everywhere {
    let told = as_saga::<S>(&world(), codec, picks).await;
    [
        ("event", as_events::<S>(&world(), codec, &picked(picks)).await),
        ("state", as_state::<S>(&world(), codec, picks).await),
        ("saga state", told.state),
        ("saga command", told.command),
        ("saga deadline", told.deadline),
        ("row", as_rows::<S>(&world(), codec, picks).await),
        ("view", as_view::<S>(&world(), codec, picks).await),
    ]
}

/// Whether a codec may take a value in one place and not in another one. bincode takes no events and states of sagas
/// whose shape is not known. Where the value can be computed again, another codec takes its place.
fn differs(codec: Codec) -> bool {
    codec == Codec::Bincode
}

/// Checks a family: each value alone in a store in memory, and all that a codec bears together in one on disk.
pub async fn check<S: Shape>() {
    let (seed, all) = (seed(), values::<S>(seed()));
    let mut borne_by: BTreeMap<_, _> = all.iter().map(|it| (it.kind(), ALL.to_vec())).collect();
    for codec in ALL {
        let mut kept = Vec::new();
        for (index, value) in all.iter().enumerate() {
            let picks = Picks { seed, indexes: vec![index] };
            let outcomes = everywhere::<S>(World::in_memory, codec, &picks).await;
            let is_one = outcomes.iter().all(|(_, outcome)| *outcome == outcomes[0].1);
            assert!(is_one || differs(codec), "{codec:?} {value:?}, seed {seed}: {outcomes:?}");
            if outcomes[0].1 == Outcome::Kept {
                kept.push(index);
            } else if let Some(codecs) = borne_by.get_mut(value.kind()) {
                codecs.retain(|it| *it != codec);
            }
        }
        let picks = Picks { seed, indexes: kept };
        let outcomes = everywhere::<S>(World::on_disk, codec, &picks).await;
        let is_kept = outcomes.iter().all(|(_, outcome)| *outcome == Outcome::Kept);
        assert!(is_kept || differs(codec), "{codec:?} on disk, seed {seed}: {outcomes:?}");
    }
    let expected: BTreeMap<_, _> = S::borne_by().into_iter().collect();
    assert_eq!(borne_by, expected, "the codecs that bear every value of each shape");
}

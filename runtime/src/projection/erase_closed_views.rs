//! Views that no projection is at work on, with someone in them who is forgotten by now.

use actuarius_persistence::views::{Place, ViewError, Views};

use super::keyed;
use super::saved::Saved;

/// What became of them.
#[derive(Default)]
pub(crate) struct Swept {
    /// Views of which everything was removed: they are built anew when they are started.
    pub(crate) removed: Vec<String>,
    /// Views that could not be looked at, because someone has them open or they cannot be read.
    pub(crate) left: Vec<String>,
}

/// Removes what there is of them, except of those that are `at_work`. Waits for a disk.
pub(crate) fn sweep(
    views: &Views,
    forgotten: u64,
    at_work: impl Fn(&str) -> bool,
) -> Result<Swept, ViewError> {
    let mut swept = Swept::default();
    for name in views.names()? {
        if at_work(&name) {
            continue;
        }
        match views.place(&name).and_then(|place| clear(&place, forgotten)) {
            Ok(true) => swept.removed.push(name),
            Ok(false) => {}
            // It may have been started in the meantime, which has looked after it.
            Err(ViewError::InUse { .. }) if at_work(&name) => {}
            Err(error) => {
                tracing::warn!(
                    target: "actuarius::projection", name, %error,
                    "a view may hold someone who was forgotten, and could not be looked at"
                );
                swept.left.push(name);
            }
        }
    }
    Ok(swept)
}

fn clear(place: &Place, forgotten: u64) -> Result<bool, ViewError> {
    let (all, current) = (place.generations()?, place.current()?);
    let mut removed = false;
    for generation in &all {
        if !must_erase(place, *generation, forgotten)? {
            continue;
        }
        if current == Some(*generation) {
            // One that is not there: the view begins anew.
            place.make_current(all.iter().max().unwrap_or(generation) + 1)?;
        }
        place.remove(*generation)?;
        removed = true;
    }
    Ok(removed)
}

fn must_erase(place: &Place, generation: u64, forgotten: u64) -> Result<bool, ViewError> {
    match place.load_state(generation)? {
        // One that this release does not understand was written before there was personal data, or
        // after all that is known here: its projection looks after it.
        Some(state) => {
            Ok(Saved::parse(state).is_ok_and(|it| it.origin.taint.must_erase(forgotten)))
        }
        None => keyed::must_erase(&place.table(generation)?.reader(), forgotten),
    }
}

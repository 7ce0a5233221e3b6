//! Erases views that no projection runs for and that may hold clear text of a forgotten subject.

use actuarius_persistence::views::{Place, ViewError, Views};

use super::keyed;
use super::saved::Saved;

/// The views that were removed, and those that could not be checked.
#[derive(Default)]
pub(crate) struct Swept {
    /// Views that were removed. They are rebuilt at their next start.
    pub(crate) removed: Vec<String>,
    /// Views that could not be checked, because they are in use or cannot be read.
    pub(crate) left: Vec<String>,
}

/// Removes such views, except those that are `in_use`. Waits for a disk.
pub(crate) fn sweep(
    views: &Views,
    forgotten: u64,
    in_use: impl Fn(&str) -> bool,
) -> Result<Swept, ViewError> {
    let mut swept = Swept::default();
    for name in views.names()? {
        if in_use(&name) {
            continue;
        }
        match views.place(&name).and_then(|place| clear(&place, forgotten)) {
            Ok(true) => swept.removed.push(name),
            Ok(false) => {}
            // It may have been started since, and then its projection erases it.
            Err(ViewError::InUse { .. }) if in_use(&name) => {}
            Err(error) => {
                tracing::warn!(
                    target: "actuarius::projection", name, %error,
                    "a view may hold clear text of a forgotten subject, and could not be checked"
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
            // Makes a missing generation current, so that the view is rebuilt.
            place.make_current(all.iter().max().unwrap_or(generation) + 1)?;
        }
        place.remove(*generation)?;
        removed = true;
    }
    Ok(removed)
}

fn must_erase(place: &Place, generation: u64, forgotten: u64) -> Result<bool, ViewError> {
    match place.load_state(generation)? {
        // A state that this release cannot read was written before there was personal data, or by a later
        // release: its projection handles it.
        Some(state) => {
            Ok(Saved::parse(state).is_ok_and(|it| it.origin.taint.must_erase(forgotten)))
        }
        None => keyed::must_erase(&place.table(generation)?.reader(), forgotten),
    }
}

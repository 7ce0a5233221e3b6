//! Tests that a view is saved from a copy while events change it.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use actuarius_domain::Position;
use actuarius_persistence::views::Views;
use actuarius_persistence::{Codec, Lineage};
use serde::{Deserialize, Serialize, Serializer};
use uuid::Uuid;

use crate::projection::memory::shared_view::{SharedView, ViewState};
use crate::projection::memory::target::MemoryTarget;
use crate::projection::routes::Routes;
use crate::projection::saved::States;
use crate::projection::saved_views::SavedViews;
use crate::projection::target::Target;
use crate::projection::types::Types;

/// Encoding a view waits for it.
static GATE: Mutex<()> = Mutex::new(());

fn closed() -> MutexGuard<'static, ()> {
    GATE.lock().unwrap()
}

/// A view whose encoding takes long.
#[derive(Debug, Default, Clone, PartialEq, Deserialize)]
struct Slow {
    sum: u64,
}

impl Serialize for Slow {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Slow {
            sum: u64,
        }
        drop(GATE.lock().unwrap());
        Slow { sum: self.sum }.serialize(serializer)
    }
}

fn states() -> Arc<States> {
    let (name, place) = ("slow".to_owned(), Views::in_memory().place("slow").unwrap());
    let (lineage, types) = (Lineage::of(Uuid::from_u128(9)), Types::of(["bell"]));
    let views = SavedViews { name, place, version: 1, shape: 1, lineage, types };
    Arc::new(States::of(views, Codec::Json))
}

fn sum_saved(states: &States) -> Option<(u64, Position)> {
    let saved = states.load(1).unwrap()?;
    let (view, position) = saved.decode::<Slow>().unwrap();
    Some((view.sum, position))
}

/// The index of a million instances took a second to save, in which no step reached it: events by key waited for it,
/// and so did all that waited for those.
#[test]
fn events_change_a_view_while_its_copy_is_saved() {
    let (states, view) = (states(), SharedView::<Slow>::default());
    let views = (view.clone(), view.clone());
    let mut target =
        MemoryTarget::new(Routes::default(), (states.clone(), 1), views, Duration::ZERO)
            .saved_from(Some(Slow::clone));
    let put = |sum: u64| {
        let (view_now, position) = (Slow { sum }, Position::new(sum));
        view.put(ViewState { view: view_now, position, ..ViewState::default() });
    };
    put(1);
    let gate = closed();
    target.save_soon();
    // It would wait here if the view were locked, or if this thread saved it.
    put(2);
    target.save_soon();
    assert!(target.save_at().is_some() && sum_saved(&states).is_none());
    drop(gate);
    while sum_saved(&states).is_none() {
        target.save_soon();
        std::thread::yield_now();
    }
    assert_eq!(sum_saved(&states), Some((1, Position::new(1))));
    // The last save waits, and has the latest events.
    target.save();
    assert_eq!(sum_saved(&states), Some((2, Position::new(2))));
    assert_eq!((view.read().view.sum, target.save_at()), (2, None));
}

/// A view was replaced by one that was built again, while the first copy of the old one was being saved. The files of the
/// old one were removed first, and the copy came after: the next start found the old view as the current one.
#[test]
fn a_replaced_view_leaves_no_copy_that_was_being_saved() {
    let (states, view) = (states(), SharedView::<Slow>::default());
    let views = (view.clone(), view.clone());
    let mut target =
        MemoryTarget::new(Routes::default(), (states.clone(), 1), views, Duration::ZERO)
            .saved_from(Some(Slow::clone));
    view.put(ViewState { view: Slow { sum: 1 }, position: Position::new(1), ..Default::default() });
    let gate = closed();
    target.save_soon();
    states.replace_by(2).unwrap();
    let discarding = std::thread::spawn(|| target.discard());
    // Gives it time to remove the files too early.
    for _ in 0..10_000 {
        std::thread::yield_now();
    }
    drop(gate);
    discarding.join().unwrap();
    assert_eq!(sum_saved(&states), None);
    assert_eq!(states.place.current().unwrap(), Some(2));
}

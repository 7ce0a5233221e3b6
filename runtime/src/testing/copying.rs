//! Copies real history into a store in memory.

use actuarius_persistence::copy::{self, Selection};
use actuarius_persistence::{Reader, Store, ignore_progress, memory};

use super::fail::fail;

/// Returns a store in memory with a copy of what is selected, for a separate runtime: shows what a change
/// does to real history without touching it.
///
/// ```
/// use actuarius::store::copy::Selection;
/// use actuarius::{Position, Runtime, testing};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let live = Runtime::in_memory().await?;
/// let orders = Selection::matching(|kind, _| kind == "order").up_to(Position::new(1_000));
/// let copy = testing::copy_of(&*live.reader()?, &orders);
/// let aside = Runtime::builder().on_store(copy).await?;
/// # drop(aside);
/// # Ok(())
/// # }
/// ```
///
/// # Panics
/// If the store cannot be read.
#[track_caller]
#[must_use]
pub fn copy_of(reader: &dyn Reader, selection: &Selection<'_>) -> Store {
    let mut store = memory::open();
    match copy::run(reader, &mut store, selection, &mut ignore_progress) {
        Ok(_) => store,
        Err(error) => fail(&format!("the store cannot be copied: {error}")),
    }
}

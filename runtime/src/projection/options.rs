use std::sync::Arc;

use super::saved::Shelf;
use super::target::opening;
use crate::alive::Alive;
use crate::followers::{Retry, StartError};

/// What all projections whose views are kept here can be told.
#[derive(Clone)]
pub(crate) struct Options {
    pub(crate) version: u32,
    pub(crate) also_reads: Vec<u32>,
    pub(crate) from_scratch: bool,
    pub(crate) retry: Retry,
}

impl Default for Options {
    fn default() -> Self {
        let retry = Retry::default();
        Self { version: 1, also_reads: vec![], from_scratch: false, retry }
    }
}

impl Options {
    /// The place of the view named `name`, whose value or row has that shape.
    pub(crate) async fn shelf(
        &self,
        shape: u64,
        alive: &Arc<Alive>,
        name: String,
    ) -> Result<Shelf, StartError> {
        let (views, version) = (alive.views.clone(), self.version);
        let reader = alive.engine.library.reader().map_err(|_| StartError::ShuttingDown)?;
        let shelf = move || {
            let (place, lineage) = (views.place(&name)?, reader.lineage());
            Ok(Shelf { name, place, version, shape, lineage })
        };
        opening(shelf).await
    }
}

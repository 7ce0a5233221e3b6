use std::sync::Arc;

use super::saved::SavedViews;
use super::target::opening;
use crate::follow::followers::{Retry, StartError};
use crate::inner::Inner;

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
    pub(crate) async fn saved_views(
        &self,
        shape: u64,
        inner: &Arc<Inner>,
        name: String,
    ) -> Result<SavedViews, StartError> {
        let (views, version) = (inner.views.clone(), self.version);
        let reader = inner.engine.store.reader().map_err(|_| StartError::ShuttingDown)?;
        let saved_views = move || {
            let (place, lineage) = (views.place(&name)?, reader.lineage());
            Ok(SavedViews { name, place, version, shape, lineage })
        };
        opening(saved_views).await
    }
}

//! Reads all rows of the keyed view, page by page.

use std::collections::BTreeMap;

use actuarius::projection::{Keyed, ViewReadError};

use crate::total::{Recent, Total};

/// The number of rows in a page: few, so that several pages are needed.
const PAGE: usize = 50;

pub(crate) type Row = ((String, u64), Total);

pub(crate) fn all_rows(
    recent: &Keyed<Recent>,
) -> Result<BTreeMap<(String, u64), Total>, ViewReadError> {
    let mut rows = BTreeMap::new();
    let listing = recent.rows().limit(PAGE);
    let mut page = listing.list()?;
    loop {
        rows.extend(page.rows);
        let Some(next) = page.next else { return Ok(rows) };
        page = listing.clone().from_cursor(&next).list()?;
    }
}

pub(crate) fn rows_by_position(recent: &Keyed<Recent>) -> Result<Vec<Row>, ViewReadError> {
    let mut rows = Vec::new();
    let mut page = recent.by("position").limit(PAGE).list()?;
    while let Some((key, row)) = page.last() {
        let next = recent.by("position").after(&row.position, key).limit(PAGE).list()?;
        rows.extend(page);
        page = next;
    }
    Ok(rows)
}

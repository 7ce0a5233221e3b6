//! The scenario `projection`: how fast projections follow the log.

mod catch_up;
mod lag;
mod rebuild;
mod slow;
pub(super) mod views;

use crate::Result;
use crate::options::Options;
use crate::row::Row;

/// Measures catching up for each kind of view, the lag of a view under load, a rebuild under load, and a projection that is far too slow.
pub(super) async fn projection(options: &Options) -> Result<Vec<Row>> {
    let mut rows = catch_up::catch_up(options).await?;
    rows.extend(lag::lag(options).await?);
    rows.extend(rebuild::rebuild(options).await?);
    rows.extend(slow::slow(options).await?);
    Ok(rows)
}

//! How fast projections follow the log, and what they cost those who write it.

mod catch_up;
mod cost;
mod lag;
mod views;

use crate::Result;
use crate::options::Options;
use crate::row::Row;

/// Catching up into each kind of view, how far behind the answer a view is under load, and commands
/// per second with projections attached.
pub(super) async fn projection(options: &Options) -> Result<Vec<Row>> {
    let mut rows = catch_up::catch_up(options).await?;
    rows.extend(lag::lag(options).await?);
    rows.extend(cost::cost(options).await?);
    Ok(rows)
}

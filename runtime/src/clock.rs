//! Clocks: where the time of events comes from.

pub use crate::base::clock::{Clock, ManualClock, SystemClock};

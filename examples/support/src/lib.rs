//! What the example programs share.
//!
//! [`Options`] parses the command line, [`share_out`] lets many clients work at once, [`execute`] and [`answer`]
//! retry commands, `settle` waits until all instances of a saga have ended, [`Milestones`] counts progress, and
//! [`Percentiles`] summarizes latencies.

mod clients;
mod execute;
mod options;
mod percentiles;
mod progress;
#[cfg(feature = "sagas")]
mod settle;

use std::fmt::Display;
use std::io::Write as _;

pub use clients::{ClientPanicked, share_out};
pub use execute::{answer, execute};
pub use options::{Options, Program};
pub use percentiles::Percentiles;
pub use progress::{Milestones, ProgressLine};
#[cfg(feature = "sagas")]
pub use settle::{SettleError, settle};

/// Prints a line to standard output. A reader that has closed the pipe does not stop the program.
pub fn say(text: impl Display) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

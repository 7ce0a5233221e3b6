//! The progress of a replay: a line on a terminal, otherwise a few lines of the report.

use example_support::{Milestones, ProgressLine, say};
use shop::Progress;

use crate::report::grouped;

/// The number of lines of the report.
const LINES: u64 = 5;

/// Shows the progress.
pub(crate) struct Shown {
    milestones: Milestones,
    line: Option<ProgressLine>,
}

impl Shown {
    pub(crate) fn new(all: u64) -> Self {
        Self { milestones: Milestones::new(all, LINES), line: ProgressLine::on_terminal(all) }
    }

    /// Clears the line.
    pub(crate) fn end(&self) {
        self.line.iter().for_each(ProgressLine::clear);
    }
}

impl Progress for Shown {
    fn acknowledged(&self) {
        match &self.line {
            Some(line) => line.advance("purchases"),
            None => self.milestones.advance().into_iter().for_each(|(done, percent)| {
                say(format!("  {percent:>3} %  {:>9} purchases", grouped(done)));
            }),
        }
    }
}

//! The progress bar of a long command: on a terminal only, and never on standard output.

use std::io::{self, IsTerminal};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar on standard error. Dropping it clears it.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// A bar for `all` positions of a log, labelled `what`; with 0, a bar that appears when the number is known. It is
    /// hidden if the command writes lines to the same terminal.
    pub(crate) fn of(what: &'static str, all: u64, writes_lines: bool) -> Self {
        let in_the_way = writes_lines && io::stdout().is_terminal();
        let target =
            if in_the_way { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        Self::on(target, what, all)
    }

    fn on(target: ProgressDrawTarget, what: &'static str, all: u64) -> Self {
        // A bar of no length is drawn as full.
        let bar = ProgressBar::with_draw_target((all > 0).then_some(all), target);
        let template = "{msg} [{bar:40}] {human_pos} of {human_len} events, {eta} left";
        // The template is valid; if it were not, the default one is as good.
        let style =
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style.progress_chars("=> "));
        bar.set_message(what);
        Self(bar)
    }

    /// A counter without a known end.
    pub(crate) fn lines(what: &'static str) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{msg} {spinner} {human_pos} commits");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        bar.set_message(what);
        Self(bar)
    }

    /// Sets the position and the end.
    pub(crate) fn at_of(&self, position: u64, all: u64) {
        self.0.set_length(all);
        self.0.set_position(position);
    }

    /// Sets the position.
    pub(crate) fn at(&self, position: u64) {
        self.0.set_position(position);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bar of a check began full, with "0 of 0 events", and became empty when the length of the log was known.
    #[test]
    fn a_bar_of_unknown_length_has_none_and_so_is_not_drawn_as_full() {
        let progress = Progress::on(ProgressDrawTarget::hidden(), "checking", 0);
        assert_eq!(progress.0.length(), None);
        progress.at_of(50, 100);
        assert_eq!((progress.0.position(), progress.0.length()), (50, Some(100)));
    }
}

use std::io::IsTerminal;
use std::sync::atomic::{AtomicU64, Ordering};

use indicatif::{ProgressBar, ProgressStyle};
use shop::Progress;

use crate::report::{grouped, say};

/// Into how many plain lines the way is divided.
const LINES: u64 = 5;

/// Progress for people: a bar on a terminal, a few plain lines elsewhere.
pub(crate) struct Shown {
    all: u64,
    done: AtomicU64,
    bar: Option<ProgressBar>,
}

impl Shown {
    pub(crate) fn new(all: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| bar(all));
        Self { all, done: AtomicU64::new(0), bar }
    }
}

fn bar(all: u64) -> ProgressBar {
    let template = "  [{bar:40}] {human_pos} of {human_len} purchases";
    let style = ProgressStyle::with_template(template).expect("the template is valid");
    ProgressBar::new(all).with_style(style.progress_chars("=> "))
}

/// Takes the bar away: the report says what it came to.
pub(crate) fn end(shown: &Shown) {
    if let Some(bar) = &shown.bar {
        bar.finish_and_clear();
    }
}

impl Progress for Shown {
    fn acknowledged(&self) {
        if let Some(bar) = &self.bar {
            bar.inc(1);
            return;
        }
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        // By count, not by time, so that the same job prints the same lines.
        let passed = |done: u64| u128::from(done) * u128::from(LINES) / u128::from(self.all.max(1));
        if passed(done) > passed(done - 1) {
            let percent = u128::from(done) * 100 / u128::from(self.all.max(1));
            say(format!("  {percent:>3} %  {:>9} purchases", grouped(done)));
        }
    }
}

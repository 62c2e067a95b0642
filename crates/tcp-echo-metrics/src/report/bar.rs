//! A bar on standard error that shows how far a run is, where a person sees it.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::format::Charset;
use crate::logging::{self, Diverted};

/// How far a run is, and how far it goes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Progress {
    /// So many slots of so many.
    Slots(u64, u64),
    /// So much of that time.
    Time(Duration, Duration),
    /// So many slots; nobody knows of how many.
    Open(u64),
}

/// The bar, until it is dropped. Log lines go above it.
#[derive(Debug)]
pub(super) struct Bar {
    bar: ProgressBar,
    _log: Diverted,
}

impl Bar {
    /// The bar, if standard error is a terminal.
    pub(super) fn new(progress: Progress) -> Option<Self> {
        let stderr = io::stderr();
        if !stderr.is_terminal() {
            return None;
        }
        let template = match progress {
            Progress::Slots(..) => "[{bar:40}] {pos}/{len} slots, {eta} left",
            Progress::Time(..) => "[{bar:40}] {elapsed} of {msg}",
            Progress::Open(_) => "{elapsed}, {pos} slots; Ctrl-C ends it",
        };
        let characters = match Charset::of(&stderr) {
            Charset::Unicode => "█▉▊▋▌▍▎▏ ",
            Charset::Ascii => "#- ",
        };
        // The templates are right; a bar without a style would be the default one.
        let style = ProgressStyle::with_template(template).ok()?;
        let bar = ProgressBar::with_draw_target(Some(1), ProgressDrawTarget::stderr());
        bar.set_style(style.progress_chars(characters));
        let above = bar.clone();
        let log = logging::divert(move |line| {
            // Where standard error can't be written to there is nobody to tell.
            above.suspend(|| drop(io::stderr().write_all(line)));
        });
        let shown = Self { bar, _log: log };
        shown.update(progress);
        Some(shown)
    }

    pub(super) fn update(&self, progress: Progress) {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        match progress {
            Progress::Slots(now, all) => {
                self.bar.set_length(all);
                self.bar.set_position(now.min(all));
            }
            Progress::Time(now, all) => {
                self.bar.set_message(format!("{}s", all.as_secs_f64()));
                self.bar.set_length(millis(all));
                self.bar.set_position(millis(now.min(all)));
            }
            Progress::Open(now) => self.bar.set_position(now),
        }
        self.bar.tick();
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

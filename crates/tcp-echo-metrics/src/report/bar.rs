//! A bar on standard error that shows how far a run is, where a person sees it.

use std::io::{self, IsTerminal, Write};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::format::Charset;
use crate::logging::{self, Diverted};

/// How often the bar moves.
pub(super) const EVERY: Duration = Duration::from_millis(100);
/// How long its end is waited for.
const PATIENCE: Duration = Duration::from_millis(300);

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
///
/// A thread of its own draws it: a terminal that is stopped blocks the thread that writes.
#[derive(Debug)]
pub(super) struct Bar {
    progress: Arc<Mutex<Progress>>,
    /// Nothing is sent: the bar ends with it.
    end: Option<Sender<()>>,
    /// The end of the thread.
    ended: Receiver<()>,
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
        let progress = Arc::new(Mutex::new(progress));
        let shown = Arc::clone(&progress);
        let (end, ends) = mpsc::channel();
        let (has_ended, ended) = mpsc::channel();
        let thread = thread::Builder::new().name("bar".to_owned());
        // Without a thread there is no bar, and the run is the same.
        thread
            .spawn(move || {
                draw(&bar, &shown, &ends);
                drop(has_ended);
            })
            .ok()?;
        Some(Self {
            progress,
            end: Some(end),
            ended,
            _log: log,
        })
    }

    pub(super) fn update(&self, progress: Progress) {
        *self.progress.lock().unwrap_or_else(PoisonError::into_inner) = progress;
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.end = None;
        // On a terminal that is stopped it would take for ever.
        let _ = self.ended.recv_timeout(PATIENCE);
    }
}

/// Draws until it is to end.
fn draw(bar: &ProgressBar, progress: &Mutex<Progress>, ends: &Receiver<()>) {
    loop {
        let now = *progress.lock().unwrap_or_else(PoisonError::into_inner);
        update(bar, now);
        if ends.recv_timeout(EVERY) != Err(RecvTimeoutError::Timeout) {
            bar.finish_and_clear();
            return;
        }
    }
}

fn update(bar: &ProgressBar, progress: Progress) {
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    match progress {
        Progress::Slots(now, all) => {
            bar.set_length(all);
            bar.set_position(now.min(all));
        }
        Progress::Time(now, all) => {
            bar.set_message(format!("{}s", all.as_secs_f64()));
            bar.set_length(millis(all));
            bar.set_position(millis(now.min(all)));
        }
        Progress::Open(now) => bar.set_position(now),
    }
    bar.tick();
}

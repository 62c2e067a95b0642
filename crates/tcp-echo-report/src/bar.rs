//! The progress bar of a run on standard error.

use std::io::{self, IsTerminal, Write};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tcp_echo_log::Redirect;

use crate::format::Charset;
use crate::progress::{Progress, UPDATE_INTERVAL};

/// The timeout for the thread of the bar to end.
const END_TIMEOUT: Duration = Duration::from_millis(300);

/// The bar, until it is dropped. Log lines appear above it.
///
/// A thread of its own draws it, since a stopped terminal blocks writes.
#[derive(Debug)]
pub(crate) struct Bar {
    progress: Arc<Mutex<Progress>>,
    /// The bar ends when this is dropped.
    end: Option<Sender<()>>,
    /// Disconnected when the thread has ended.
    ended: Receiver<()>,
    _redirect: Redirect,
}

impl Bar {
    /// Starts the bar if standard error is a terminal.
    pub(crate) fn new(progress: Progress) -> Option<Self> {
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
        // The templates are valid.
        let style = ProgressStyle::with_template(template).ok()?;
        let bar = ProgressBar::with_draw_target(Some(1), ProgressDrawTarget::stderr());
        bar.set_style(style.progress_chars(characters));
        let above = bar.clone();
        let redirect = tcp_echo_log::redirect(move |line| {
            // A standard error that can't be written can't be reported either.
            above.suspend(|| drop(io::stderr().write_all(line)));
        });
        let progress = Arc::new(Mutex::new(progress));
        let shown = Arc::clone(&progress);
        let (end, ends) = mpsc::channel();
        let (has_ended, ended) = mpsc::channel();
        let thread = thread::Builder::new().name("bar".to_owned());
        // Without a thread there is no bar; the run goes on.
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
            _redirect: redirect,
        })
    }

    pub(crate) fn update(&self, progress: Progress) {
        *self.progress.lock().unwrap_or_else(PoisonError::into_inner) = progress;
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.end = None;
        // On a stopped terminal the thread never ends.
        let _ = self.ended.recv_timeout(END_TIMEOUT);
    }
}

/// Draws until the other end of `ends` is dropped.
fn draw(bar: &ProgressBar, progress: &Mutex<Progress>, ends: &Receiver<()>) {
    loop {
        let now = *progress.lock().unwrap_or_else(PoisonError::into_inner);
        update(bar, now);
        if ends.recv_timeout(UPDATE_INTERVAL) != Err(RecvTimeoutError::Timeout) {
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

//! The thread of the view.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use ratatui::crossterm::event::{Event, KeyEventKind};
use tokio::sync::oneshot;

use super::draw::draw;
use super::input;
use super::keys::{self, After};
use super::log::Log;
use super::screen::{Screen, THREAD};
use super::targets::LiveTargets;
use super::view::View;
use crate::report::Charset;

/// How often targets are read and drawn.
const EVERY: Duration = Duration::from_millis(200);
/// How soon the view ends when it is told to.
const NOTICE: Duration = Duration::from_millis(50);
/// How long its end is waited for, and in which steps.
const PATIENCE: Duration = Duration::from_secs(1);
const STEP: Duration = Duration::from_millis(5);

/// The live view, until it is dropped. Then the terminal is as it was.
#[derive(Debug)]
pub struct Live {
    is_over: Arc<AtomicBool>,
    /// Until that has been told.
    left: Option<oneshot::Receiver<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Live {
    /// Takes the terminal and shows the targets.
    ///
    /// # Errors
    /// Where the terminal can't be taken, or the system gives no thread.
    pub fn start(targets: LiveTargets) -> io::Result<Self> {
        // A log line on the screen would stay there.
        let log = Log::take();
        let screen = Screen::take()?;
        let is_over = Arc::new(AtomicBool::new(false));
        let (leave, left) = oneshot::channel();
        let ordered = Arc::clone(&is_over);
        let thread = thread::Builder::new()
            .name(THREAD.to_owned())
            .spawn(move || {
                // A terminal that is gone ends the view as a key does, and there is
                // nobody to tell why. So does a panic, which has been reported.
                let _ = show(screen, &targets, &log, &ordered);
                drop(log);
                let _ = leave.send(());
            })?;
        Ok(Self {
            is_over,
            left: Some(left),
            thread: Some(thread),
        })
    }

    /// Waits until it was left, by a key or because its terminal is gone.
    pub async fn left(&mut self) {
        if let Some(left) = &mut self.left {
            // A thread that has ended without a word has left as well.
            let _ = left.await;
            self.left = None;
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        let Some(thread) = self.thread.take() else {
            return;
        };
        // A write to a terminal that is stopped may take for ever; the program ends all
        // the same.
        let end = Instant::now() + PATIENCE;
        while !thread.is_finished() && Instant::now() < end {
            thread::sleep(STEP);
        }
        if thread.is_finished() {
            let _ = thread.join();
        }
    }
}

fn show(
    mut screen: Screen,
    targets: &LiveTargets,
    log: &Log,
    is_over: &AtomicBool,
) -> io::Result<()> {
    let charset = Charset::of(&io::stdout());
    let mut view = View::new();
    let mut next = Instant::now();
    while !is_over.load(Ordering::Relaxed) {
        let now = Instant::now();
        if now >= next {
            view.read(targets);
            // A slow terminal is drawn to less often.
            next = now + EVERY;
        }
        if !screen.draw(|frame| draw(frame, &mut view, targets, log, charset))? {
            return Ok(());
        }
        // Keys are answered at once, with what was read last.
        while Instant::now() < next && !is_over.load(Ordering::Relaxed) {
            let wait = next.saturating_duration_since(Instant::now());
            let events = input::wait(wait.min(NOTICE))?;
            for event in &events {
                match take(&mut view, event) {
                    After::Stay => {}
                    After::Read => view.read(targets),
                    After::Clear => screen.clear()?,
                    After::Quit => return Ok(()),
                }
            }
            if !events.is_empty() {
                break;
            }
        }
    }
    Ok(())
}

fn take(view: &mut View, event: &Event) -> After {
    match event {
        Event::Key(key) if key.kind != KeyEventKind::Release => keys::press(view, *key),
        _ => After::Stay,
    }
}

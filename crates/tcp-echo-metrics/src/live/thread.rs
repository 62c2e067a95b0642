//! The thread of the view.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use ratatui::crossterm::event::{Event, KeyEventKind};
use tokio::sync::oneshot;

use super::draw::draw;
use super::input;
use super::keys::{self, After};
use super::log::Log;
use super::screen::{self, Screen, THREAD};
use super::targets::LiveTargets;
use super::view::View;
use crate::report::Charset;

/// How often targets are read and drawn.
const EVERY: Duration = Duration::from_millis(200);
/// How soon the view ends when it is told to.
const NOTICE: Duration = Duration::from_millis(50);
/// How long its beginning and its end are waited for: a terminal that is stopped takes
/// nothing and gives no error.
const PATIENCE: Duration = Duration::from_millis(500);

/// The live view, until it is dropped. Then the terminal is as it was.
#[derive(Debug)]
pub struct Live {
    is_over: Arc<AtomicBool>,
    /// Until that has been told.
    left: Option<oneshot::Receiver<()>>,
    /// The end of the thread.
    ended: mpsc::Receiver<()>,
}

impl Live {
    /// Takes the terminal and shows the targets. Where the terminal is stopped, this is
    /// done when it goes on.
    ///
    /// # Errors
    /// Where the terminal can't be taken, or the system gives no thread.
    pub fn start(targets: LiveTargets) -> io::Result<Self> {
        // A log line on the screen would stay there.
        let log = Log::take();
        let is_over = Arc::new(AtomicBool::new(false));
        let (leave, left) = oneshot::channel();
        let (take, taken) = mpsc::channel();
        let (end, ended) = mpsc::channel();
        let ordered = Arc::clone(&is_over);
        thread::Builder::new()
            .name(THREAD.to_owned())
            .spawn(move || {
                match Screen::take() {
                    Ok(screen) => {
                        let _ = take.send(Ok(()));
                        // A terminal that is gone ends the view as a key does, and there
                        // is nobody to tell why. So does a panic, which has been reported.
                        let _ = show(screen, &targets, &log, &ordered);
                    }
                    Err(error) => drop(take.send(Err(error))),
                }
                drop(log);
                let _ = leave.send(());
                drop(end);
            })?;
        if let Ok(result) = taken.recv_timeout(PATIENCE) {
            result?;
        }
        Ok(Self {
            is_over,
            left: Some(left),
            ended,
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
        // A write to a terminal that is stopped may take for ever; the program ends all
        // the same.
        if self.ended.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout) {
            screen::abandon();
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

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
use super::keys::{self, Effect};
use super::log::Log;
use super::screen::{self, Screen, THREAD};
use super::targets::LiveTargets;
use super::view::View;
use crate::format::Charset;

/// The interval of reading and drawing the targets.
const REDRAW_INTERVAL: Duration = Duration::from_millis(200);
/// The view notices its end within this time.
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// The timeout of its start and its end: a stopped terminal blocks all output.
const TIMEOUT: Duration = Duration::from_millis(500);

/// The live view, until it is dropped. Then the terminal is restored.
#[derive(Debug)]
pub struct Live {
    is_over: Arc<AtomicBool>,
    /// Until the view was left.
    left: Option<oneshot::Receiver<()>>,
    /// Disconnected when the thread has ended.
    ended: mpsc::Receiver<()>,
}

impl Live {
    /// Takes the terminal and shows the targets. If the terminal is stopped, the view appears
    /// when it continues.
    ///
    /// # Errors
    /// The terminal can't be taken, or the system can't create a thread.
    pub fn start(targets: LiveTargets) -> io::Result<Self> {
        // A log line would corrupt the screen.
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
                        // A terminal that is gone ends the view like a key, as does a panic,
                        // which is reported already.
                        let _ = show(screen, &targets, &log, &ordered);
                    }
                    Err(error) => drop(take.send(Err(error))),
                }
                drop(log);
                let _ = leave.send(());
                drop(end);
            })?;
        if let Ok(result) = taken.recv_timeout(TIMEOUT) {
            result?;
        }
        Ok(Self {
            is_over,
            left: Some(left),
            ended,
        })
    }

    /// Waits until the user leaves the view, or its terminal is gone.
    pub async fn left(&mut self) {
        if let Some(left) = &mut self.left {
            // A thread that ended otherwise has left as well.
            let _ = left.await;
            self.left = None;
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        // A write to a stopped terminal may block for ever; the program ends anyway.
        if self.ended.recv_timeout(TIMEOUT) == Err(mpsc::RecvTimeoutError::Timeout) {
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
            // A slow terminal is redrawn less often.
            next = now + REDRAW_INTERVAL;
        }
        if !screen.draw(|frame| draw(frame, &mut view, targets, log, charset))? {
            return Ok(());
        }
        // Keys take effect at once, on the targets as read last.
        while Instant::now() < next && !is_over.load(Ordering::Relaxed) {
            let wait = next.saturating_duration_since(Instant::now());
            let events = input::wait(wait.min(POLL_INTERVAL))?;
            for event in &events {
                match handle(&mut view, event) {
                    Effect::Stay => {}
                    Effect::Read => view.read(targets),
                    Effect::Clear => screen.clear()?,
                    Effect::Quit => return Ok(()),
                }
            }
            if !events.is_empty() {
                break;
            }
        }
    }
    Ok(())
}

fn handle(view: &mut View, event: &Event) -> Effect {
    match event {
        Event::Key(key) if key.kind != KeyEventKind::Release => keys::press(view, *key),
        _ => Effect::Stay,
    }
}

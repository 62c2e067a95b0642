//! Takes the terminal, and restores it however the view ends.

use std::io::{self, BufWriter, Stdout};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Once, mpsc};
use std::time::Duration;
use std::{panic, thread};

use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::{Frame, Terminal};

/// The name of the thread that draws.
pub(super) const THREAD: &str = "live";

/// The size of the write buffer.
const BUFFER_SIZE: usize = 64 * 1024;
/// The timeout of a restore: for a screen that is being drawn, and for a stopped terminal.
const RESTORE_TIMEOUT: Duration = Duration::from_millis(300);
const POLL_INTERVAL: Duration = Duration::from_millis(1);

/// Whether the view has the terminal, which has to be restored.
static IS_TAKEN: AtomicBool = AtomicBool::new(false);
/// Whether the view may still draw.
static MAY_DRAW: AtomicBool = AtomicBool::new(false);
/// Whether the view is drawing now.
static IS_DRAWING: AtomicBool = AtomicBool::new(false);

/// The terminal of the view, restored on drop.
#[derive(Debug)]
pub(super) struct Screen {
    terminal: Terminal<CrosstermBackend<BufWriter<Stdout>>>,
}

impl Screen {
    /// Takes the terminal.
    ///
    /// # Errors
    /// It can't be taken. It is unchanged then.
    pub(super) fn take() -> io::Result<Self> {
        restore_on_panic();
        IS_TAKEN.store(true, SeqCst);
        MAY_DRAW.store(true, SeqCst);
        let taken = enable_raw_mode().and_then(|()| {
            execute!(io::stdout(), EnterAlternateScreen)?;
            let stdout = BufWriter::with_capacity(BUFFER_SIZE, io::stdout());
            Terminal::new(CrosstermBackend::new(stdout))
        });
        match taken {
            Ok(terminal) => {
                let mut screen = Self { terminal };
                screen.clear()?;
                Ok(screen)
            }
            Err(error) => {
                restore();
                Err(error)
            }
        }
    }

    /// Clears the screen, including output of other programs.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        // `Terminal::clear` asks the terminal for its cursor, and waits for the reply.
        let size = self.terminal.size()?;
        self.terminal.resize(size.into())
    }

    /// Draws, unless a panic has restored the terminal. Returns whether it did.
    pub(super) fn draw(&mut self, render: impl FnOnce(&mut Frame<'_>)) -> io::Result<bool> {
        IS_DRAWING.store(true, SeqCst);
        let may_draw = MAY_DRAW.load(SeqCst);
        let drawn = if may_draw {
            self.terminal.draw(render).map(drop)
        } else {
            Ok(())
        };
        IS_DRAWING.store(false, SeqCst);
        drawn.map(|()| may_draw)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
    }
}

/// Restores the terminal, if it is taken. A failure can't be reported anywhere.
fn restore() {
    MAY_DRAW.store(false, SeqCst);
    // Don't interrupt another thread that draws.
    if thread::current().name() != Some(THREAD) {
        let mut waited = Duration::ZERO;
        while IS_DRAWING.load(SeqCst) && waited < RESTORE_TIMEOUT {
            thread::sleep(POLL_INTERVAL);
            waited += POLL_INTERVAL;
        }
    }
    if IS_TAKEN.swap(false, SeqCst) {
        within(RESTORE_TIMEOUT, || {
            let _ = execute!(io::stdout(), LeaveAlternateScreen, Show);
        });
        let _ = disable_raw_mode();
    }
}

/// Restores the modes of a terminal that is stopped and blocks all output, so that the shell is
/// usable when it continues.
pub(super) fn abandon() {
    MAY_DRAW.store(false, SeqCst);
    if IS_TAKEN.load(SeqCst) {
        let _ = disable_raw_mode();
    }
}

/// Runs something that blocks for ever on a stopped terminal, and waits at most `timeout`.
fn within(timeout: Duration, run: impl FnOnce() + Send + 'static) {
    let (end, ended) = mpsc::channel::<()>();
    let thread = thread::Builder::new().spawn(move || {
        run();
        drop(end);
    });
    if thread.is_ok() {
        let _ = ended.recv_timeout(timeout);
    }
}

/// Restores the terminal before a panic is reported, so that its message is visible and the
/// shell is usable.
fn restore_on_panic() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let report = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            restore();
            report(info);
        }));
    });
}

//! Taking the terminal, and giving it back on every way out.

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

/// The bytes of a screen that are written at once.
const BUFFER: usize = 64 * 1024;
/// How long a thread that panics waits for a screen that is just being drawn, and in
/// which steps.
const PATIENCE: Duration = Duration::from_millis(300);
const STEP: Duration = Duration::from_millis(1);

/// Whether the terminal is the view's, to be given back.
static IS_TAKEN: AtomicBool = AtomicBool::new(false);
/// Whether a screen may still be drawn.
static MAY_DRAW: AtomicBool = AtomicBool::new(false);
/// Whether a screen is just being drawn.
static IS_DRAWING: AtomicBool = AtomicBool::new(false);

/// The terminal as the view has it; it is given back when this is dropped.
#[derive(Debug)]
pub(super) struct Screen {
    terminal: Terminal<CrosstermBackend<BufWriter<Stdout>>>,
}

impl Screen {
    /// Takes the terminal.
    ///
    /// # Errors
    /// Where it can't be taken. It is then as it was.
    pub(super) fn take() -> io::Result<Self> {
        restore_on_panic();
        IS_TAKEN.store(true, SeqCst);
        MAY_DRAW.store(true, SeqCst);
        let taken = enable_raw_mode().and_then(|()| {
            execute!(io::stdout(), EnterAlternateScreen)?;
            let stdout = BufWriter::with_capacity(BUFFER, io::stdout());
            Terminal::new(CrosstermBackend::new(stdout))
        });
        match taken {
            Ok(terminal) => {
                let mut screen = Self { terminal };
                screen.clear()?;
                Ok(screen)
            }
            Err(error) => {
                give_back();
                Err(error)
            }
        }
    }

    /// Empties the screen, of what others wrote to it as well.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        // What is called clear asks the terminal for its cursor, and waits for an answer.
        let size = self.terminal.size()?;
        self.terminal.resize(size.into())
    }

    /// Draws, unless a panic has given the terminal back; says whether it did.
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
        give_back();
    }
}

/// Gives the terminal back, if it is taken. Where that fails there is nobody to tell.
fn give_back() {
    MAY_DRAW.store(false, SeqCst);
    // Another thread's screen is not cut in two.
    if thread::current().name() != Some(THREAD) {
        let mut waited = Duration::ZERO;
        while IS_DRAWING.load(SeqCst) && waited < PATIENCE {
            thread::sleep(STEP);
            waited += STEP;
        }
    }
    if IS_TAKEN.swap(false, SeqCst) {
        within(PATIENCE, || {
            let _ = execute!(io::stdout(), LeaveAlternateScreen, Show);
        });
        let _ = disable_raw_mode();
    }
}

/// Gives the terminal its settings back where it takes no screen any more, since it is
/// stopped: who starts it again can type.
pub(super) fn abandon() {
    MAY_DRAW.store(false, SeqCst);
    if IS_TAKEN.load(SeqCst) {
        let _ = disable_raw_mode();
    }
}

/// Does something that a terminal that is stopped never lets end, and waits no longer
/// than this for it.
fn within(most: Duration, what: impl FnOnce() + Send + 'static) {
    let (end, ended) = mpsc::channel::<()>();
    let thread = thread::Builder::new().spawn(move || {
        what();
        drop(end);
    });
    if thread.is_ok() {
        let _ = ended.recv_timeout(most);
    }
}

/// Gives the terminal back before a panic is reported, so that its words are seen and
/// the shell can be used after it.
fn restore_on_panic() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let report = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            give_back();
            report(info);
        }));
    });
}

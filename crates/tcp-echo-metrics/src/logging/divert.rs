//! Standard error, as long as nobody else has the terminal.

use std::io::{self, Write};
use std::sync::{Arc, PoisonError, RwLock};

/// Takes a log line, with its end.
type Taker = Arc<dyn Fn(&[u8]) + Send + Sync>;

/// Who has the lines now, if it isn't standard error.
static TAKER: RwLock<Option<Taker>> = RwLock::new(None);

/// Log lines go to standard error again when this is dropped.
#[derive(Debug)]
pub(crate) struct Diverted(());

/// Hands log lines to `taker` instead of writing them to standard error. There is one
/// taker at a time: the last.
pub(crate) fn divert(taker: impl Fn(&[u8]) + Send + Sync + 'static) -> Diverted {
    *TAKER.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(taker));
    Diverted(())
}

impl Drop for Diverted {
    fn drop(&mut self) {
        *TAKER.write().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// What writes one log line.
pub(super) struct Line;

pub(super) fn writer() -> Line {
    Line
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Not held while the taker works, which may be slow.
        let taker = TAKER.read().unwrap_or_else(PoisonError::into_inner).clone();
        match taker {
            Some(taker) => {
                taker(bytes);
                Ok(bytes.len())
            }
            None => io::stderr().write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

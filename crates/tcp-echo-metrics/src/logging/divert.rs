//! Who takes the log's lines while they must not go to the terminal.

use std::sync::{Arc, PoisonError, RwLock};

/// Takes a log line, with its end.
type Taker = Arc<dyn Fn(&[u8]) + Send + Sync>;

/// Who has the lines now, if the log's own output doesn't.
static TAKER: RwLock<Option<Taker>> = RwLock::new(None);

/// Log lines go to the log's own output again when this is dropped.
#[derive(Debug)]
pub(crate) struct Diverted(());

/// Hands log lines to `taker` instead of writing them. It is called on the log's own
/// thread, and may wait for the terminal. There is one taker at a time: the last.
pub(crate) fn divert(taker: impl Fn(&[u8]) + Send + Sync + 'static) -> Diverted {
    *TAKER.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(taker));
    Diverted(())
}

impl Drop for Diverted {
    fn drop(&mut self) {
        *TAKER.write().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Who takes lines now; nobody, where they are written. It is held no longer than for
/// one line, and not locked while it works.
pub(super) fn taker() -> Option<Taker> {
    TAKER.read().unwrap_or_else(PoisonError::into_inner).clone()
}

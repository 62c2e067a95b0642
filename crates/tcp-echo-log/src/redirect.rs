//! Log lines for a view that owns the terminal.

use std::sync::{Arc, PoisonError, RwLock};

/// Takes a log line, with its newline.
type Handler = Arc<dyn Fn(&[u8]) + Send + Sync>;

/// Takes the lines instead of the log's own output.
static HANDLER: RwLock<Option<Handler>> = RwLock::new(None);

/// Redirects log lines until it is dropped.
#[derive(Debug)]
pub struct Redirect(());

/// Hands log lines to `handler` instead of writing them. It runs on the thread of the log,
/// and may block on the terminal. A second call replaces the handler of the first.
pub fn redirect(handler: impl Fn(&[u8]) + Send + Sync + 'static) -> Redirect {
    *HANDLER.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(handler));
    Redirect(())
}

impl Drop for Redirect {
    fn drop(&mut self) {
        *HANDLER.write().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// The current handler, for one line. It runs without the lock.
pub(crate) fn handler() -> Option<Handler> {
    HANDLER
        .read()
        .unwrap_or_else(PoisonError::into_inner)
        .clone()
}

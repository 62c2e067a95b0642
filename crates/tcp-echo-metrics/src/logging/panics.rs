//! Panics as lines of the log.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::{self, PanicHookInfo};
use std::thread;

/// Logs panics from now on. Rust's own hook writes to standard error, and waits for a
/// reader that has stopped.
pub(super) fn log() {
    panic::set_hook(Box::new(|info| {
        report(info);
        // The process may end by it.
        super::flush();
    }));
}

fn report(info: &PanicHookInfo<'_>) {
    let thread = thread::current();
    let thread = thread.name().unwrap_or("unnamed");
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    let payload = info.payload();
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
    let text = text.unwrap_or("no text");
    // As RUST_BACKTRACE says.
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        tracing::error!(thread, place, %backtrace, "panicked: {text}");
    } else {
        tracing::error!(thread, place, "panicked: {text}");
    }
}

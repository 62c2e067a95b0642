//! Panics as log lines.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::{self, PanicHookInfo};
use std::thread;

/// Logs panics from now on, and calls `flush` after each, since the process may end by it.
/// Rust's own hook writes to standard error, and blocks on a reader that has stopped.
pub(crate) fn log(flush: fn()) {
    panic::set_hook(Box::new(move |info| {
        report(info);
        flush();
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
    // It is captured where RUST_BACKTRACE asks for it.
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        tracing::error!(thread, place, %backtrace, "panicked: {text}");
    } else {
        tracing::error!(thread, place, "panicked: {text}");
    }
}

//! SIGINT and SIGTERM to end, SIGHUP to read files again.

use std::{future::Future, io};

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Listens from now on; gives the name of the signal that came.
pub(in crate::run) fn listen() -> io::Result<impl Future<Output = &'static str>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => "SIGINT",
            _ = terminate.recv() => "SIGTERM",
        }
    })
}

/// Orders to read files again: SIGHUP, which therefore ends nothing.
pub(in crate::run) struct Reloads(Signal);

impl Reloads {
    /// Listens from now on.
    pub(in crate::run) fn listen() -> io::Result<Self> {
        Ok(Self(signal(SignalKind::hangup())?))
    }

    /// Waits for the next one.
    pub(in crate::run) async fn next(&mut self) {
        if self.0.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}

//! SIGINT and SIGTERM to end, SIGHUP to reload.

use std::{future::Future, io};

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Listens from now on. The future returns the name of the signal.
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

/// Requests to reload: SIGHUP, which no longer ends the program.
pub(in crate::run) struct Reloads(Signal);

impl Reloads {
    /// Listens from now on.
    pub(in crate::run) fn listen() -> io::Result<Self> {
        Ok(Self(signal(SignalKind::hangup())?))
    }

    /// Waits for the next request.
    pub(in crate::run) async fn next(&mut self) {
        if self.0.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}

//! Events of a console to end; there is none to reload.

use std::{future::Future, io};

use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close, ctrl_shutdown};

/// Listens from now on. The future returns the name of the event.
pub(in crate::run) fn listen() -> io::Result<impl Future<Output = &'static str>> {
    let (mut c, mut break_) = (ctrl_c()?, ctrl_break()?);
    let (mut close, mut shutdown) = (ctrl_close()?, ctrl_shutdown()?);
    Ok(async move {
        tokio::select! {
            _ = c.recv() => "Ctrl-C",
            _ = break_.recv() => "Ctrl-Break",
            _ = close.recv() => "close",
            _ = shutdown.recv() => "shutdown",
        }
    })
}

/// Requests to reload, which this system does not have.
pub(in crate::run) struct Reloads;

impl Reloads {
    /// Listens from now on.
    #[expect(
        clippy::unnecessary_wraps,
        reason = "other systems may refuse to deliver signals"
    )]
    pub(in crate::run) fn listen() -> io::Result<Self> {
        Ok(Self)
    }

    /// Waits for ever.
    #[expect(
        clippy::needless_pass_by_ref_mut,
        reason = "other systems count what was delivered"
    )]
    pub(in crate::run) async fn next(&mut self) {
        std::future::pending::<()>().await;
    }
}

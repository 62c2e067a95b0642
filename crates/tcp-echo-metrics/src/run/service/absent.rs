//! Stands in for a service manager in a build without the feature `service`.

use std::{convert::Infallible, future::pending, net::TcpListener, time::Duration};

/// No sockets are passed.
#[derive(Debug, Default)]
pub(in crate::run) struct Sockets {
    pub(in crate::run) echo: Vec<TcpListener>,
    pub(in crate::run) metrics: Vec<TcpListener>,
}

impl Sockets {
    #[expect(clippy::unnecessary_wraps, reason = "passed sockets may be invalid")]
    pub(in crate::run) fn take() -> Result<Self, Infallible> {
        Ok(Self::default())
    }
}

/// Nothing watches.
#[derive(Debug)]
pub(in crate::run) struct Watchdog(());

/// Nobody is notified.
#[derive(Debug, Default)]
pub(in crate::run) struct Supervisor(());

#[expect(clippy::unused_self, reason = "a supervisor has a state")]
impl Supervisor {
    pub(in crate::run) fn ready(&self, status: &str) {
        tracing::trace!(status, "ready");
    }

    pub(in crate::run) fn stopping(&self) {}

    pub(in crate::run) fn close(self) {}

    pub(in crate::run) fn watch<F>(&self, _hung: impl FnMut(Duration) -> F) -> Watchdog {
        Watchdog(())
    }

    #[expect(clippy::needless_pass_by_ref_mut, reason = "a supervisor has a state")]
    pub(in crate::run) async fn order(&mut self) -> &'static str {
        pending().await
    }
}

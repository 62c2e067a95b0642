//! Endpoints without TLS, users and headers.

use std::convert::Infallible;

use axum::Router;
use tcp_echo_exporter::{Endpoints, Exporter};
use tcp_echo_metrics::cli::Config;

/// There is no web configuration.
#[derive(Clone)]
pub(in crate::run) struct Web(());

#[expect(clippy::unused_self, reason = "a web configuration has a state")]
impl Web {
    #[expect(clippy::unnecessary_wraps, reason = "a file may be invalid")]
    pub(in crate::run) fn load(_config: &Config) -> Result<Self, Infallible> {
        Ok(Self(()))
    }

    pub(in crate::run) fn extend(&self, endpoints: Endpoints) -> Endpoints {
        endpoints
    }

    pub(in crate::run) fn protect(&self, router: Router) -> Router {
        router
    }

    pub(in crate::run) fn encrypt(&self, exporter: Exporter) -> Exporter {
        exporter
    }

    pub(in crate::run) fn tls_and_users(&self) -> Option<(bool, bool)> {
        None
    }
}

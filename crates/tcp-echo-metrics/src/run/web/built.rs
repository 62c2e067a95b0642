//! TLS, users and headers from the web configuration file.

use axum::Router;
use tcp_echo_exporter::{Endpoints, Exporter};
use tcp_echo_metrics::cli::Config;
use tcp_echo_web::WebConfigError;

/// The web configuration, if there is one.
#[derive(Clone)]
pub(in crate::run) struct Web(Option<tcp_echo_web::Web>);

impl Web {
    pub(in crate::run) fn load(config: &Config) -> Result<Self, WebConfigError> {
        let web = config.web_config.as_ref().map(tcp_echo_web::Web::load);
        Ok(Self(web.transpose()?))
    }

    /// Adds the expiry of the certificate to the metrics.
    pub(in crate::run) fn extend(&self, endpoints: Endpoints) -> Endpoints {
        match self.0.clone() {
            Some(web) => endpoints.with_tls_cert_expiry(move || web.certificate_expiry()),
            None => endpoints,
        }
    }

    /// Adds users and headers.
    pub(in crate::run) fn protect(&self, router: Router) -> Router {
        match &self.0 {
            Some(web) => web.protect(router),
            None => router,
        }
    }

    /// Adds TLS.
    pub(in crate::run) fn encrypt(&self, exporter: Exporter) -> Exporter {
        let Some(tls) = self.0.as_ref().and_then(tcp_echo_web::Web::tls_acceptor) else {
            return exporter;
        };
        exporter.with_acceptor(move |stream| {
            let tls = tls.clone();
            async move { tls.accept(stream).await }
        })
    }

    /// Whether there is TLS, and whether there are users; `None` without a file.
    pub(in crate::run) fn tls_and_users(&self) -> Option<(bool, bool)> {
        let web = self.0.as_ref()?;
        Some((web.tls_acceptor().is_some(), web.has_users()))
    }
}

//! TLS, users and headers, from the web configuration file or from flags.

use axum::Router;
use tcp_echo_exporter::{Endpoints, Exporter};
use tcp_echo_metrics::cli::Config;
use tcp_echo_net::{Address, Host};
use tcp_echo_web::WebConfigError;
use tracing::warn;

/// Whether only this host reaches the address.
fn is_loopback(address: &Address) -> bool {
    match address.host() {
        Some(Host::Ip(ip)) => ip.is_loopback(),
        Some(Host::Name(name)) => name.ascii().eq_ignore_ascii_case("localhost"),
        _ => false,
    }
}

/// The web configuration, if there is one.
#[derive(Clone)]
pub(in crate::run) struct Web(Option<tcp_echo_web::Web>);

impl Web {
    pub(in crate::run) fn load(config: &Config) -> Result<Self, WebConfigError> {
        let web = match (&config.web_config, &config.web_options) {
            (Some(file), _) => Some(tcp_echo_web::Web::load(file)?),
            (None, Some(options)) => {
                if options.has_credentials()
                    && !options.has_certificate()
                    && !is_loopback(&config.metrics)
                {
                    warn!(
                        "the password of the endpoints is sent without TLS: use \
                         metrics-tls-cert and metrics-tls-key"
                    );
                }
                Some(tcp_echo_web::Web::with_options(options.clone())?)
            }
            (None, None) => None,
        };
        Ok(Self(web))
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

    /// Whether there is TLS, and whether there are users; `None` without either
    /// source of them.
    pub(in crate::run) fn tls_and_users(&self) -> Option<(bool, bool)> {
        let web = self.0.as_ref()?;
        Some((web.tls_acceptor().is_some(), web.has_users()))
    }
}

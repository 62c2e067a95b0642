//! Prometheus's web configuration file, for HTTP endpoints on tokio and axum: TLS,
//! clients' certificates, basic auth, headers and a rate limit.
//!
//! [`Web`] reads the file that exporters in Go take by `--web.config.file`, in the
//! format of Prometheus's
//! [exporter toolkit](https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md),
//! and follows changes of it.
//!
//! - [`Web::with_options`] does without the file: one certificate, one user.
//! - [`Web::tls_acceptor`] returns an acceptor of TLS connections.
//! - [`Web::protect`] adds passwords, headers and the rate limit to a router.
//!
//! ```
//! use axum::{Router, routing::get};
//! use tcp_echo_web::Web;
//!
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("web.yml");
//! std::fs::write(&path, "
//! http_server_config:
//!   headers:
//!     X-Frame-Options: deny
//! basic_auth_users:
//!   alice: $2y$10$X0h1gDsPszWURQaxFh.zoubFi6DXncSjhoQNJgRrnGs7EsimhC7zG
//! ")?;
//! let web = Web::load(&path)?;
//! assert!(web.has_users());
//! assert!(web.tls_acceptor().is_none());
//! let router = web.protect(Router::new().route("/metrics", get(async || "up 1\n")));
//! # let _: Router = router;
//!
//! std::fs::write(&path, "tls_server_config: {min_version: TLS11}")?;
//! let error = Web::load(&path).unwrap_err().to_string();
//! assert!(error.contains("line 1: tls_server_config.min_version: \"TLS11\""));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What differs from the toolkit
//!
//! - The files are checked at most once per second, not for every request. While they are
//!   invalid, the last valid configuration is used, where the toolkit answers with errors.
//! - TLS can't be enabled or disabled while the program runs, and a file that has become empty
//!   is ignored: it may be in the middle of a write.
//! - Only HTTP/1.1 is supported; `http2: true` is accepted and has no effect.
//! - rustls supports TLS 1.2 and 1.3, AEAD suites with forward secrecy, and the groups X25519,
//!   P-256 and P-384. Other names of Go are refused, with the reason.
//! - A `tls_server_config` that is not empty needs a certificate and a key; the toolkit serves
//!   without TLS if it has only, say, `min_version`.
//! - The modes that verify client certificates need a client CA; the toolkit would accept all
//!   certificates of public CAs.
//! - A CA certificate is never a client's, even if it is listed as a client CA; Go accepts it.
//! - `cert` beside `cert_file` is an error, and so on; as are a `burst` of 0 beside an
//!   `interval`, a certificate file without certificates, and a bcrypt cost above 18.
//! - One bcrypt hash is computed at a time, on a separate thread, round robin over client
//!   addresses; at most 16 requests per address wait for that, and 256 in total. Results are
//!   cached under keyed hashes, without the passwords, and wrong ones don't evict right ones. An
//!   unknown user or a wrong password costs as much as the most expensive hash.
//!
//! # Client certificates
//!
//! | `client_auth_type` | without one | with one |
//! |---|---|---|
//! | `NoClientCert` | served | not asked for |
//! | `RequestClientCert` | served | served, any signer |
//! | `RequireAnyClientCert` | refused | served, any signer |
//! | `VerifyClientCertIfGiven` | served | served if it is of the client CA |
//! | `RequireAndVerifyClientCert` | refused | served if it is of the client CA |
//!
//! As in Go, a certificate that is not verified proves only that the client has its key: anyone
//! can make one, with any name. So only the last mode authenticates clients, and
//! `client_allowed_sans` is effective only with it.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod accept;
mod client_queue;
mod config;
mod error;
mod files;
mod loaded;
mod middleware;
mod options;
mod own;
mod passwords;
mod rate_limit;
mod section;
mod tls;
mod users;
mod web;
mod yaml;

pub use accept::TlsAcceptor;
pub use error::WebConfigError;
pub use options::{Credentials, CredentialsError, WebOptions};
pub use own::{connect_to_own, wants_client_certificate};
pub use web::Web;

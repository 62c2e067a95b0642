//! Prometheus's web configuration file, for HTTP endpoints on tokio and axum: TLS,
//! clients' certificates, basic auth, headers and a rate limit.
//!
//! [`Web`] reads the file that exporters in Go take by `--web.config.file`, in the
//! format of Prometheus's
//! [exporter toolkit](https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md),
//! and follows its changes.
//!
//! - [`Web::tls_acceptor`] gives what makes accepted connections those of TLS.
//! - [`Web::protect`] puts passwords, headers and the rate limit before a router.
//!
//! ```
//! use axum::{Router, routing::get};
//! use std::time::Duration;
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
//! let seconds = |text: &str| match text.strip_suffix('s').map(str::parse) {
//!     Some(Ok(seconds)) => Ok(Duration::from_secs(seconds)),
//!     _ => Err("not seconds".to_owned()),
//! };
//! let web = Web::load(&path, seconds)?;
//! assert!(web.has_users());
//! assert!(web.tls_acceptor().is_none());
//! let router = web.protect(Router::new().route("/metrics", get(async || "up 1\n")));
//! # let _: Router = router;
//!
//! std::fs::write(&path, "tls_server_config: {min_version: TLS11}")?;
//! let error = Web::load(&path, seconds).unwrap_err().to_string();
//! assert!(error.contains("line 1: tls_server_config.min_version: \"TLS11\""));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What differs from the toolkit
//!
//! - The files are looked at once a second at most, not for every request. Bad ones
//!   leave the last good ones in force, where the toolkit answers with errors.
//! - TLS can't come or go while the program runs, and a file that has become empty is
//!   not taken over: it may be just being written.
//! - HTTP/1.1 is spoken. `http2: true` is a permission of which no use is made.
//! - rustls speaks TLS 1.2 and 1.3, with suites that have forward secrecy and
//!   authenticate what they encrypt, and the groups X25519, P-256 and P-384. Other
//!   names of Go are refused, with the reason.
//! - `tls_server_config` with anything in it needs a certificate and a key; the toolkit
//!   serves without TLS where it holds, say, `min_version` alone.
//! - The modes that verify clients' certificates need a client CA; the toolkit would
//!   take every certificate of a public one.
//! - A certificate that is marked as a CA's is no client's, also where it is listed as a
//!   client CA itself; Go takes it.
//! - `cert` beside `cert_file` is an error, and so on; as are a `burst` of 0 beside an
//!   `interval`, a certificate file without certificates, and a bcrypt cost above 18.
//! - One bcrypt hash is computed at a time, on a thread of its own, for one client's
//!   address after the other; at most 16 requests of one address wait for that, and 256
//!   of all. Results are kept under keyed hashes, not with the passwords, and right ones
//!   are not pushed out by wrong ones. An unknown user costs what the most expensive
//!   hash costs, and so does the wrong password of any user.
//!
//! # What a client's certificate proves
//!
//! | `client_auth_type` | without one | with one |
//! |---|---|---|
//! | `NoClientCert` | served | not asked for |
//! | `RequestClientCert` | served | served, any signer |
//! | `RequireAnyClientCert` | refused | served, any signer |
//! | `VerifyClientCertIfGiven` | served | served if it is of the client CA |
//! | `RequireAndVerifyClientCert` | refused | served if it is of the client CA |
//!
//! As in Go, a certificate that nobody verifies proves that the client has its key, and
//! nothing else: anybody can make one, with any name in it. So only the last mode keeps
//! anybody out, and `client_allowed_sans` is worth something with it alone.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod accept;
mod client_queue;
mod config;
mod error;
mod files;
mod gate;
mod limit;
mod loaded;
mod passwords;
mod section;
mod tls;
mod users;
mod web;
mod yaml;

pub use accept::TlsAcceptor;
pub use config::ParseDuration;
pub use error::WebConfigError;
pub use web::Web;

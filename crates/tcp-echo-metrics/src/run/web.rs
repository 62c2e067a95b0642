//! TLS, users and headers of the endpoints; none without the feature `tls`.

#[cfg(not(feature = "tls"))]
mod absent;
#[cfg(feature = "tls")]
mod built;

#[cfg(not(feature = "tls"))]
pub(super) use absent::Web;
#[cfg(feature = "tls")]
pub(super) use built::Web;

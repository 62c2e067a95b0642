//! The client of a request.

use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::{HeaderMap, request::Parts},
};

use super::connection::Connection;

/// Who sent a request, and what it accepts.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) headers: HeaderMap,
    /// `None` if a server other than [`Exporter`](crate::Exporter) does not provide it.
    pub(crate) address: Option<IpAddr>,
    /// `None` under a server other than [`Exporter`](crate::Exporter).
    pub(crate) connection: Option<Arc<Connection>>,
}

impl<S: Sync> FromRequestParts<S> for Client {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self {
            headers: parts.headers.clone(),
            address: parts
                .extensions
                .get::<ConnectInfo<SocketAddr>>()
                .map(|peer| peer.0.ip()),
            connection: parts.extensions.get::<Arc<Connection>>().cloned(),
        })
    }
}

//! Who asks.

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

/// What an answer depends on besides the request: what the client takes, and who it is.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) headers: HeaderMap,
    /// Nothing where a server other than [`Exporter`](crate::Exporter) does not say it.
    pub(crate) address: Option<IpAddr>,
    /// Nothing where another server has the connections.
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

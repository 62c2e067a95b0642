//! Who asks.

use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
};

use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::{HeaderMap, request::Parts},
};

use crate::peers::Share;

/// What an answer depends on besides the question: what the client takes, and what it
/// has already.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) headers: HeaderMap,
    /// Nothing where another program serves the endpoints and has limits of its own.
    pub(crate) share: Option<Share>,
    /// Nothing where a server other than [`Exporter`](crate::Exporter) does not say it.
    pub(crate) address: Option<IpAddr>,
}

impl<S: Sync> FromRequestParts<S> for Client {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self {
            headers: parts.headers.clone(),
            share: parts.extensions.get::<Share>().cloned(),
            address: parts
                .extensions
                .get::<ConnectInfo<SocketAddr>>()
                .map(|peer| peer.0.ip()),
        })
    }
}

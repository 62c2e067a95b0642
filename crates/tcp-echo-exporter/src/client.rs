//! Who asks.

use std::convert::Infallible;

use axum::{
    extract::FromRequestParts,
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
}

impl<S: Sync> FromRequestParts<S> for Client {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self {
            headers: parts.headers.clone(),
            share: parts.extensions.get::<Share>().cloned(),
        })
    }
}

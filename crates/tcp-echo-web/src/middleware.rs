//! The middleware: rate limit, passwords and headers.

use std::{
    net::{IpAddr, SocketAddr},
    time::Instant,
};

use axum::{
    Router,
    extract::{ConnectInfo, Request, State},
    http::{HeaderName, HeaderValue, StatusCode, header},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse as _, Response},
};

use crate::{Web, passwords::Outcome};

/// The challenge for a password (RFC 7617).
const CHALLENGE: &str = "Basic realm=\"tcp-echo-metrics\", charset=\"UTF-8\"";

/// Adds the middleware to `router`.
pub(crate) fn protect(router: Router, web: Web) -> Router {
    router.layer(from_fn_with_state(web, handle))
}

async fn handle(State(web): State<Web>, request: Request, next: Next) -> Response {
    let now = web.current().await;
    let limiter = now.request_limiter.as_ref();
    let is_over = limiter.is_some_and(|limiter| !limiter.allows(Instant::now()));
    let mut response = if is_over {
        refuse(StatusCode::TOO_MANY_REQUESTS, "too many requests\n", None)
    } else {
        let client = client(&request);
        let passwords = web.passwords();
        match passwords.check(&now.users, request.headers(), client).await {
            Outcome::Allowed => next.run(request).await,
            Outcome::Unknown => refuse(
                StatusCode::UNAUTHORIZED,
                "a user's name and password are needed\n",
                Some((header::WWW_AUTHENTICATE, CHALLENGE)),
            ),
            Outcome::Busy => refuse(
                StatusCode::SERVICE_UNAVAILABLE,
                "too many passwords are being checked\n",
                Some((header::RETRY_AFTER, "1")),
            ),
        }
    };
    for (name, value) in &now.headers {
        response.headers_mut().insert(name, value.clone());
    }
    response
}

/// The client's address, if the server provides it.
fn client(request: &Request) -> Option<IpAddr> {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>()?;
    Some(peer.0.ip())
}

fn refuse(
    status: StatusCode,
    text: &'static str,
    with: Option<(HeaderName, &'static str)>,
) -> Response {
    let mut response = (status, text).into_response();
    let always = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in always.into_iter().chain(with) {
        let value = HeaderValue::from_static(value);
        response.headers_mut().insert(name, value);
    }
    response
}

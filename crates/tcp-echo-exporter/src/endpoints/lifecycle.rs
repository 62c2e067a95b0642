//! Which clients may change the running program.

use std::net::{IpAddr, SocketAddr};

use axum::{
    extract::ConnectInfo,
    http::{Extensions, HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};

/// Which clients may `POST`, and so have the configuration reloaded.
///
/// A client is on this host if its address is a loopback address, of either family. Behind a
/// reverse proxy on the same host this is true of every client: use [`Nobody`](Self::Nobody)
/// there, or have the proxy reject the requests.
///
/// Requests from a web page (with an `Origin`) are always rejected: the status page posts
/// nothing, so they come from another site.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Lifecycle {
    /// Clients on this host. A program that serves the router itself has to provide
    /// [`ConnectInfo`] of a `SocketAddr`; without it, no client counts as being on this host.
    #[default]
    ThisHost,
    /// Any client.
    Anyone,
    /// No client.
    Nobody,
}

impl Lifecycle {
    /// Returns the response to a client that may not.
    pub(crate) fn refusal(self, headers: &HeaderMap, extensions: &Extensions) -> Option<Response> {
        let why = if headers.contains_key(header::ORIGIN) {
            "not from a web page\n"
        } else {
            match self {
                Self::Anyone => return None,
                Self::ThisHost if is_local(extensions) => return None,
                Self::ThisHost => "only from this host; with -web.enable-lifecycle from anywhere\n",
                Self::Nobody => "not with -web.enable-lifecycle=false\n",
            }
        };
        Some((StatusCode::FORBIDDEN, why).into_response())
    }
}

fn is_local(extensions: &Extensions) -> bool {
    let peer = extensions.get::<ConnectInfo<SocketAddr>>();
    // A dual-stack socket has `::ffff:127.0.0.1`.
    let ip = peer.map(|ConnectInfo(peer)| peer.ip().to_canonical());
    ip.as_ref().is_some_and(IpAddr::is_loopback)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(lifecycle: Lifecycle, peer: Option<&str>, origin: bool) -> u16 {
        let mut headers = HeaderMap::new();
        if origin {
            headers.insert(header::ORIGIN, "https://example.com".parse().unwrap());
        }
        let mut extensions = Extensions::new();
        if let Some(peer) = peer {
            let peer: SocketAddr = peer.parse().unwrap();
            extensions.insert(ConnectInfo(peer));
        }
        let refusal = lifecycle.refusal(&headers, &extensions);
        refusal.map_or(200, |refusal| refusal.status().as_u16())
    }

    #[test]
    fn the_address_decides_which_clients_may() {
        let (here, mapped, v6) = ("127.0.0.1:9", "[::ffff:127.0.0.1]:9", "[::1]:9");
        for peer in [here, mapped, v6] {
            assert_eq!(status(Lifecycle::ThisHost, Some(peer), false), 200);
            assert_eq!(status(Lifecycle::Anyone, Some(peer), false), 200);
            assert_eq!(status(Lifecycle::Nobody, Some(peer), false), 403);
        }
        for peer in [Some("192.0.2.1:9"), Some("[::ffff:192.0.2.1]:9"), None] {
            assert_eq!(status(Lifecycle::ThisHost, peer, false), 403);
            assert_eq!(status(Lifecycle::Anyone, peer, false), 200);
        }
    }

    #[test]
    fn requests_from_web_pages_are_rejected() {
        for lifecycle in [Lifecycle::ThisHost, Lifecycle::Anyone, Lifecycle::Nobody] {
            assert_eq!(status(lifecycle, Some("127.0.0.1:9"), true), 403);
        }
    }
}

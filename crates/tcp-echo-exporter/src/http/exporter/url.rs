//! The URL of the endpoints.

use std::net::SocketAddr;

/// Returns the URL of `/` for a browser on this host.
pub(super) fn page(address: SocketAddr, is_tls: bool) -> String {
    let scheme = if is_tls { "https" } else { "http" };
    if address.ip().is_unspecified() {
        format!("{scheme}://localhost:{}/", address.port())
    } else {
        format!("{scheme}://{address}/")
    }
}

#[cfg(test)]
mod tests {
    use super::page;

    #[test]
    fn a_listener_of_all_addresses_is_on_localhost() {
        for (address, is_tls, url) in [
            ("0.0.0.0:2112", false, "http://localhost:2112/"),
            ("[::]:2112", true, "https://localhost:2112/"),
            ("10.0.0.1:80", false, "http://10.0.0.1:80/"),
            ("[2001:db8::1]:2112", true, "https://[2001:db8::1]:2112/"),
        ] {
            assert_eq!(page(address.parse().unwrap(), is_tls), url);
        }
    }
}

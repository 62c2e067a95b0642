//! From the name of an interface to its number, which link-local addresses go with.

use std::net::{SocketAddr, ToSocketAddrs};

use crate::{LinkLocal, dial::DialError};

/// The address with the number that its interface has now. The system's resolver knows it
/// and asks nobody: it does not block.
pub(crate) fn with_scope(host: &LinkLocal, port: u16) -> Result<SocketAddr, DialError> {
    let found = (host.to_string(), port).to_socket_addrs();
    let found = found.ok().and_then(|mut found| found.next());
    found.ok_or_else(|| DialError::NoInterface {
        zone: host.zone.clone(),
    })
}

/// What to write instead, where a zone looks as it would in a URL (RFC 6874).
pub(crate) fn hint(zone: &str) -> &'static str {
    if zone.starts_with("25") {
        ": \"%25\" stands for '%' in URLs alone"
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Host;

    fn scoped(host: &str) -> Result<String, String> {
        let address: crate::Address = format!("[{host}]:4000").parse().unwrap();
        let Some(Host::LinkLocal(host)) = address.host() else {
            panic!("{address} is no link-local address");
        };
        match with_scope(host, 4000) {
            Ok(address) => Ok(address.to_string()),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn the_number_is_that_of_the_interface() {
        assert_eq!(scoped("fe80::1%7"), Ok("[fe80::1%7]:4000".to_owned()));
        #[cfg(target_os = "linux")]
        {
            let index = std::fs::read_to_string("/sys/class/net/lo/ifindex").unwrap();
            let expected = format!("[fe80::1%{}]:4000", index.trim());
            assert_eq!(scoped("fe80::1%lo"), Ok(expected));
        }
    }

    #[test]
    fn an_interface_that_is_not_there_is_named() {
        assert_eq!(
            scoped("fe80::1%none0").unwrap_err(),
            r#"there is no network interface "none0""#
        );
        assert_eq!(
            scoped("fe80::1%25eth0").unwrap_err(),
            r#"there is no network interface "25eth0": "%25" stands for '%' in URLs alone"#
        );
    }
}

//! The scope of link-local addresses, from the name of an interface.

use std::net::{SocketAddr, ToSocketAddrs};

use crate::{LinkLocal, dial::DialError};

/// The address with the current number of its interface. The system's resolver answers that
/// locally and does not block.
pub(crate) fn with_scope(host: &LinkLocal, port: u16) -> Result<SocketAddr, DialError> {
    let found = (host.to_string(), port).to_socket_addrs();
    let found = found.ok().and_then(|mut found| found.next());
    found.ok_or_else(|| DialError::NoInterface {
        zone: host.zone.clone(),
    })
}

/// A hint for a zone that is written as in a URL (RFC 6874).
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

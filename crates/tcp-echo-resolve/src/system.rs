//! Calls of the system's resolver.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use dns_lookup::{AddrFamily, AddrInfoHints, LookupError, LookupErrorKind, SockType, getaddrinfo};

use crate::{Failure, IpVersion};

/// No resolver is configured with a shorter timeout than this.
const MIN_TIMEOUT: Duration = Duration::from_secs(1);

/// The addresses of `name`, with port 0. Blocks as long as the system does.
pub(crate) fn look_up(name: &str, ip: IpVersion) -> Result<Vec<SocketAddr>, Failure> {
    if let Some(absolute) = name.strip_suffix('.') {
        // The system's list of hosts has no names that end with a dot.
        let found = crate::hosts::system(absolute, ip);
        if !found.is_empty() {
            return Ok(found.into_iter().map(|ip| SocketAddr::new(ip, 0)).collect());
        }
    }
    let hints = AddrInfoHints {
        address: match ip {
            IpVersion::Auto => 0,
            IpVersion::V4 => AddrFamily::Inet.into(),
            IpVersion::V6 => AddrFamily::Inet6.into(),
        },
        socktype: SockType::Stream.into(),
        ..AddrInfoHints::default()
    };
    let started = Instant::now();
    let found = getaddrinfo(Some(name), None, Some(hints))
        .map_err(|error| failure(&error, started.elapsed()))?;
    let addresses = found.filter_map(|found| found.ok().map(|found| found.sockaddr));
    let mut addresses: Vec<_> = addresses.collect();
    if addresses.is_empty() {
        return Err(Failure::NoRecords);
    }
    for address in &mut addresses {
        address.set_port(0);
    }
    Ok(addresses)
}

fn failure(error: &LookupError, took: Duration) -> Failure {
    match error.kind() {
        LookupErrorKind::NoName => Failure::NoSuchName,
        LookupErrorKind::NoData => Failure::NoRecords,
        _ if is_other_family(error.error_num()) => Failure::NoRecords,
        // It means a server that fails at once, or one that never answers.
        LookupErrorKind::Again if took >= MIN_TIMEOUT => Failure::NoAnswer,
        LookupErrorKind::Again | LookupErrorKind::Fail => Failure::Server,
        _ => Failure::other(error),
    }
}

/// The name has addresses, of the other family.
#[cfg(any(target_os = "linux", target_os = "macos"))]
const fn is_other_family(error: i32) -> bool {
    /// `EAI_ADDRFAMILY`, which some of the system's headers lack.
    const OTHER_FAMILY: i32 = if cfg!(target_os = "linux") { -9 } else { 1 };
    error == OTHER_FAMILY
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
const fn is_other_family(_: i32) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_host_has_a_name_and_others_have_none() {
        let found = look_up("localhost", IpVersion::V4).unwrap();
        assert_eq!(found, ["127.0.0.1:0".parse().unwrap()]);
        assert_eq!(look_up("localhost.", IpVersion::V4), Ok(found));
        assert!(look_up("no-such-name.invalid", IpVersion::Auto).is_err());
        assert!(look_up("nul\0byte", IpVersion::Auto).is_err());
    }

    #[test]
    fn an_address_is_of_its_family_alone() {
        assert!(look_up("::1", IpVersion::V6).is_ok());
        assert!(look_up("::1", IpVersion::V4).is_err());
    }
}

//! Free ports.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};
use std::{fs, process};

use anyhow::{Result, bail};

/// The first port that is given out.
const FIRST: u32 = 10_000;
/// Where the system takes the ports of outgoing connections from, unless it says otherwise.
const FIRST_EPHEMERAL: u32 = 32_768;

/// Returns a loopback address with a free port. A process never gets the same port twice.
///
/// The port lies below those of outgoing connections. One of these could take it before the
/// program under test listens there.
///
/// # Errors
///
/// If there is no free port.
pub fn free() -> Result<SocketAddr> {
    free_row(1)
}

/// Returns a loopback address with the first of so many free ports in a row.
///
/// # Errors
///
/// If there are not as many.
pub fn free_row(len: u16) -> Result<SocketAddr> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let len = u32::from(len);
    let ports = first_ephemeral().saturating_sub(FIRST + len).max(1);
    // Test processes that run side by side begin far from each other.
    let offset = process::id().wrapping_mul(997);
    for _ in 0..ports {
        let nth = NEXT.fetch_add(len, Ordering::Relaxed);
        let first = FIRST + offset.wrapping_add(nth) % ports;
        // Other tests listen on all addresses.
        let is_free = |port| TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok();
        if let Ok(port) = u16::try_from(first)
            && (port..).take(len as usize).all(is_free)
        {
            return Ok((Ipv4Addr::LOCALHOST, port).into());
        }
    }
    bail!("no free port")
}

/// Returns the first port that the system may choose for an outgoing connection.
fn first_ephemeral() -> u32 {
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range");
    let first = range
        .ok()
        .and_then(|range| range.split_whitespace().next()?.parse().ok());
    first
        .filter(|first| *first > FIRST)
        .unwrap_or(FIRST_EPHEMERAL)
}

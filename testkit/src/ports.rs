//! Free ports.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Mutex;

use anyhow::{Context as _, Result, bail};

static USED: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// Returns a loopback address with a free port. A process never gets the same port twice.
///
/// # Errors
///
/// If there is no free port.
pub fn free() -> Result<SocketAddr> {
    for _ in 0..100 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port")?;
        let address = listener.local_addr()?;
        if USED
            .lock()
            .is_ok_and(|mut used| used.insert(address.port()))
        {
            return Ok(address);
        }
    }
    bail!("no free port")
}

//! Ports that are free.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Mutex;

use anyhow::{Context as _, Result, bail};

static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// An address of loopback on which nothing listens; none is given twice.
pub(crate) fn free() -> Result<SocketAddr> {
    for _ in 0..100 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port")?;
        let address = listener.local_addr()?;
        if GIVEN
            .lock()
            .is_ok_and(|mut given| given.insert(address.port()))
        {
            return Ok(address);
        }
    }
    bail!("no free port")
}

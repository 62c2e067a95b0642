//! Counts per client.

use std::{collections::HashMap, net::IpAddr};

use crate::client_network;

/// Counts how many of a limited resource each client holds. [`client_network`] identifies a
/// client; unknown clients count in the total only.
///
/// A client that holds none takes no memory.
///
/// ```
/// use tcp_echo_net::ClientCounts;
///
/// let mut counts = ClientCounts::default();
/// let client = Some("2001:db8::1".parse()?);
/// counts.take(client);
/// counts.take(None);
/// assert_eq!(counts.of("2001:db8::2".parse()?), 1);
/// assert_eq!(counts.all(), 2);
/// counts.release(client);
/// assert_eq!((counts.of("2001:db8::2".parse()?), counts.all()), (0, 1));
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct ClientCounts {
    all: usize,
    by_client: HashMap<IpAddr, usize>,
}

impl ClientCounts {
    /// The total.
    pub const fn all(&self) -> usize {
        self.all
    }

    /// The count of the client with this address.
    pub fn of(&self, client: IpAddr) -> usize {
        let network = client_network(client);
        self.by_client.get(&network).copied().unwrap_or(0)
    }

    /// The largest count of a known client, if there is one.
    pub fn largest(&self) -> Option<usize> {
        self.by_client.values().copied().max()
    }

    /// Counts one more, of `client` if known.
    pub fn take(&mut self, client: Option<IpAddr>) {
        self.all += 1;
        if let Some(client) = client {
            *self.by_client.entry(client_network(client)).or_default() += 1;
        }
    }

    /// Counts one less, of a client that holds one.
    pub fn release(&mut self, client: Option<IpAddr>) {
        self.all = self.all.saturating_sub(1);
        let Some(network) = client.map(client_network) else {
            return;
        };
        if let Some(own) = self.by_client.get_mut(&network) {
            *own -= 1;
            if *own == 0 {
                self.by_client.remove(&network);
            }
        }
    }
}

//! Limits of connections, in total and per client.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::num::NonZeroUsize;

use slab::Slab;
use tcp_echo_net::{Networks, client_network};

use crate::{RejectReason, ServerConfig};

/// Admits connections of allowed clients within the limits.
#[derive(Debug)]
pub(crate) struct ConnectionLimiter {
    allow: Option<Networks>,
    max_connections: Option<NonZeroUsize>,
    max_connections_per_client: Option<NonZeroUsize>,
    connections: usize,
    clients: Slab<Client>,
    ids: HashMap<IpAddr, ClientId>,
}

/// A client: an IPv4 address, or the /64 of an IPv6 address.
#[derive(Debug)]
struct Client {
    network: IpAddr,
    connections: usize,
}

/// Identifies a client that has a connection. Ids are small and are reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClientId(usize);

impl ClientId {
    #[cfg(test)]
    pub(crate) const fn new(index: usize) -> Self {
        Self(index)
    }

    pub(crate) const fn index(self) -> usize {
        self.0
    }
}

impl ConnectionLimiter {
    pub(crate) fn new(config: ServerConfig) -> Self {
        Self {
            allow: config.allow,
            max_connections: config.max_connections,
            max_connections_per_client: config.max_connections_per_ip,
            connections: 0,
            clients: Slab::new(),
            ids: HashMap::new(),
        }
    }

    /// Admits one more connection from `ip`, or returns why not.
    pub(crate) fn admit(&mut self, ip: IpAddr) -> Result<ClientId, RejectReason> {
        if self.allow.as_ref().is_some_and(|allow| !allow.contains(ip)) {
            return Err(RejectReason::NotAllowed);
        }
        if self
            .max_connections
            .is_some_and(|max| self.connections >= max.get())
        {
            return Err(RejectReason::MaxConnections);
        }
        let network = client_network(ip);
        let id = match self.ids.entry(network) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(new) => {
                let index = self.clients.insert(Client {
                    network,
                    connections: 0,
                });
                *new.insert(ClientId(index))
            }
        };
        let client = &mut self.clients[id.index()];
        if self
            .max_connections_per_client
            .is_some_and(|max| client.connections >= max.get())
        {
            return Err(RejectReason::MaxConnectionsPerIp);
        }
        client.connections += 1;
        self.connections += 1;
        Ok(id)
    }

    /// Removes a connection. Returns whether it was the last one of its client.
    pub(crate) fn release(&mut self, id: ClientId) -> bool {
        let client = &mut self.clients[id.index()];
        client.connections -= 1;
        self.connections -= 1;
        let was_last = client.connections == 0;
        if was_last {
            self.ids.remove(&client.network);
            self.clients.remove(id.index());
        }
        was_last
    }

    /// The number of clients with a connection.
    pub(crate) fn clients(&self) -> usize {
        self.clients.len()
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::num::NonZeroUsize;

    use super::ConnectionLimiter;
    use crate::{RejectReason, ServerConfig};

    fn limiter(total: usize, per_ip: usize) -> ConnectionLimiter {
        ConnectionLimiter::new(ServerConfig {
            max_connections: NonZeroUsize::new(total),
            max_connections_per_ip: NonZeroUsize::new(per_ip),
            ..ServerConfig::default()
        })
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_limit_holds_until_a_connection_is_given_back() {
        let mut limiter = limiter(3, 2);
        let first = limiter.admit(ip("192.0.2.1")).unwrap();
        assert_eq!(limiter.admit(ip("192.0.2.1")), Ok(first));
        let refused = limiter.admit(ip("192.0.2.1"));
        assert_eq!(refused, Err(RejectReason::MaxConnectionsPerIp));
        let other = limiter.admit(ip("192.0.2.2")).unwrap();
        assert_ne!(first, other);
        let refused = limiter.admit(ip("192.0.2.3"));
        assert_eq!(refused, Err(RejectReason::MaxConnections));

        assert!(!limiter.release(first));
        assert_eq!(limiter.admit(ip("192.0.2.1")), Ok(first));
        assert_eq!(limiter.connections, 3);
    }

    #[test]
    fn one_ipv4_client_is_one_on_either_family() {
        let mut limiter = limiter(0, 1);
        limiter.admit(ip("192.0.2.1")).unwrap();
        let refused = limiter.admit(ip("::ffff:192.0.2.1"));
        assert_eq!(refused, Err(RejectReason::MaxConnectionsPerIp));
    }

    #[test]
    fn an_ipv6_client_is_its_64_whichever_address_it_takes() {
        let mut limiter = limiter(0, 1);
        limiter.admit(ip("2001:db8::1")).unwrap();
        let refused = limiter.admit(ip("2001:db8::ffff:1"));
        assert_eq!(refused, Err(RejectReason::MaxConnectionsPerIp));
        limiter.admit(ip("2001:db8:0:1::1")).unwrap();
        assert_eq!(limiter.clients(), 2);
    }

    #[test]
    fn a_client_that_is_not_allowed_takes_no_place() {
        let mut limiter = ConnectionLimiter::new(ServerConfig {
            allow: Some("192.0.2.0/24,2001:db8::/32".parse().unwrap()),
            max_connections: NonZeroUsize::new(3),
            ..ServerConfig::default()
        });
        for stranger in ["198.51.100.1", "::ffff:198.51.100.1", "2001:db9::1"] {
            let refused = limiter.admit(ip(stranger));
            assert_eq!(refused, Err(RejectReason::NotAllowed), "{stranger}");
        }
        for peer in ["192.0.2.1", "::ffff:192.0.2.2", "2001:db8::1"] {
            limiter.admit(ip(peer)).unwrap();
        }
        // Strangers hear the same when it is full.
        let refused = limiter.admit(ip("198.51.100.1"));
        assert_eq!(refused, Err(RejectReason::NotAllowed));
    }

    #[test]
    fn clients_without_connections_are_forgotten() {
        let mut limiter = limiter(0, 5);
        let admit = |n| limiter.admit(IpAddr::from([192, 0, 2, n])).unwrap();
        let admitted: Vec<_> = (0..100).map(admit).collect();
        assert!(admitted.into_iter().all(|client| limiter.release(client)));
        assert_eq!(limiter.clients(), 0);
        assert!(limiter.ids.is_empty());
    }
}

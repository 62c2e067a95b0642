//! What the server's kernel knows of the way to each client.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tcp_echo_socket::TcpInfo;
use tcp_echo_wire::Segments;

use crate::greeted::segments;

/// How long a client is kept after its last connection.
const KEPT: Duration = Duration::from_secs(5 * 60);

/// The server's view of one client, by its address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientStats {
    /// Data segments sent to the client, with retransmissions, over all its connections.
    pub segments_sent: u64,
    /// Those that were lost on the way to the client.
    pub segments_lost: u64,
    /// The smoothed RTT of the connection that was read last.
    pub srtt: Duration,
}

/// The clients of a server, up to a maximum number. The first ones are kept; a later one takes
/// the place of one that has had no connection for five minutes.
#[derive(Debug)]
pub(crate) struct Clients {
    max: usize,
    clients: Mutex<HashMap<IpAddr, Client>>,
}

#[derive(Debug)]
struct Client {
    stats: ClientStats,
    connections: usize,
    /// When the last connection ended, or was read.
    seen: Instant,
}

/// The shortest time between two readings of a connection.
const INTERVAL: Duration = Duration::from_secs(5);

/// One connection of a client that is counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counted {
    ip: IpAddr,
    /// What was read of the connection last.
    last: Segments,
    /// When it is read next.
    next: Instant,
}

impl Counted {
    /// Whether it is to be read again. Then it counts as read at `now`.
    pub(crate) fn take_due(&mut self, now: Instant) -> bool {
        let is_due = self.next <= now;
        if is_due {
            self.next = now + INTERVAL;
        }
        is_due
    }
}

impl Clients {
    pub(crate) fn new(max: usize) -> Self {
        Self {
            max,
            clients: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, Client>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection was accepted. `None` if its client is not counted.
    pub(crate) fn on_open(&self, ip: IpAddr, now: Instant) -> Option<Counted> {
        if self.max == 0 {
            return None;
        }
        let ip = ip.to_canonical();
        let mut clients = self.lock();
        if clients.len() >= self.max && !clients.contains_key(&ip) {
            clients.retain(|_, client| client.is_kept(now));
            if clients.len() >= self.max {
                return None;
            }
        }
        let client = match clients.entry(ip) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(Client {
                stats: ClientStats::default(),
                connections: 0,
                seen: now,
            }),
        };
        client.connections += 1;
        Some(Counted {
            ip,
            last: Segments::default(),
            next: now,
        })
    }

    /// Adds what a connection has sent and lost since it was last read.
    pub(crate) fn record(&self, counted: &mut Counted, info: &TcpInfo) {
        let Some(now) = segments(info) else {
            return;
        };
        if let Some(client) = self.lock().get_mut(&counted.ip) {
            let stats = &mut client.stats;
            let Segments { sent, lost } = counted.last.advance(now);
            stats.segments_sent += u64::from(sent);
            stats.segments_lost += u64::from(lost);
            stats.srtt = info.srtt;
        }
    }

    pub(crate) fn on_close(&self, counted: Counted, now: Instant) {
        if let Some(client) = self.lock().get_mut(&counted.ip) {
            client.connections = client.connections.saturating_sub(1);
            client.seen = now;
        }
    }

    /// The clients, sorted by their addresses.
    pub(crate) fn all(&self, now: Instant) -> Vec<(IpAddr, ClientStats)> {
        let mut clients = self.lock();
        clients.retain(|_, client| client.is_kept(now));
        let mut all: Vec<_> = clients
            .iter()
            .map(|(ip, client)| (*ip, client.stats))
            .collect();
        all.sort_unstable_by_key(|(ip, _)| *ip);
        all
    }
}

impl Client {
    fn is_kept(&self, now: Instant) -> bool {
        self.connections > 0 || now.saturating_duration_since(self.seen) < KEPT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    #[test]
    fn the_first_clients_are_kept_until_they_are_gone() {
        let start = Instant::now();
        let clients = Clients::new(2);
        let first = clients.on_open(ip(1), start).unwrap();
        let mapped = "::ffff:192.0.2.1".parse().unwrap();
        let again = clients.on_open(mapped, start).unwrap();
        clients.on_open(ip(2), start).unwrap();
        assert!(clients.on_open(ip(3), start).is_none());
        clients.on_close(first, start);
        clients.on_close(again, start);
        assert_eq!(clients.all(start).len(), 2);
        assert!(clients.on_open(ip(3), start).is_none());
        clients.on_open(ip(3), start + KEPT).unwrap();
        let all: Vec<_> = clients
            .all(start + KEPT)
            .into_iter()
            .map(|(ip, _)| ip)
            .collect();
        assert_eq!(all, [ip(2), ip(3)]);
    }

    #[test]
    fn none_are_counted_by_default() {
        assert!(Clients::new(0).on_open(ip(1), Instant::now()).is_none());
    }
}

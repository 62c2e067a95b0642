//! How many of a limited number of things each client holds.

use std::net::IpAddr;

use tcp_echo_net::ClientCounts;

/// Counts what each client holds. A client is an IPv4 address, or the /64 of an IPv6 one.
///
/// A client's share is half of what the others leave: it may take one more while it holds
/// less than what is free. So one client alone gets half of all, the next one half of the
/// rest, and there is something left for another one as long as possible.
#[derive(Debug)]
pub(crate) struct Quota {
    limit: usize,
    held: ClientCounts,
}

/// Whether a client may take one more, and what has to be given back before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// It may.
    Free,
    /// The client holds its share: one of its own has to go.
    Own,
    /// All are held: one of a client that holds so many, the most of all, has to go.
    Largest(usize),
}

impl Quota {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            held: ClientCounts::default(),
        }
    }

    /// How many `client` holds. Those of unknown clients count as one client each.
    pub(crate) fn of(&self, client: Option<IpAddr>) -> usize {
        client.map_or(1, |client| self.held.of(client))
    }

    /// Whether `client` may take one more.
    pub(crate) fn room(&self, client: Option<IpAddr>) -> Room {
        let free = self.limit.saturating_sub(self.held.all());
        let own = client.map_or(0, |client| self.held.of(client));
        if own < free {
            return Room::Free;
        }
        let largest = self.held.largest().unwrap_or(1);
        if free == 0 && largest > own {
            Room::Largest(largest)
        } else {
            Room::Own
        }
    }

    /// Counts one more.
    pub(crate) fn take(&mut self, client: Option<IpAddr>) {
        self.held.take(client);
    }

    /// Counts one less of a client that holds one.
    pub(crate) fn release(&mut self, client: Option<IpAddr>) {
        self.held.release(client);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::unnecessary_wraps, reason = "as it is passed on")]
    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    /// Takes as many as the client may, and returns how many that were.
    fn fill(quota: &mut Quota, client: Option<IpAddr>) -> usize {
        let mut taken = 0;
        while quota.room(client) == Room::Free {
            quota.take(client);
            taken += 1;
        }
        taken
    }

    #[test]
    fn each_client_gets_half_of_what_is_free() {
        let mut quota = Quota::new(16);
        let clients = [1, 2, 3, 4, 5].map(|n| ip(&format!("192.0.2.{n}")));
        let counts = clients.map(|client| fill(&mut quota, client));
        assert_eq!(counts, [8, 4, 2, 1, 1]);
        // Nothing is left: those that hold the most give way, to all but themselves.
        assert_eq!(quota.room(ip("192.0.2.6")), Room::Largest(8));
        assert_eq!(quota.room(clients[1]), Room::Largest(8));
        assert_eq!(quota.room(clients[0]), Room::Own);
    }

    #[test]
    fn a_client_with_its_share_is_in_its_own_way_alone() {
        let mut quota = Quota::new(4);
        assert_eq!(fill(&mut quota, ip("192.0.2.1")), 2);
        assert_eq!(quota.room(ip("192.0.2.1")), Room::Own);
        assert_eq!(quota.room(ip("192.0.2.2")), Room::Free);
        quota.release(ip("192.0.2.1"));
        assert_eq!(quota.room(ip("192.0.2.1")), Room::Free);
    }

    #[test]
    fn a_client_is_an_ipv4_address_or_the_64_of_an_ipv6_one() {
        let mut quota = Quota::new(9);
        quota.take(ip("192.0.2.1"));
        quota.take(ip("::ffff:192.0.2.1"));
        quota.take(ip("2001:db8::1"));
        quota.take(ip("2001:db8::ffff:1"));
        quota.take(ip("2001:db8:0:1::1"));
        assert_eq!(quota.of(ip("192.0.2.1")), 2);
        assert_eq!(quota.of(ip("2001:db8::2")), 2);
        assert_eq!(quota.of(ip("2001:db8:0:1::2")), 1);
    }

    #[test]
    fn unknown_clients_may_have_all_and_give_way_as_one_each() {
        let mut quota = Quota::new(3);
        assert_eq!(fill(&mut quota, None), 3);
        assert_eq!(quota.room(None), Room::Largest(1));
        assert_eq!(quota.room(ip("192.0.2.1")), Room::Largest(1));
        assert_eq!(quota.of(None), 1);
    }

    #[test]
    fn clients_that_hold_nothing_are_forgotten() {
        let mut quota = Quota::new(3);
        for n in 0..100 {
            let client = ip(&format!("192.0.2.{n}"));
            quota.take(client);
            quota.release(client);
        }
        assert_eq!((quota.held.all(), quota.held.largest()), (0, None));
    }
}

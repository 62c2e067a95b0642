//! Quotas: how many units of a limited resource each client holds.

use std::net::IpAddr;

use tcp_echo_net::ClientCounts;

/// Counts the units that each client holds. A client is an IPv4 address, or the /64 of an IPv6
/// address.
///
/// A client's quota is half of what the others leave: it may take a unit while it holds fewer
/// than are free. So a single client gets half of all units, the next one half of the rest, and
/// a unit is left for a new client as long as possible.
#[derive(Debug)]
pub(crate) struct Quota {
    limit: usize,
    held: ClientCounts,
}

/// Whether a client may take a unit, and what has to be evicted first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// The client may take a unit.
    Free,
    /// The client has reached its quota: one of its own units must be evicted.
    EvictOwn,
    /// All units are taken: one of a client that holds this many, the most of all, must be
    /// evicted.
    EvictLargest(usize),
}

impl Quota {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            held: ClientCounts::default(),
        }
    }

    /// Returns how many units `client` holds. Unknown clients count as one client each.
    pub(crate) fn held_by(&self, client: Option<IpAddr>) -> usize {
        client.map_or(1, |client| self.held.of(client))
    }

    /// Checks whether `client` may take a unit.
    pub(crate) fn check(&self, client: Option<IpAddr>) -> Admission {
        let free = self.limit.saturating_sub(self.held.all());
        let own = client.map_or(0, |client| self.held.of(client));
        if own < free {
            return Admission::Free;
        }
        let largest = self.held.largest().unwrap_or(1);
        if free == 0 && largest > own {
            Admission::EvictLargest(largest)
        } else {
            Admission::EvictOwn
        }
    }

    /// Adds a unit to `client`.
    pub(crate) fn take(&mut self, client: Option<IpAddr>) {
        self.held.take(client);
    }

    /// Removes a unit from a client that holds one.
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

    /// Takes as many units as the client may, and returns how many.
    fn fill(quota: &mut Quota, client: Option<IpAddr>) -> usize {
        let mut taken = 0;
        while quota.check(client) == Admission::Free {
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
        // Nothing is left: the client with the most is evicted, except for itself.
        assert_eq!(quota.check(ip("192.0.2.6")), Admission::EvictLargest(8));
        assert_eq!(quota.check(clients[1]), Admission::EvictLargest(8));
        assert_eq!(quota.check(clients[0]), Admission::EvictOwn);
    }

    #[test]
    fn a_client_at_its_quota_evicts_only_its_own() {
        let mut quota = Quota::new(4);
        assert_eq!(fill(&mut quota, ip("192.0.2.1")), 2);
        assert_eq!(quota.check(ip("192.0.2.1")), Admission::EvictOwn);
        assert_eq!(quota.check(ip("192.0.2.2")), Admission::Free);
        quota.release(ip("192.0.2.1"));
        assert_eq!(quota.check(ip("192.0.2.1")), Admission::Free);
    }

    #[test]
    fn a_client_is_an_ipv4_address_or_the_64_of_an_ipv6_one() {
        let mut quota = Quota::new(9);
        quota.take(ip("192.0.2.1"));
        quota.take(ip("::ffff:192.0.2.1"));
        quota.take(ip("2001:db8::1"));
        quota.take(ip("2001:db8::ffff:1"));
        quota.take(ip("2001:db8:0:1::1"));
        assert_eq!(quota.held_by(ip("192.0.2.1")), 2);
        assert_eq!(quota.held_by(ip("2001:db8::2")), 2);
        assert_eq!(quota.held_by(ip("2001:db8:0:1::2")), 1);
    }

    #[test]
    fn unknown_clients_may_take_all_and_count_as_one_each() {
        let mut quota = Quota::new(3);
        assert_eq!(fill(&mut quota, None), 3);
        assert_eq!(quota.check(None), Admission::EvictLargest(1));
        assert_eq!(quota.check(ip("192.0.2.1")), Admission::EvictLargest(1));
        assert_eq!(quota.held_by(None), 1);
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

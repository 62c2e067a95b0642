//! Quotas of clients.

use std::net::IpAddr;

use crate::ClientCounts;

/// Shares a limited number of units, such as connections, among clients. As in
/// [`ClientCounts`], a client is an IPv4 address, or the /64 of an IPv6 address.
///
/// A client may take a unit while it holds fewer than `per_free` times as many as are free.
/// With 1 a single client gets half of all units, the next one half of the rest, and so on;
/// with 3 these are three quarters. So a unit is left for a new client as long as possible.
/// Unknown clients have no quota: they may take all units.
///
/// A server that refuses clients at the limit calls [`check`](Self::check), and one that takes
/// a unit from a client instead calls [`eviction`](Self::eviction).
///
/// ```
/// use tcp_echo_net::{ClientQuotas, Eviction, QuotaError};
///
/// let mut quotas = ClientQuotas::new(1);
/// let [first, second] = ["192.0.2.1", "192.0.2.2"].map(|ip| ip.parse().ok());
/// for _ in 0..2 {
///     assert_eq!(quotas.check(first, 4), Ok(()));
///     quotas.take(first);
/// }
/// assert_eq!(quotas.check(first, 4), Err(QuotaError::Reached));
/// assert_eq!(quotas.eviction(first, 4), Some(Eviction::Own));
/// assert_eq!(quotas.check(second, 4), Ok(()));
/// quotas.release(first);
/// assert_eq!(quotas.check(first, 4), Ok(()));
/// ```
#[derive(Clone, Debug)]
pub struct ClientQuotas {
    per_free: usize,
    held: ClientCounts,
}

/// Why a client may not take a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuotaError {
    /// All units are taken.
    #[error("the limit of all clients is reached")]
    Full,
    /// The client has reached its quota.
    #[error("the client has reached its quota")]
    Reached,
}

/// Which client has to lose a unit for another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Eviction {
    /// The client that needs the unit: it has reached its quota, or no client holds more.
    Own,
    /// All units are taken: a client that [holds](ClientQuotas::held_by) this many, which is
    /// the maximum.
    Largest(usize),
}

impl ClientQuotas {
    /// No unit is taken. A client may hold `per_free` units for each free one.
    pub fn new(per_free: usize) -> Self {
        Self {
            per_free,
            held: ClientCounts::default(),
        }
    }

    /// Whether `client` may take one of `limit` units.
    ///
    /// # Errors
    ///
    /// [`QuotaError`]. If both limits are reached, it is [`QuotaError::Full`].
    pub fn check(&self, client: Option<IpAddr>, limit: usize) -> Result<(), QuotaError> {
        let free = limit.saturating_sub(self.held.all());
        if free == 0 {
            return Err(QuotaError::Full);
        }
        let held = client.map(|client| self.held.of(client));
        if held.is_some_and(|held| held >= free.saturating_mul(self.per_free)) {
            return Err(QuotaError::Reached);
        }
        Ok(())
    }

    /// Which client has to lose a unit before `client` takes one of `limit`; `None` if it may
    /// take a free one.
    pub fn eviction(&self, client: Option<IpAddr>, limit: usize) -> Option<Eviction> {
        let error = self.check(client, limit).err()?;
        let held = client.map_or(0, |client| self.held.of(client));
        let largest = self.held.largest().unwrap_or(1);
        Some(match error {
            QuotaError::Full if largest > held => Eviction::Largest(largest),
            QuotaError::Full | QuotaError::Reached => Eviction::Own,
        })
    }

    /// How many units `client` holds. Each unit of unknown clients is that of another one.
    pub fn held_by(&self, client: Option<IpAddr>) -> usize {
        client.map_or(1, |client| self.held.of(client))
    }

    /// Adds a unit to `client`.
    pub fn take(&mut self, client: Option<IpAddr>) {
        self.held.take(client);
    }

    /// Removes a unit from `client`, which holds one.
    pub fn release(&mut self, client: Option<IpAddr>) {
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

    /// The n-th client.
    fn nth(n: usize) -> Option<IpAddr> {
        ip(&format!("192.0.2.{n}"))
    }

    /// Takes as many of `limit` units as `client` may, and returns how many.
    fn take_all(quotas: &mut ClientQuotas, client: Option<IpAddr>, limit: usize) -> usize {
        let mut taken = 0;
        while quotas.check(client, limit).is_ok() {
            quotas.take(client);
            taken += 1;
        }
        taken
    }

    #[test]
    fn each_client_gets_a_share_of_what_is_free() {
        let shares = |per_free, limit| {
            let mut quotas = ClientQuotas::new(per_free);
            [1, 2, 3, 4, 5, 6].map(|n| take_all(&mut quotas, nth(n), limit))
        };
        assert_eq!(shares(1, 16), [8, 4, 2, 1, 1, 0]);
        assert_eq!(shares(3, 1000), [750, 188, 47, 12, 3, 0]);
        assert_eq!(shares(usize::MAX, 4), [4, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn a_small_limit_is_useful() {
        for (limit, alone) in [(0, 0), (1, 1), (2, 2), (3, 3), (4, 3), (8, 6)] {
            let mut quotas = ClientQuotas::new(3);
            assert_eq!(take_all(&mut quotas, ip("::1"), limit), alone, "{limit}");
            assert_eq!(take_all(&mut quotas, None, limit), limit - alone, "{limit}");
        }
    }

    #[test]
    fn the_error_is_that_of_the_limit_reached() {
        let mut quotas = ClientQuotas::new(1);
        assert_eq!(take_all(&mut quotas, nth(1), 4), 2);
        assert_eq!(quotas.check(nth(1), 4), Err(QuotaError::Reached));
        assert_eq!(take_all(&mut quotas, None, 4), 2);
        assert_eq!(quotas.check(nth(1), 4), Err(QuotaError::Full));
        // A limit may change.
        assert_eq!(quotas.check(nth(1), 5), Err(QuotaError::Reached));
        assert_eq!(quotas.check(None, 5), Ok(()));
        assert_eq!(quotas.check(None, 3), Err(QuotaError::Full));
    }

    #[test]
    fn a_client_at_its_quota_evicts_only_its_own() {
        let mut quotas = ClientQuotas::new(1);
        assert_eq!(take_all(&mut quotas, nth(1), 4), 2);
        assert_eq!(quotas.eviction(nth(1), 4), Some(Eviction::Own));
        assert_eq!(quotas.eviction(nth(2), 4), None);
        quotas.release(nth(1));
        assert_eq!(quotas.eviction(nth(1), 4), None);
    }

    #[test]
    fn at_the_limit_the_largest_client_is_evicted() {
        let mut quotas = ClientQuotas::new(1);
        for n in 1..=5 {
            take_all(&mut quotas, nth(n), 16);
        }
        assert_eq!(quotas.eviction(nth(6), 16), Some(Eviction::Largest(8)));
        assert_eq!(quotas.eviction(nth(2), 16), Some(Eviction::Largest(8)));
        assert_eq!(quotas.eviction(nth(1), 16), Some(Eviction::Own));
    }

    #[test]
    fn unknown_clients_hold_one_unit_each() {
        let mut quotas = ClientQuotas::new(1);
        assert_eq!(take_all(&mut quotas, None, 3), 3);
        assert_eq!(quotas.eviction(None, 3), Some(Eviction::Largest(1)));
        assert_eq!(quotas.eviction(nth(1), 3), Some(Eviction::Largest(1)));
        assert_eq!(quotas.held_by(None), 1);
    }

    #[test]
    fn the_addresses_of_an_ipv6_network_are_one_client() {
        let mut quotas = ClientQuotas::new(1);
        for client in [
            "192.0.2.1",
            "::ffff:192.0.2.1",
            "2001:db8::1",
            "2001:db8::ffff:1",
            "2001:db8:0:1::1",
        ] {
            quotas.take(ip(client));
        }
        assert_eq!(quotas.held_by(ip("192.0.2.1")), 2);
        assert_eq!(quotas.held_by(ip("2001:db8::2")), 2);
        assert_eq!(quotas.held_by(ip("2001:db8:0:1::2")), 1);
    }

    #[test]
    fn clients_that_hold_nothing_are_forgotten() {
        let mut quotas = ClientQuotas::new(1);
        for n in 0..100 {
            quotas.take(nth(n));
            quotas.release(nth(n));
        }
        assert_eq!((quotas.held.all(), quotas.held.largest()), (0, None));
    }
}

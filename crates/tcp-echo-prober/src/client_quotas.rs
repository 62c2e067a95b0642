//! Quotas of clients.

use std::net::IpAddr;

use tcp_echo_net::ClientCounts;

/// Shares a limited number of places among clients. A client is an IPv4 address, or the /64 of
/// an IPv6 one.
///
/// A client may take one more while it holds fewer than three times as many as are free. So
/// one alone gets three quarters of all, the next one three quarters of the rest, and there
/// is something left for another one as long as possible.
#[derive(Debug, Default)]
pub(crate) struct ClientQuotas {
    taken: ClientCounts,
}

/// How many places a client may hold per free one.
const OWN_PER_FREE: usize = 3;

/// Why a client gets no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// All are taken.
    Full,
    /// The client has reached its quota.
    Quota,
}

impl ClientQuotas {
    /// Whether `client` may take one of `limit` places. `None` has no quota.
    pub(crate) fn check(&self, client: Option<IpAddr>, limit: usize) -> Result<(), Refusal> {
        let free = limit.saturating_sub(self.taken.all());
        if free == 0 {
            return Err(Refusal::Full);
        }
        let own = client.map(|client| self.taken.of(client));
        if own.is_some_and(|own| own >= free.saturating_mul(OWN_PER_FREE)) {
            return Err(Refusal::Quota);
        }
        Ok(())
    }

    /// Counts one more place of `client`.
    pub(crate) fn take(&mut self, client: Option<IpAddr>) {
        self.taken.take(client);
    }

    /// Counts one less of `client`, which holds one.
    pub(crate) fn release(&mut self, client: Option<IpAddr>) {
        self.taken.release(client);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::unnecessary_wraps, reason = "as it is passed on")]
    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    /// Takes as many of `limit` places as the client may, and returns how many.
    fn take_all(quotas: &mut ClientQuotas, client: Option<IpAddr>, limit: usize) -> usize {
        (0..=limit)
            .take_while(|_| {
                let may = quotas.check(client, limit).is_ok();
                if may {
                    quotas.take(client);
                }
                may
            })
            .count()
    }

    #[test]
    fn there_is_something_left_for_another() {
        let mut quotas = ClientQuotas::default();
        let mut clients = (1..).map(|n| ip(&format!("192.0.2.{n}")));
        let mut next = || take_all(&mut quotas, clients.next().unwrap(), 1000);
        assert_eq!([next(), next(), next(), next()], [750, 188, 47, 12]);
        assert_eq!([next(), next(), next(), next()], [3, 0, 0, 0]);
        let refused = quotas.check(ip("192.0.2.1"), 1000);
        assert_eq!(refused, Err(Refusal::Full));
        assert_eq!(quotas.check(None, 1001), Ok(()));
        assert_eq!(quotas.check(ip("192.0.2.1"), 1001), Err(Refusal::Quota));
    }

    #[test]
    fn few_places_are_of_use_too() {
        for (limit, alone) in [(0, 0), (1, 1), (2, 2), (3, 3), (4, 3), (8, 6)] {
            let mut quotas = ClientQuotas::default();
            assert_eq!(take_all(&mut quotas, ip("::1"), limit), alone, "{limit}");
            assert_eq!(take_all(&mut quotas, None, limit), limit - alone, "{limit}");
        }
    }

    #[test]
    fn a_host_of_ipv6_is_one_client_and_what_is_given_back_is_forgotten() {
        let mut quotas = ClientQuotas::default();
        for _ in 0..2 {
            assert_eq!(take_all(&mut quotas, ip("2001:db8::1"), 4), 3);
            assert_eq!(take_all(&mut quotas, ip("2001:db8::2"), 4), 0);
            assert_eq!(take_all(&mut quotas, ip("2001:db8:0:1::1"), 4), 1);
            for client in [
                "2001:db8::1",
                "2001:db8::2",
                "2001:db8::3",
                "2001:db8:0:1::1",
            ] {
                quotas.release(ip(client));
            }
            assert_eq!((quotas.taken.all(), quotas.taken.largest()), (0, None));
        }
    }
}

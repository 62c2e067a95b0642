//! Places that clients share.

use std::net::IpAddr;

use tcp_echo_net::ClientCounts;

/// Who has how many of a number of places. A client is an address, or the /64 of an IPv6
/// one.
///
/// A client may take one more while it has fewer than three times as many as are left. So
/// one alone gets three quarters of all, and the next one three quarters of the rest; those
/// that take much come to a balance, and there is always something left for another.
#[derive(Debug, Default)]
pub(crate) struct ClientQuotas {
    taken: ClientCounts,
}

/// For how many of its own a place has to be left.
const OWN_PER_FREE: usize = 3;

/// Why a client may not take a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// All are taken.
    Full,
    /// The client has its share.
    Share,
}

impl ClientQuotas {
    /// Whether `client` may take one of the places, of which there are `most`. Who is no
    /// client may have all.
    pub(crate) fn check(&self, client: Option<IpAddr>, most: usize) -> Result<(), Refusal> {
        let free = most.saturating_sub(self.taken.all());
        if free == 0 {
            return Err(Refusal::Full);
        }
        let own = client.map(|client| self.taken.of(client));
        if own.is_some_and(|own| own >= free.saturating_mul(OWN_PER_FREE)) {
            return Err(Refusal::Share);
        }
        Ok(())
    }

    /// Gives `client` a place.
    pub(crate) fn take(&mut self, client: Option<IpAddr>) {
        self.taken.take(client);
    }

    /// Takes a place back from `client`, which has one.
    pub(crate) fn give_back(&mut self, client: Option<IpAddr>) {
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

    /// How many of `most` places a client can still take.
    fn take_all(quotas: &mut ClientQuotas, client: Option<IpAddr>, most: usize) -> usize {
        (0..=most)
            .take_while(|_| {
                let may = quotas.check(client, most).is_ok();
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
        assert_eq!(quotas.check(ip("192.0.2.1"), 1001), Err(Refusal::Share));
    }

    #[test]
    fn few_places_are_of_use_too() {
        for (most, alone) in [(0, 0), (1, 1), (2, 2), (3, 3), (4, 3), (8, 6)] {
            let mut quotas = ClientQuotas::default();
            assert_eq!(take_all(&mut quotas, ip("::1"), most), alone, "{most}");
            assert_eq!(take_all(&mut quotas, None, most), most - alone, "{most}");
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
                quotas.give_back(ip(client));
            }
            assert_eq!((quotas.taken.all(), quotas.taken.largest()), (0, None));
        }
    }
}

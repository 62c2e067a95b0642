//! Who may come in.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tcp_echo_address::Networks;

use crate::deadline::Timeouts;
use crate::{RejectReason, ServerConfig, ServerStats};

/// Knows who is allowed, and counts open connections, in all and by address, against the limits.
#[derive(Debug)]
pub(crate) struct Gate {
    allow: Option<Networks>,
    max_connections: Option<NonZeroUsize>,
    max_connections_per_ip: Option<NonZeroUsize>,
    timeouts: Timeouts,
    open: Mutex<Open>,
    stats: Arc<ServerStats>,
}

#[derive(Debug, Default)]
struct Open {
    total: usize,
    /// Empty where there is no limit by address.
    by_ip: HashMap<IpAddr, usize>,
}

/// The right to one open connection, given back on drop.
#[derive(Debug)]
pub(crate) struct Admission {
    gate: Arc<Gate>,
    ip: IpAddr,
}

impl Gate {
    pub(crate) fn new(config: &ServerConfig, stats: Arc<ServerStats>) -> Arc<Self> {
        Arc::new(Self {
            allow: config.allow.clone(),
            max_connections: config.max_connections,
            max_connections_per_ip: config.max_connections_per_ip,
            timeouts: Timeouts::new(config),
            open: Mutex::default(),
            stats,
        })
    }

    /// Admits one more connection from `ip`, or says why not; either is counted.
    pub(crate) fn admit(self: &Arc<Self>, ip: IpAddr) -> Result<Admission, RejectReason> {
        // A dual-stack socket reports IPv4 peers as `::ffff:192.0.2.1`.
        let ip = ip.to_canonical();
        let admitted = self.take(ip);
        match admitted {
            Ok(()) => {
                self.stats.on_open();
                Ok(Admission {
                    gate: Arc::clone(self),
                    ip,
                })
            }
            Err(reason) => {
                self.stats.on_rejected(reason);
                Err(reason)
            }
        }
    }

    fn take(&self, ip: IpAddr) -> Result<(), RejectReason> {
        if self.allow.as_ref().is_some_and(|allow| !allow.contains(ip)) {
            return Err(RejectReason::NotAllowed);
        }
        let mut open = self.lock();
        if self
            .max_connections
            .is_some_and(|max| open.total >= max.get())
        {
            return Err(RejectReason::MaxConnections);
        }
        if let Some(max) = self.max_connections_per_ip {
            let count = open.by_ip.entry(ip).or_default();
            if *count >= max.get() {
                return Err(RejectReason::MaxConnectionsPerIp);
            }
            *count += 1;
        }
        open.total += 1;
        Ok(())
    }

    fn give_back(&self, ip: IpAddr) {
        let mut open = self.lock();
        open.total -= 1;
        if let Entry::Occupied(mut count) = open.by_ip.entry(ip) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        // Nothing that holds the lock can leave the counts half changed.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Admission {
    pub(crate) fn stats(&self) -> &ServerStats {
        &self.gate.stats
    }

    pub(crate) fn timeouts(&self) -> &Timeouts {
        &self.gate.timeouts
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.gate.give_back(self.ip);
        self.gate.stats.on_close();
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::num::NonZeroUsize;
    use std::sync::Arc;

    use super::Gate;
    use crate::{RejectReason, ServerConfig, ServerStats};

    fn gate(total: usize, per_ip: usize) -> (Arc<Gate>, Arc<ServerStats>) {
        let stats = Arc::new(ServerStats::default());
        let config = ServerConfig {
            max_connections: NonZeroUsize::new(total),
            max_connections_per_ip: NonZeroUsize::new(per_ip),
            ..ServerConfig::default()
        };
        (Gate::new(&config, Arc::clone(&stats)), stats)
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_limit_holds_until_a_place_is_given_back() {
        let (gate, stats) = gate(3, 2);
        let first = gate.admit(ip("192.0.2.1")).unwrap();
        let _second = gate.admit(ip("192.0.2.1")).unwrap();
        let refused = gate.admit(ip("192.0.2.1")).unwrap_err();
        assert_eq!(refused, RejectReason::MaxConnectionsPerIp);
        let _other = gate.admit(ip("192.0.2.2")).unwrap();
        let refused = gate.admit(ip("192.0.2.3")).unwrap_err();
        assert_eq!(refused, RejectReason::MaxConnections);

        drop(first);
        let _again = gate.admit(ip("192.0.2.1")).unwrap();
        assert_eq!(stats.connections(), 3);
        assert_eq!(stats.accepted(), 4);
        assert_eq!(stats.rejected(RejectReason::MaxConnections), 1);
        assert_eq!(stats.rejected(RejectReason::MaxConnectionsPerIp), 1);
    }

    #[test]
    fn one_ipv4_peer_is_one_address_on_either_family() {
        let (gate, _) = gate(0, 1);
        let _first = gate.admit(ip("192.0.2.1")).unwrap();
        let refused = gate.admit(ip("::ffff:192.0.2.1")).unwrap_err();
        assert_eq!(refused, RejectReason::MaxConnectionsPerIp);
    }

    #[test]
    fn who_is_not_allowed_takes_no_place() {
        let stats = Arc::new(ServerStats::default());
        let config = ServerConfig {
            allow: Some("192.0.2.0/24,2001:db8::/32".parse().unwrap()),
            max_connections: NonZeroUsize::new(3),
            ..ServerConfig::default()
        };
        let gate = Gate::new(&config, Arc::clone(&stats));
        for stranger in ["198.51.100.1", "::ffff:198.51.100.1", "2001:db9::1"] {
            let refused = gate.admit(ip(stranger)).unwrap_err();
            assert_eq!(refused, RejectReason::NotAllowed, "{stranger}");
        }
        let allowed = ["192.0.2.1", "::ffff:192.0.2.2", "2001:db8::1"];
        let _admissions = allowed.map(|peer| gate.admit(ip(peer)).unwrap());
        // Strangers hear the same when it is full.
        let refused = gate.admit(ip("198.51.100.1")).unwrap_err();
        assert_eq!(refused, RejectReason::NotAllowed);
        assert_eq!(stats.rejected(RejectReason::NotAllowed), 4);
        assert_eq!(stats.rejected(RejectReason::MaxConnections), 0);
        assert_eq!(stats.accepted(), 3);
    }

    #[test]
    fn addresses_without_connections_are_forgotten() {
        let (gate, _) = gate(0, 5);
        let admissions = (0..100_u8).map(|n| gate.admit(IpAddr::from([192, 0, 2, n])).unwrap());
        drop(admissions.collect::<Vec<_>>());
        assert!(gate.lock().by_ip.is_empty());
    }
}

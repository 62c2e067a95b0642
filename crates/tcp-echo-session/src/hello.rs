//! When to begin a connection with a hello.

use std::time::{Duration, Instant};

use tcp_echo_wire::Features;

/// How long a peer that closes a connection on a hello is met without one. By then it may be
/// another program.
const REMEMBERED: Duration = Duration::from_secs(10 * 60);

/// How many connections in a row the peer has to close before one without a hello is tried, at
/// first and at most.
const MIN_CLOSED: u8 = 2;
const MAX_CLOSED: u8 = 64;

/// Decides whether the next connection begins with a hello.
///
/// A peer of another protocol may close a connection that begins so. Then one without a hello is
/// tried. If replies come on that, the peer is remembered. If the peer closes that, too, it was
/// not for the hello (a proxy without its backend does so), and it takes twice as many until
/// the next attempt without.
#[derive(Clone, Debug)]
pub(crate) struct Hello {
    features: Features,
    closed: u8,
    max_closed: u8,
    /// Since when connections are made without a hello. In a box, since it is seldom there.
    plain_since: Option<Box<Instant>>,
}

impl Hello {
    pub(crate) const fn new(features: Features) -> Self {
        Self {
            features,
            closed: 0,
            max_closed: MIN_CLOSED,
            plain_since: None,
        }
    }

    /// What to ask for on a connection that was made at `at`; `None` without a hello.
    pub(crate) fn on_connected(&mut self, at: Instant) -> Option<Features> {
        if self.features == Features::NONE {
            return None;
        }
        if self.closed >= self.max_closed {
            self.plain_since = Some(Box::new(at));
            return None;
        }
        if let Some(since) = &self.plain_since {
            if at.saturating_duration_since(**since) < REMEMBERED {
                return None;
            }
            self.plain_since = None;
        }
        Some(self.features)
    }

    /// What hellos ask for.
    pub(crate) const fn features(&self) -> Features {
        self.features
    }

    /// A connection has ended on which a hello was sent.
    pub(crate) fn on_ended_after_hello(&mut self, has_answered: bool, by_peer: bool) {
        if has_answered {
            self.closed = 0;
            self.max_closed = MIN_CLOSED;
        } else if by_peer {
            self.closed = self.closed.saturating_add(1);
        }
    }

    /// A connection without a hello has ended.
    pub(crate) fn on_plain_ended(&mut self, has_answered: bool) {
        if self.closed < self.max_closed {
            return;
        }
        self.closed = 0;
        if has_answered {
            self.max_closed = MIN_CLOSED;
        } else {
            self.plain_since = None;
            self.max_closed = self.max_closed.saturating_mul(2).min(MAX_CLOSED);
        }
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test needs some first moment")]
mod tests {
    use super::*;

    const ALL: Features = Features::STAMPS;

    #[test]
    fn a_peer_that_closes_on_it_is_met_without_for_a_while() {
        let mut hello = Hello::new(ALL);
        let start = Instant::now();
        for _ in 0..2 {
            assert_eq!(hello.on_connected(start), Some(ALL));
            hello.on_ended_after_hello(false, true);
        }
        assert_eq!(hello.on_connected(start), None);
        hello.on_plain_ended(true);
        let almost = start + REMEMBERED.saturating_sub(Duration::from_secs(1));
        assert_eq!(hello.on_connected(almost), None);
        hello.on_plain_ended(true);
        assert_eq!(hello.on_connected(start + REMEMBERED), Some(ALL));
    }

    #[test]
    fn a_peer_that_closes_everything_is_seldom_met_without() {
        let mut hello = Hello::new(ALL);
        let at = Instant::now();
        let mut plain = Vec::new();
        for attempt in 0..200 {
            if hello.on_connected(at).is_some() {
                hello.on_ended_after_hello(false, true);
            } else {
                hello.on_plain_ended(false);
                plain.push(attempt);
            }
        }
        assert_eq!(plain, [2, 7, 16, 33, 66, 131, 196]);
    }

    #[test]
    fn a_network_that_fails_is_no_reason() {
        let mut hello = Hello::new(ALL);
        for _ in 0..10 {
            assert_eq!(hello.on_connected(Instant::now()), Some(ALL));
            hello.on_ended_after_hello(false, false);
        }
        hello.on_ended_after_hello(false, true);
        hello.on_ended_after_hello(true, true);
        hello.on_ended_after_hello(false, true);
        assert_eq!(hello.on_connected(Instant::now()), Some(ALL));
    }

    #[test]
    fn without_features_there_is_none() {
        let mut hello = Hello::new(Features::NONE);
        assert_eq!(hello.on_connected(Instant::now()), None);
        hello.on_plain_ended(false);
        assert_eq!(hello.on_connected(Instant::now()), None);
    }
}

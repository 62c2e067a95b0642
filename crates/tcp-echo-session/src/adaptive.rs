//! A timeout that follows the round-trip time.

use std::time::Duration;

use tcp_echo_wire::Seq;

/// The gains of RFC 6298 for the smoothed RTT and its variation.
const ALPHA: f64 = 1.0 / 8.0;
const BETA: f64 = 1.0 / 4.0;

/// The timeout of RFC 6298: `SRTT + 4 × RTTVAR`, doubled by a timeout, within bounds.
///
/// There is one timeout at a time, for all probes in flight. So they time out in the order in
/// which they were sent, as with a fixed timeout, and a probe in flight when the timeout is
/// doubled has the longer one.
#[derive(Clone, Debug)]
pub(crate) struct Adaptive {
    /// The smoothed RTT and its variation, in seconds; `None` before the first reply.
    smoothed: Option<(f64, f64)>,
    timeout: Duration,
    min: Duration,
    max: Duration,
    /// The first probe whose timeout doubles it. Those sent earlier have been part of the loss
    /// that it was doubled for.
    doubles_from: Seq,
}

impl Adaptive {
    /// Begins with the timeout `first`, which is within `min` and `max` from then on.
    pub(crate) fn new(first: Duration, min: Duration, max: Duration) -> Self {
        Self {
            smoothed: None,
            timeout: first.clamp(min, max),
            min,
            max,
            doubles_from: Seq::FIRST,
        }
    }

    /// The timeout now.
    #[inline]
    pub(crate) const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// A reply came in time.
    pub(crate) fn received(&mut self, rtt: Duration) {
        let rtt = rtt.as_secs_f64();
        let (srtt, rttvar) = match self.smoothed {
            None => (rtt, rtt / 2.0),
            Some((srtt, rttvar)) => (
                srtt + ALPHA * (rtt - srtt),
                rttvar + BETA * ((srtt - rtt).abs() - rttvar),
            ),
        };
        self.smoothed = Some((srtt, rttvar));
        let timeout = Duration::try_from_secs_f64(srtt + 4.0 * rttvar);
        self.timeout = timeout.unwrap_or(self.max).clamp(self.min, self.max);
    }

    /// The probe `seq` timed out, and `next` is the next one to be sent.
    pub(crate) fn timed_out(&mut self, seq: Seq, next: Seq) {
        if seq >= self.doubles_from {
            self.timeout = self.timeout.saturating_mul(2).min(self.max);
            self.doubles_from = next;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn adaptive() -> Adaptive {
        Adaptive::new(ms(1000), ms(200), ms(3000))
    }

    fn is_near(adaptive: &Adaptive, millis: f64) -> bool {
        (adaptive.timeout().as_secs_f64() - millis / 1000.0).abs() < 1e-6
    }

    #[test]
    fn follows_the_recurrence_of_rfc_6298() {
        let mut adaptive = adaptive();
        assert_eq!(adaptive.timeout(), ms(1000));
        adaptive.received(ms(400));
        // 400 + 4 × 200.
        assert!(is_near(&adaptive, 1200.0), "{adaptive:?}");
        adaptive.received(ms(480));
        // The variation first: 200 × 3/4 + 80 / 4 = 170; then 410 + 4 × 170.
        assert!(is_near(&adaptive, 1090.0), "{adaptive:?}");
    }

    #[test]
    fn has_a_floor_and_a_cap() {
        let mut adaptive = adaptive();
        adaptive.received(ms(1));
        assert_eq!(adaptive.timeout(), ms(200));
        for _ in 0..20 {
            adaptive.received(ms(2900));
        }
        assert_eq!(adaptive.timeout(), ms(3000));
        assert_eq!(Adaptive::new(ms(20), ms(200), ms(3000)).timeout(), ms(200));
    }

    #[test]
    fn a_loss_doubles_it_once_for_all_that_were_in_flight() {
        let mut adaptive = adaptive();
        adaptive.received(ms(100));
        assert_eq!(adaptive.timeout(), ms(300));
        // Probes 2 to 5 are in flight.
        for seq in 2..6 {
            adaptive.timed_out(Seq(seq), Seq(6));
            assert_eq!(adaptive.timeout(), ms(600));
        }
        adaptive.timed_out(Seq(6), Seq(9));
        assert_eq!(adaptive.timeout(), ms(1200));
        for seq in 9..20 {
            adaptive.timed_out(Seq(seq), Seq(seq + 1));
        }
        assert_eq!(adaptive.timeout(), ms(3000));
        // A reply ends it.
        adaptive.received(ms(100));
        assert!(adaptive.timeout() < ms(300));
    }
}

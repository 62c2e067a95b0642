//! Jitter of the round-trip time.

use std::time::Duration;

/// Interarrival jitter of RFC 3550, section 6.4.1, of the RTT: the smoothed difference of
/// consecutive values, `J += (|D| − J) / 16`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Jitter {
    last: Option<Duration>,
    seconds: f64,
}

impl Jitter {
    pub(crate) fn record(&mut self, rtt: Duration) {
        if let Some(last) = self.last.replace(rtt) {
            let difference = rtt.abs_diff(last).as_secs_f64();
            self.seconds += (difference - self.seconds) / 16.0;
        }
    }

    pub(crate) fn seconds(&self) -> f64 {
        self.seconds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_rfcs_recurrence() {
        let mut jitter = Jitter::default();
        let mut expected = 0.0;
        for (rtt, difference) in [(10, 0.0), (26, 0.016), (10, 0.016), (10, 0.0)] {
            jitter.record(Duration::from_millis(rtt));
            expected += (difference - expected) / 16.0;
            assert!((jitter.seconds() - expected).abs() < 1e-12);
        }
        assert!(jitter.seconds() > 0.0);
    }
}

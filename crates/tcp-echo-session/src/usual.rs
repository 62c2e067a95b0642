//! The usual RTT of a target, and what is slow against it.

use std::time::Duration;

use crate::span::Span;

/// A reply is slow if its RTT is above the usual one by more than the largest of these: 5 ms, half
/// of the usual RTT, and six times its usual deviation.
const MIN_RISE: u32 = 5_000;
const DEVIATIONS: u32 = 6;

/// At first each reply is a sample, and nothing is slow; then every eighth.
const FIRST_SAMPLES: u8 = 16;
const EVERY: u8 = 8;

/// A baseline that follows the RTT slowly.
///
/// A sample moves it by at most an eighth of itself, however large it is, so that single replies that
/// are slow hardly change it. Slow replies are no samples. Of most replies only the comparison with
/// the limit is made.
#[derive(Clone, Debug)]
pub(crate) struct Usual {
    /// In microseconds.
    rtt: u32,
    deviation: u32,
    slow_above: Span,
    samples: u8,
    /// The number of replies to the next sample.
    next: u8,
}

impl Usual {
    pub(crate) fn new() -> Self {
        Self {
            rtt: 0,
            deviation: 0,
            slow_above: Span::new(Duration::MAX),
            samples: 0,
            next: 1,
        }
    }

    #[inline]
    pub(crate) fn is_slow(&self, rtt: Duration) -> bool {
        rtt > self.slow_above.get()
    }

    /// Records the RTT of a reply that is not slow.
    #[inline]
    pub(crate) fn record(&mut self, rtt: Duration) {
        self.next -= 1;
        if self.next == 0 {
            self.sample(micros(rtt));
        }
    }

    #[cold]
    fn sample(&mut self, rtt: u32) {
        if self.samples == 0 {
            self.rtt = rtt;
            self.deviation = rtt / 2;
        }
        let is_known = self.samples >= FIRST_SAMPLES;
        self.samples = self.samples.saturating_add(1);
        self.next = if is_known { EVERY } else { 1 };
        let difference = self.rtt.abs_diff(rtt);
        let step = difference.min(self.rtt / 2 + 50) / if is_known { 4 } else { 2 };
        if rtt > self.rtt {
            self.rtt = self.rtt.saturating_add(step);
        } else {
            self.rtt -= step;
        }
        let most = self.deviation.saturating_mul(4).saturating_add(50);
        let deviation = i64::from(self.deviation);
        let change = (i64::from(difference.min(most)) - deviation) / 8;
        self.deviation = u32::try_from(deviation + change).unwrap_or(u32::MAX);
        if is_known {
            let limit = self.rtt.saturating_add(self.rise());
            self.slow_above = Span::new(Duration::from_micros(limit.into()));
        }
    }

    fn rise(&self) -> u32 {
        let by_deviation = self.deviation.saturating_mul(DEVIATIONS);
        MIN_RISE.max(self.rtt / 2).max(by_deviation)
    }

    /// Whether the RTT is back in the lower half of what is not slow.
    pub(crate) fn is_back(&self, rtt: Duration) -> bool {
        micros(rtt) <= self.rtt.saturating_add(self.rise() / 2)
    }

    /// By how much an RTT is above the usual one.
    pub(crate) fn excess(&self, rtt: Duration) -> Duration {
        Duration::from_micros(micros(rtt).saturating_sub(self.rtt).into())
    }

    /// The usual RTT.
    pub(crate) fn get(&self) -> Duration {
        Duration::from_micros(self.rtt.into())
    }
}

/// Up to 71 minutes.
fn micros(rtt: Duration) -> u32 {
    u32::try_from(rtt.as_micros()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn us(us: u64) -> Duration {
        Duration::from_micros(us)
    }

    fn usual(rtt: impl Fn(u64) -> u64, replies: u64) -> Usual {
        let mut usual = Usual::new();
        for n in 0..replies {
            let rtt = us(rtt(n));
            if !usual.is_slow(rtt) {
                usual.record(rtt);
            }
        }
        usual
    }

    #[test]
    fn nothing_is_slow_before_the_usual_is_known() {
        assert!(!usual(|_| 100, 16).is_slow(us(1_000_000)));
        assert!(usual(|_| 100, 17).is_slow(us(1_000_000)));
    }

    #[test]
    fn the_limit_fits_the_path() {
        let near = usual(|_| 100, 100);
        assert!(!near.is_slow(us(5_050)) && near.is_slow(us(5_300)));
        let far = usual(|_| 100_000, 100);
        assert!(!far.is_slow(us(145_000)) && far.is_slow(us(155_000)));
        // It varies by 10 ms about 30 ms.
        let noisy = usual(|n| 20_000 + n * 7_919 % 20_000, 1_000);
        assert!(!noisy.is_slow(us(45_000)) && noisy.is_slow(us(80_000)));
    }

    #[test]
    fn it_follows_slowly_and_single_replies_do_not_move_it() {
        let steady = usual(|n| if n % 50 == 3 { 400_000 } else { 1_000 }, 5_000);
        assert!((900..1_200).contains(&steady.rtt), "{steady:?}");
        let risen = usual(|n| 10_000 + n.min(2_000) * 5, 4_000);
        assert!((19_000..21_000).contains(&risen.rtt), "{risen:?}");
        // The first reply waited for the address of the peer.
        let first = usual(|n| if n == 0 { 900_000 } else { 500 }, 200);
        assert!((400..700).contains(&first.rtt), "{first:?}");
    }

    #[test]
    fn it_is_back_below_the_limit_by_half() {
        let usual = usual(|_| 100_000, 100);
        assert!(usual.is_back(us(120_000)) && !usual.is_back(us(130_000)));
        assert_eq!(usual.excess(us(130_000)), us(30_000));
        assert_eq!(usual.excess(us(1)), us(0));
        assert_eq!(usual.get(), us(100_000));
    }
}

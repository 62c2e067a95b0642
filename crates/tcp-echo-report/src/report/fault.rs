//! Which direction loses packets, and which part of the round trip delays probes, if one clearly
//! does. `docs/report.md` documents the rules.

use std::time::Duration;

use tcp_echo_prober::{Direction, SegmentCounts};

use super::excess::{Figures, Part};

/// A direction must have lost this many segments more than [`LOSS_FACTOR`] times as many as it
/// would have lost at the ratio of the other. If both lose alike, that is the case in fewer than
/// one of 30 runs.
const MIN_LOST: f64 = 6.0;
const LOSS_FACTOR: f64 = 4.0;

/// With fewer replies a single one would be the p99.
const MIN_REPLIES: u64 = 100;
/// A part must have this much of the delay of all parts.
const DELAY_SHARE: f64 = 2.0 / 3.0;
/// The p99 of the part must be at least this, and this much of the median RTT: less disturbs
/// nobody.
const MIN_DELAY: Duration = Duration::from_millis(1);
const MIN_DELAY_OF_RTT: f64 = 0.1;

/// The part of sent segments that were lost, 0 to 1; 0 if none was sent.
pub(super) fn ratio(segments: SegmentCounts) -> f64 {
    if segments.sent == 0 {
        return 0.0;
    }
    (segments.lost as f64 / segments.sent as f64).min(1.0)
}

/// The direction that loses most packets, by the segments of both.
pub(super) fn direction(forward: SegmentCounts, reverse: SegmentCounts) -> Option<Direction> {
    let exceeds = |one: SegmentCounts, other| {
        let lost = one.lost.min(one.sent) as f64;
        lost >= MIN_LOST + LOSS_FACTOR * ratio(other) * one.sent as f64
    };
    match () {
        () if reverse.sent == 0 => None,
        () if exceeds(forward, reverse) => Some(Direction::Forward),
        () if exceeds(reverse, forward) => Some(Direction::Reverse),
        () => None,
    }
}

/// The part that delays probes most, by the figures of this many replies with this median RTT.
pub(super) fn part(
    figures: &[Figures; Part::ALL.len()],
    replies: u64,
    median: Duration,
) -> Option<Part> {
    if replies < MIN_REPLIES {
        return None;
    }
    let total: Duration = figures.iter().map(|part| part.mean).sum();
    let least = MIN_DELAY.as_secs_f64();
    let least = least.max(MIN_DELAY_OF_RTT * median.as_secs_f64());
    let is_at_fault = |part: &Figures| {
        part.mean.as_secs_f64() >= DELAY_SHARE * total.as_secs_f64()
            && part.p99.as_secs_f64() >= least
    };
    let found = figures.iter().position(is_at_fault)?;
    Part::ALL.get(found).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn segments(sent: u64, lost: u64) -> SegmentCounts {
        SegmentCounts { sent, lost }
    }

    #[test]
    fn a_direction_that_clearly_loses_more_is_named() {
        let (forward, reverse) = (Some(Direction::Forward), Some(Direction::Reverse));
        for (there, back, expected) in [
            ((1000, 0), (1000, 0), None),
            ((1000, 5), (1000, 0), None),
            ((1000, 6), (1000, 0), forward),
            ((1000, 9), (1000, 1), None),
            ((1000, 10), (1000, 1), forward),
            ((1000, 0), (1000, 6), reverse),
            ((1000, 300), (1000, 90), None),
            ((1000, 370), (1000, 90), forward),
            // Of ten times as many segments, ten times as many are lost.
            ((10_000, 60), (1000, 6), None),
            ((10_000, 10), (1000, 10), reverse),
            // Nothing is known of the way back.
            ((1000, 500), (0, 0), None),
            // A peer that lies.
            ((1000, 0), (1, 1_000_000), None),
        ] {
            let counts = |(sent, lost)| segments(sent, lost);
            let named = direction(counts(there), counts(back));
            assert_eq!(named, expected, "{there:?}, {back:?}");
        }
    }

    #[test]
    fn a_part_with_most_of_a_noticeable_delay_is_named() {
        let figures = |micros: [(u64, u64); 4]| {
            micros.map(|(mean, p99)| Figures {
                mean: Duration::from_micros(mean),
                p99: Duration::from_micros(p99),
                max: Duration::from_micros(p99),
            })
        };
        let rtt = Duration::from_millis(1);
        let named = |micros, rtt| part(&figures(micros), 100, rtt);
        let slow = [(100, 100), (20_000, 30_000), (0, 0), (300, 400)];
        assert_eq!(named(slow, rtt), Some(Part::Forward));
        assert_eq!(part(&figures(slow), 99, rtt), None);
        // A few slow replies.
        let spikes = [(10, 20), (10, 20), (500, 40_000), (10, 20)];
        assert_eq!(named(spikes, rtt), Some(Part::Peer));
        // No noticeable delay: by itself, and beside the RTT.
        let noise = [(100, 900), (1, 2), (1, 2), (1, 2)];
        assert_eq!(named(noise, rtt), None);
        assert_eq!(named(slow, Duration::from_millis(400)), None);
        // Two parts alike.
        let both = [(0, 0), (20_000, 30_000), (0, 0), (20_000, 30_000)];
        assert_eq!(named(both, rtt), None);
        assert_eq!(named([(0, 0); 4], Duration::ZERO), None);
    }
}

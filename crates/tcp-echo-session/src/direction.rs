//! Packet loss by direction, by the two kernels' counts of data segments.

use std::time::{Duration, Instant};

use tcp_echo_wire::Segments;

/// A direction of the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the prober to the peer.
    Forward,
    /// From the peer to the prober.
    Reverse,
}

impl Direction {
    /// Both directions, in the order of their discriminants.
    pub const ALL: [Self; 2] = [Self::Forward, Self::Reverse];

    /// The name in metrics and documents.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Reverse => "reverse",
        }
    }
}

/// Data segments of one direction, over all connections of a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SegmentCounts {
    /// Segments sent, with retransmissions.
    pub sent: u64,
    /// Segments lost on the way, by the knowledge of the kernel that sent them.
    pub lost: u64,
}

/// The packet loss ratio is that of the last minute, in steps of this length.
const STEP: Duration = Duration::from_secs(10);
const STEPS: usize = 6;

/// The segments of both directions.
#[derive(Clone, Debug)]
pub(crate) struct Directions {
    counts: [SegmentCounts; 2],
    /// The counts of the current connection, as last read.
    link: [Segments; 2],
    recent: [[Segments; STEPS]; 2],
    /// When the current step, the first one, began.
    step: Instant,
}

impl Directions {
    pub(crate) fn new(at: Instant) -> Self {
        Self {
            counts: Default::default(),
            link: Default::default(),
            recent: Default::default(),
            step: at,
        }
    }

    /// The next counts are those of another connection.
    pub(crate) fn on_connected(&mut self) {
        self.link = Default::default();
    }

    /// Adds what the connection has sent and lost since the last reading. Counts that fall
    /// are ignored: a loss that turns out to be none, or a peer that lies.
    pub(crate) fn record(&mut self, at: Instant, direction: Direction, now: Segments) {
        let passed = at.saturating_duration_since(self.step);
        let steps = passed.as_nanos() / STEP.as_nanos();
        let steps = usize::try_from(steps).map_or(STEPS, |steps| steps.min(STEPS));
        if steps > 0 {
            for recent in &mut self.recent {
                recent.rotate_right(steps);
                recent[..steps].fill(Segments::default());
            }
            self.step = at;
        }
        let Segments { sent, lost } = self.link[direction as usize].advance(now);
        let counts = &mut self.counts[direction as usize];
        counts.sent += u64::from(sent);
        counts.lost += u64::from(lost);
        let [current, ..] = &mut self.recent[direction as usize];
        current.sent = current.sent.saturating_add(sent);
        current.lost = current.lost.saturating_add(lost);
    }

    pub(crate) const fn counts(&self, direction: Direction) -> SegmentCounts {
        self.counts[direction as usize]
    }

    /// The counts of the last minute.
    pub(crate) fn recent(&self, direction: Direction) -> SegmentCounts {
        let recent = &self.recent[direction as usize];
        let sum = |of: fn(&Segments) -> u32| recent.iter().map(|s| u64::from(of(s))).sum();
        SegmentCounts {
            sent: sum(|segments| segments.sent),
            lost: sum(|segments| segments.lost),
        }
    }

    /// Lost of sent over the last minute; 0 if nothing was sent.
    pub(crate) fn loss_ratio(&self, direction: Direction) -> f64 {
        let SegmentCounts { sent, lost } = self.recent(direction);
        if sent > 0 {
            (lost as f64 / sent as f64).min(1.0)
        } else {
            0.0
        }
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test needs some first moment")]
mod tests {
    use super::*;

    const fn segments(sent: u32, lost: u32) -> Segments {
        Segments { sent, lost }
    }

    fn second(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn counts_go_on_over_connections_and_wraps() {
        let start = Instant::now();
        let mut directions = Directions::new(start);
        directions.record(start, Direction::Reverse, segments(1 << 30, 7));
        directions.record(start, Direction::Reverse, segments(2 << 30, 7));
        directions.record(start, Direction::Reverse, segments(3 << 30, 7));
        directions.record(start, Direction::Reverse, segments(u32::MAX, 7));
        directions.record(start, Direction::Reverse, segments(9, 8));
        // A loss that was none after all.
        directions.record(start, Direction::Reverse, segments(10, 6));
        let before = SegmentCounts {
            sent: u64::from(u32::MAX) + 11,
            lost: 8,
        };
        assert_eq!(directions.counts(Direction::Reverse), before);
        directions.on_connected();
        directions.record(start, Direction::Reverse, segments(5, 1));
        let after = directions.counts(Direction::Reverse);
        assert_eq!((after.sent, after.lost), (before.sent + 5, 9));
        assert_eq!(
            directions.counts(Direction::Forward),
            SegmentCounts::default()
        );
    }

    #[test]
    fn the_ratio_is_that_of_the_last_minute() {
        let start = Instant::now();
        let mut directions = Directions::new(start);
        let mut ratio = |seconds, sent, lost| {
            directions.record(
                second(start, seconds),
                Direction::Forward,
                segments(sent, lost),
            );
            directions.loss_ratio(Direction::Forward)
        };
        let near = |ratio: f64, expected: f64| assert!((ratio - expected).abs() < 1e-9, "{ratio}");
        near(ratio(0, 0, 0), 0.0);
        near(ratio(1, 100, 10), 0.1);
        near(ratio(9, 200, 10), 0.05);
        near(ratio(30, 300, 10), 10.0 / 300.0);
        // The first step has left the window; 200 segments since.
        near(ratio(65, 400, 14), 4.0 / 200.0);
        near(ratio(500, 401, 14), 0.0);
    }

    #[test]
    fn a_peer_that_lies_is_bounded() {
        let start = Instant::now();
        let mut directions = Directions::new(start);
        directions.record(start, Direction::Reverse, segments(1, u32::MAX / 2));
        assert!(directions.loss_ratio(Direction::Reverse) <= 1.0);
    }
}

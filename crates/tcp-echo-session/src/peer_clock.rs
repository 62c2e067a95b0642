//! The peer's clock, as seen from here.

use std::collections::VecDeque;

use tcp_echo_wire::PeerStamp;

/// The offset of the peer's clock, plus the minimum delay of the way there: two numbers that
/// nothing tells apart. All times are in nanoseconds.
///
/// A probe that leaves at *s* by our clock and arrives at *r* by the peer's has the difference
/// *r − s*, which is never below the offset. If its whole round trip, without the time at the
/// peer, is *x* above the minimum, the way there was at most *x* above its own, so the offset is
/// in [*r − s − x*, *r − s*]. The estimate follows the rate of the last minute, and moves only as far
/// as such an interval requires. So a delay in one direction does not move it: the samples of that
/// time still bound it from the other side.
#[derive(Clone, Debug)]
pub(crate) struct PeerClock {
    offset: i64,
    /// When the offset was that.
    at: i64,
    /// By how many nanoseconds the offset grows in one.
    rate: f64,
    first: i64,
    /// When the current block of samples began.
    block: i64,
    /// The sample of the current block whose interval is the narrowest.
    narrowest: Option<Anchor>,
    /// Those of the blocks before, the oldest first.
    anchors: VecDeque<Anchor>,
}

/// A sample by which the rate is measured.
#[derive(Clone, Copy, Debug)]
struct Anchor {
    at: i64,
    difference: i64,
    /// The round trip without the time at the peer.
    net: i64,
}

/// A difference of clocks that grows faster was set, and is none of rates: clocks are slewed by
/// at most 500 parts in a million.
const MAX_RATE: f64 = 1e-3;

const MAX_ANCHORS: usize = 8;

/// A block is an eighth of the time since the first sample, within these bounds. So the rate is known
/// soon, and later over a minute.
const MIN_BLOCK: i64 = 500_000_000;
const MAX_BLOCK: i64 = 8_000_000_000;

const MODULUS: i64 = 1 << 40;
const _: () = assert!(PeerStamp::MODULUS == MODULUS.cast_unsigned());

impl PeerClock {
    /// Begins with the first sample.
    pub(crate) fn new(at: i64, difference: i64) -> Self {
        Self {
            offset: difference,
            at,
            rate: 0.0,
            first: at,
            block: at,
            narrowest: None,
            anchors: VecDeque::new(),
        }
    }

    /// Returns by how much the way there was above its minimum, in 0 to `excess`.
    ///
    /// `difference` is the peer's receive time less our send time, modulo [`PeerStamp::MODULUS`].
    /// `net` is the round trip without the time at the peer, at `at`, and `min_net` its minimum.
    pub(crate) fn way_there(&mut self, at: i64, difference: i64, net: i64, min_net: i64) -> i64 {
        let predicted = self.predict(at);
        let above = self.above(at, difference);
        let difference = predicted.wrapping_add(above);
        let forward = above.clamp(0, (net - min_net).max(0));
        self.offset = difference.wrapping_sub(forward);
        self.at = at;
        self.measure_rate(
            Anchor {
                at,
                difference,
                net,
            },
            min_net,
        );
        forward
    }

    /// By how much a difference at `at` is above the offset.
    pub(crate) fn above(&self, at: i64, difference: i64) -> i64 {
        difference
            .wrapping_sub(self.predict(at))
            .wrapping_add(MODULUS / 2)
            .rem_euclid(MODULUS)
            - MODULUS / 2
    }

    #[expect(clippy::cast_possible_truncation, reason = "a rounded product")]
    fn predict(&self, at: i64) -> i64 {
        let grown = at.saturating_sub(self.at) as f64 * self.rate;
        self.offset.wrapping_add(grown as i64)
    }

    fn measure_rate(&mut self, sample: Anchor, min_net: i64) {
        if self
            .narrowest
            .is_none_or(|narrowest| sample.net < narrowest.net)
        {
            self.narrowest = Some(sample);
        }
        let length = ((sample.at - self.first) / 8).clamp(MIN_BLOCK, MAX_BLOCK);
        if sample.at - self.block < length {
            return;
        }
        self.block = sample.at;
        let Some(newest) = self.narrowest.take() else {
            return;
        };
        self.rate_since(newest, min_net);
        if self.anchors.len() == MAX_ANCHORS {
            self.anchors.pop_front();
        }
        self.anchors.push_back(newest);
    }

    /// Moves the rate as far as `newest` and the anchors before require. Anchors that contradict
    /// later ones are of another time: the clock was set, or its rate was.
    fn rate_since(&mut self, newest: Anchor, min_net: i64) {
        let bounds = |anchor: Anchor| {
            let excess = (anchor.net - min_net).max(0);
            (anchor.difference.wrapping_sub(excess), anchor.difference)
        };
        let (low, high) = bounds(newest);
        let (mut slowest, mut fastest) = (-MAX_RATE, MAX_RATE);
        for (index, anchor) in self.anchors.iter().enumerate().rev() {
            let span = (newest.at - anchor.at) as f64;
            let (from_low, from_high) = bounds(*anchor);
            let slow = slowest.max(low.wrapping_sub(from_high) as f64 / span);
            let fast = fastest.min(high.wrapping_sub(from_low) as f64 / span);
            if slow > fast {
                self.anchors.drain(..=index);
                break;
            }
            (slowest, fastest) = (slow, fast);
        }
        self.rate = self.rate.clamp(slowest, fastest);
    }
}

//! The layout of a target's numbers in one array of words.

use std::{
    net::{Ipv6Addr, SocketAddr, SocketAddrV6},
    ops::Range,
};

use tcp_echo_prober::{ConnectFailure, DisconnectReason, UnsentReason};

use super::{buckets::Buckets, native, rtt_window, seqlock::Change, series_set::SeriesSet};

/// A number that every target has once. Durations are in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cell {
    Sent,
    Received,
    Timeouts,
    InFlight,
    Late,
    Unexpected,
    Connects,
    Connected,
    LastRtt,
    /// The loss window: lost outcomes in the upper half, all outcomes in the lower.
    Window,
    /// The number of lost outcomes that are slots missed by this host.
    Missed,
    /// The bits of an `f64`, in seconds.
    Jitter,
    Srtt,
    Rttvar,
    MinRtt,
    Retransmits,
    /// The peer's address as IPv6, in two halves.
    PeerHigh,
    PeerLow,
    /// The rest of the peer's address: port, family and scope. See [`set_peer`].
    Peer,
}

/// The indices of the first count of each kind with reasons.
pub(crate) const UNSENT: usize = Cell::Peer as usize + 1;
pub(crate) const UNSENT_RESOURCES: usize = UNSENT + UnsentReason::Resources as usize;
pub(crate) const CONNECT_FAILURES: usize = UNSENT + UnsentReason::ALL.len();
pub(crate) const DISCONNECTS: usize = CONNECT_FAILURES + ConnectFailure::ALL.len();
const HISTOGRAMS: usize = DISCONNECTS + DisconnectReason::ALL.len();

/// The classic histograms that every target has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Histogram {
    Rtt,
    ConnectDuration,
    SendLateness,
    HostDelay,
}

/// The position of one histogram: its sum in nanoseconds, then the count of each bucket.
#[derive(Debug)]
pub(crate) struct HistogramSlot {
    start: usize,
    pub(crate) buckets: Buckets,
}

impl HistogramSlot {
    /// Observes a duration.
    #[inline]
    pub(crate) fn observe(&self, change: &Change<'_>, nanos: u64) {
        change.add(self.start, nanos);
        change.add(self.start + 1 + self.buckets.index(nanos), 1);
    }

    /// Returns the sum and the count of each bucket.
    pub(crate) fn of<'w>(&self, words: &'w [u64]) -> (u64, &'w [u64]) {
        let end = self.start + 1 + self.buckets.len();
        (words[self.start], &words[self.start + 1..end])
    }
}

/// The positions of all histograms. They are the same for all targets; only the length of the
/// native histogram at the end differs.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) series: SeriesSet,
    /// The RTTs in the loss window, if quantiles of them are exported; else empty.
    pub(crate) rtt_window: Range<usize>,
    slots: [HistogramSlot; 4],
    native: usize,
}

impl Layout {
    pub(crate) fn new(rtt: Buckets, series: SeriesSet) -> Self {
        let has_window = series == SeriesSet::Minimal;
        let window_words = if has_window { rtt_window::WORDS } else { 0 };
        let rtt_window = HISTOGRAMS..HISTOGRAMS + window_words;
        let mut end = rtt_window.end;
        let mut slot = |buckets: Buckets| {
            let start = end;
            end += 1 + buckets.len();
            HistogramSlot { start, buckets }
        };
        // Eight bounds each, with a factor of four: 100 µs to 1.6 s for handshakes.
        let slots = [
            slot(rtt),
            slot(Buckets::exponential(100_000, 4, 8)),
            slot(send_lateness_buckets()),
            slot(host_delay_buckets()),
        ];
        Self {
            series,
            rtt_window,
            slots,
            native: end,
        }
    }

    #[inline]
    pub(crate) fn slot(&self, histogram: Histogram) -> &HistogramSlot {
        &self.slots[histogram as usize]
    }

    /// Returns the index of the native histogram, which is the number of words before it.
    pub(crate) fn native(&self) -> usize {
        self.native
    }

    /// Observes an RTT in the native histogram. An RTT beyond the last bucket, which a session
    /// never reports, is counted in that.
    #[inline]
    pub(crate) fn observe_native(&self, change: &Change<'_>, len: usize, seconds: f64) {
        let index = self.native + native::bucket(seconds);
        change.add(index.min(len - 1), 1);
    }
}

/// 4 µs to 66 ms.
pub(crate) fn send_lateness_buckets() -> Buckets {
    Buckets::exponential(4_000, 4, 8)
}

/// 1 µs to 16 ms.
pub(crate) fn host_delay_buckets() -> Buckets {
    Buckets::exponential(1_000, 4, 8)
}

const IS_V4: u64 = 1 << 16;
const IS_V6: u64 = 1 << 17;

/// Stores the peer's address.
pub(crate) fn set_peer(change: &Change<'_>, address: SocketAddr) {
    let (ip, rest) = match address {
        SocketAddr::V4(v4) => (v4.ip().to_ipv6_mapped(), IS_V4),
        SocketAddr::V6(v6) => (*v6.ip(), IS_V6 | u64::from(v6.scope_id()) << 32),
    };
    let [high, low] = halves(ip);
    change.set(Cell::PeerHigh as usize, high);
    change.set(Cell::PeerLow as usize, low);
    change.set(Cell::Peer as usize, rest | u64::from(address.port()));
}

/// Returns the peer's address, or `None` before the first connection.
pub(crate) fn peer(words: &[u64]) -> Option<SocketAddr> {
    let rest = words[Cell::Peer as usize];
    let high = u128::from(words[Cell::PeerHigh as usize]);
    let ip = Ipv6Addr::from_bits(high << 64 | u128::from(words[Cell::PeerLow as usize]));
    #[expect(clippy::cast_possible_truncation, reason = "the fields are cut out")]
    let (port, scope) = (rest as u16, (rest >> 32) as u32);
    if rest & IS_V4 != 0 {
        Some((ip.to_ipv4_mapped()?, port).into())
    } else if rest & IS_V6 != 0 {
        Some(SocketAddrV6::new(ip, port, 0, scope).into())
    } else {
        None
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the halves are cut out")]
fn halves(ip: Ipv6Addr) -> [u64; 2] {
    let bits = ip.to_bits();
    [(bits >> 64) as u64, bits as u64]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::seqlock::SeqLock;

    #[test]
    fn a_peer_address_round_trips() {
        let (mut writer, seqlock) = SeqLock::new(HISTOGRAMS);
        let read = || {
            let mut words = Vec::new();
            seqlock.read(HISTOGRAMS, &mut words);
            peer(&words)
        };
        assert_eq!(read(), None);
        for address in [
            "192.0.2.1:4000",
            "[2001:db8::1]:65535",
            "[::ffff:192.0.2.1]:1",
            "[fe80::1%7]:4000",
            "0.0.0.0:1",
        ] {
            let address: SocketAddr = address.parse().unwrap();
            set_peer(&writer.change(), address);
            assert_eq!(read(), Some(address));
        }
    }

    #[test]
    fn histograms_do_not_overlap() {
        for series in [SeriesSet::All, SeriesSet::Minimal] {
            let layout = Layout::new(Buckets::default(), series);
            assert_eq!(layout.rtt_window.start, HISTOGRAMS);
            let mut next = layout.rtt_window.end;
            for slot in &layout.slots {
                assert_eq!(slot.start, next);
                next += 1 + slot.buckets.len();
            }
            assert_eq!(layout.native(), next);
        }
    }
}

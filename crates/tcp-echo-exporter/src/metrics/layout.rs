//! The layout of a target's numbers.
//!
//! The sequence lock has the cells, the RTTs in the loss window and the sums of the classic
//! histograms as words, and the counts of all buckets in a compact form ([`Counts`]). A snapshot has
//! the cells and the RTTs, then the sum and the counts of each classic histogram in a word each, and
//! then those counts of the native histogram that are not 0.
//!
//! Each flow of a target has a sequence lock of its own. A snapshot of a target with several flows
//! has what [`Merge`] makes of their words.

use std::{
    net::{Ipv6Addr, SocketAddr, SocketAddrV6},
    ops::Range,
    time::Duration,
};

use tcp_echo_prober::{
    ConnectFailure, Direction, DisconnectReason, Excess, SegmentCounts, Session, UnsentReason,
};

use super::{
    buckets::Buckets,
    counts::{self, Counts},
    flows::Flows,
    merge::Merge,
    native, rtt_window,
    seqlock::{Change, SeqLock},
    series_set::SeriesSet,
};

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
    /// Whether the peer has said that it stops, and is not back.
    Departed,
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
    SoftErrors,
    /// Whether the peer of the present or last connection has answered the hello.
    Greeted,
    /// The number of replies whose round trip was split into its parts.
    Excesses,
    /// 0 without an adaptive timeout.
    EstimatedTimeout,
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
/// The indices of the first number of each kind with directions.
pub(crate) const SEGMENTS_SENT: usize = DISCONNECTS + DisconnectReason::ALL.len();
pub(crate) const SEGMENTS_LOST: usize = SEGMENTS_SENT + Direction::ALL.len();
/// Of the last minute: lost segments in the upper half, sent ones in the lower.
pub(crate) const PACKET_LOSS: usize = SEGMENTS_LOST + Direction::ALL.len();
/// The index of the first sum of the excess of each of [`PARTS`], in nanoseconds.
pub(crate) const EXCESS: usize = PACKET_LOSS + Direction::ALL.len();
const HISTOGRAMS: usize = EXCESS + PARTS.len();

/// The parts of a round trip.
pub(crate) const PARTS: [&str; 4] = ["prober", "forward", "peer", "reverse"];

/// The classic histograms that every target has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Histogram {
    Rtt,
    ConnectDuration,
    SendLateness,
    HostDelay,
}

impl Histogram {
    const NUMBER: usize = 4;
}

/// The positions of one classic histogram.
#[derive(Debug)]
pub(crate) struct HistogramSlot {
    /// The index of its sum, in nanoseconds.
    sum: usize,
    /// The number of its first bucket among those of all histograms.
    first: usize,
    /// The index of its sum in a snapshot; the count of each bucket follows.
    start: usize,
    /// The index of the number of observations, if the first bucket has none of its own: it has what
    /// is left.
    count: Option<usize>,
    pub(crate) buckets: Buckets,
}

impl HistogramSlot {
    /// Observes a duration.
    #[inline]
    pub(crate) fn observe(&self, change: &Change<'_>, counts: Counts, nanos: u64) {
        change.add(self.sum, nanos);
        counts.add(change, self.first + self.buckets.index(nanos));
    }

    /// Returns the sum and the count of each bucket, given the words of a snapshot.
    pub(crate) fn of<'w>(&self, words: &'w [u64]) -> (u64, &'w [u64]) {
        let end = self.start + 1 + self.buckets.len();
        (words[self.start], &words[self.start + 1..end])
    }
}

/// The positions of all histograms. They are the same for all targets; only the number of buckets
/// of the native histogram, whose counts come last, differs.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) series: SeriesSet,
    /// The RTTs in the loss window, if quantiles of them are exported; else empty.
    pub(crate) rtt_window: Range<usize>,
    /// The classic histograms that are exported; the others are not kept.
    slots: [Option<HistogramSlot>; Histogram::NUMBER],
    /// Those of the excess of each of [`PARTS`], if they are exported. Their sums, and the number of
    /// replies, are kept in any case.
    excess: Option<[HistogramSlot; PARTS.len()]>,
    /// The number of words: cells, RTTs in the loss window, and a sum for each other histogram.
    words: usize,
    /// The number of the native histogram's first bucket among those of all histograms.
    first_native: usize,
    /// The number of words of a snapshot before the native histogram.
    before_native: usize,
}

impl Layout {
    pub(crate) fn new(rtt: Buckets, series: SeriesSet) -> Self {
        let has_window = series == SeriesSet::Minimal;
        let window_words = if has_window { rtt_window::WORDS } else { 0 };
        let rtt_window = HISTOGRAMS..HISTOGRAMS + window_words;
        let (mut sum, mut first, mut start) = (rtt_window.end, 0, rtt_window.end);
        let mut slot = |buckets: Buckets| {
            let slot = HistogramSlot {
                sum,
                first,
                start,
                count: None,
                buckets,
            };
            sum += 1;
            first += slot.buckets.len();
            start += 1 + slot.buckets.len();
            slot
        };
        // Eight bounds each, with a factor of four: 100 µs to 1.6 s for handshakes.
        let slots = match series {
            SeriesSet::All => [
                Some(slot(rtt)),
                Some(slot(Buckets::exponential(100_000, 4, 8))),
                Some(slot(send_lateness_buckets())),
                Some(slot(host_delay_buckets())),
            ],
            SeriesSet::Standard => [Some(slot(rtt)), None, None, None],
            // Its sum and its count.
            SeriesSet::Minimal => [Some(slot(Buckets::unbounded())), None, None, None],
        };
        let excess = (series == SeriesSet::All).then(|| {
            let buckets = excess_buckets();
            [0, 1, 2, 3].map(|part| {
                let slot = HistogramSlot {
                    sum: EXCESS + part,
                    first,
                    start,
                    count: Some(Cell::Excesses as usize),
                    buckets: buckets.clone(),
                };
                first += buckets.len() - 1;
                start += 1 + buckets.len();
                slot
            })
        });
        Self {
            series,
            rtt_window,
            slots,
            excess,
            words: sum,
            first_native: first,
            before_native: start,
        }
    }

    #[inline]
    pub(crate) fn slot(&self, histogram: Histogram) -> Option<&HistogramSlot> {
        self.slots[histogram as usize].as_ref()
    }

    /// Returns the histograms of the excess of [`PARTS`], if they are exported.
    pub(crate) const fn excess(&self) -> Option<&[HistogramSlot; PARTS.len()]> {
        self.excess.as_ref()
    }

    fn slots(&self) -> impl Iterator<Item = &HistogramSlot> {
        let others = self.slots.iter().flatten();
        others.chain(self.excess.iter().flatten())
    }

    /// Observes the parts of a round trip. Most are short, so the first buckets are not counted.
    #[inline]
    pub(crate) fn observe_excess(&self, change: &Change<'_>, counts: Counts, excess: &Excess) {
        let parts = [excess.prober, excess.forward, excess.peer, excess.reverse].map(nanos);
        change.add(Cell::Excesses as usize, 1);
        for (part, nanos) in parts.into_iter().enumerate() {
            change.add(EXCESS + part, nanos);
        }
        if parts.iter().all(|nanos| *nanos <= LEAST_EXCESS) {
            return;
        }
        for (slot, nanos) in self.excess.iter().flatten().zip(parts) {
            if let Some(above) = slot.buckets.index(nanos).checked_sub(1) {
                counts.add(change, slot.first + above);
            }
        }
    }

    /// Returns the counts of a target whose RTTs are at most `max_rtt`.
    pub(crate) fn counts(&self, max_rtt: Duration) -> Counts {
        Counts::new(self.first_native + native::len(max_rtt))
    }

    /// Returns the number of words.
    pub(crate) const fn words(&self) -> usize {
        self.words
    }

    /// Returns the number of words of a snapshot before the native histogram.
    pub(crate) const fn native(&self) -> usize {
        self.before_native
    }

    /// Observes an RTT in the native histogram. An RTT beyond the last bucket, which a session
    /// never reports, is counted in that.
    #[inline]
    pub(crate) fn observe_native(&self, change: &Change<'_>, counts: Counts, seconds: f64) {
        let bucket = self.first_native + native::bucket(seconds);
        counts.add(change, bucket.min(counts.len() - 1));
    }

    /// Appends the words of a snapshot to `words`, with the native histogram or without.
    pub(crate) fn expand(&self, read: &Scratch, native: bool, words: &mut Vec<u64>) {
        words.extend(read.words.iter().take(self.rtt_window.end));
        let (classic, counts) = read.counts.split_at(self.first_native);
        for slot in self.slots() {
            words.push(read.words[slot.sum]);
            let stored = slot.buckets.len() - usize::from(slot.count.is_some());
            let counts = classic.iter().skip(slot.first).take(stored);
            if let Some(count) = slot.count {
                let others: u64 = counts.clone().sum();
                words.push(read.words[count].wrapping_sub(others));
            }
            words.extend(counts);
        }
        if native {
            let counts = counts.iter().enumerate().filter(|(_, count)| **count > 0);
            words.extend(counts.map(|(bucket, count)| counts::entry(bucket, *count)));
        }
    }
}

/// One target's words as they were read, and the counts in them, before they are a snapshot.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    words: Vec<u64>,
    bytes: Vec<u8>,
    counts: Vec<u64>,
    /// Another flow of the target.
    other: Option<Box<Self>>,
}

impl Scratch {
    /// Returns the number of buckets that were read.
    pub(crate) fn buckets(&self) -> usize {
        self.counts.len()
    }

    /// Reads a target. Each of its flows is read consistently, so what holds for the counts of
    /// each flow holds for their sums.
    pub(crate) fn read(&mut self, flows: &Flows, layout: &Layout) {
        let [first, others @ ..] = flows.all() else {
            return;
        };
        self.read_flow(first, layout);
        if others.is_empty() {
            return;
        }
        self.words.truncate(layout.words());
        let mut merge = Merge::default();
        merge.add(&self.words);
        let mut other = self.other.take().unwrap_or_default();
        for flow in others {
            other.read_flow(flow, layout);
            merge.add(&other.words);
            add(&mut self.words, &other.words);
            add(&mut self.counts, &other.counts);
        }
        self.other = Some(other);
        merge.finish(&mut self.words);
    }

    fn read_flow(&mut self, seqlock: &SeqLock, layout: &Layout) {
        seqlock.read(&mut self.words, &mut self.bytes);
        let carries = self.words.get(layout.words()..).unwrap_or_default();
        counts::read(&self.bytes, carries, &mut self.counts);
    }
}

fn add(sums: &mut [u64], numbers: &[u64]) {
    for (sum, number) in sums.iter_mut().zip(numbers) {
        *sum = sum.wrapping_add(*number);
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

/// The bound of the first bucket of [`excess_buckets`]: 1 ms.
const LEAST_EXCESS: u64 = 1_000_000;

/// 1 ms to 1 s.
fn excess_buckets() -> Buckets {
    Buckets::exponential(LEAST_EXCESS, 10, 4)
}

#[inline]
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Packs two counts into a word, each up to 2^32 − 1.
pub(crate) fn pack(upper: u64, lower: u64) -> u64 {
    let max = u64::from(u32::MAX);
    upper.min(max) << 32 | lower.min(max)
}

/// Returns the upper and the lower count of a word.
pub(crate) fn unpack(word: u64) -> (u64, u64) {
    (word >> 32, word & u64::from(u32::MAX))
}

/// Stores the segments and the packet loss of both directions.
pub(crate) fn set_directions(change: &Change<'_>, session: &Session) {
    for direction in Direction::ALL {
        let SegmentCounts { sent, lost } = session.segments(direction);
        change.set(SEGMENTS_SENT + direction as usize, sent);
        change.set(SEGMENTS_LOST + direction as usize, lost);
        let recent = session.recent_segments(direction);
        let packed = pack(recent.lost, recent.sent);
        change.set(PACKET_LOSS + direction as usize, packed);
    }
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

    #[test]
    fn a_peer_address_round_trips() {
        let (mut writer, seqlock) = SeqLock::new(HISTOGRAMS, 0);
        let read = || {
            let mut words = Vec::new();
            seqlock.read(&mut words, &mut Vec::new());
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
        for series in [SeriesSet::All, SeriesSet::Standard, SeriesSet::Minimal] {
            check_histograms(&Layout::new(Buckets::default(), series));
        }
    }

    fn check_histograms(layout: &Layout) {
        assert_eq!(layout.rtt_window.start, HISTOGRAMS);
        let counts = layout.counts(Duration::from_millis(800));
        let (mut writer, seqlock) = SeqLock::new(layout.words(), counts.len());
        // Each number is another one.
        let mut next = 0;
        for slot in layout.slots.iter().flatten() {
            assert!(slot.count.is_none());
            let change = writer.change();
            for bucket in 0..slot.buckets.len() {
                next += 1;
                change.add(slot.sum, next);
                for _ in 0..next {
                    counts.add(&change, slot.first + bucket);
                }
            }
        }
        layout.observe_native(&writer.change(), counts, 0.0);
        for _ in 0..300 {
            layout.observe_native(&writer.change(), counts, 0.001);
        }
        layout.observe_native(&writer.change(), counts, 1e6);
        let excess = |[prober, forward, peer, reverse]: [u64; 4]| Excess {
            prober: Duration::from_micros(prober),
            forward: Duration::from_micros(forward),
            peer: Duration::from_micros(peer),
            reverse: Duration::from_micros(reverse),
        };
        for _ in 0..300 {
            let change = writer.change();
            layout.observe_excess(&change, counts, &excess([1000, 1, 0, 999]));
            layout.observe_excess(&change, counts, &excess([1001, 10_000, 2_000_000, 0]));
        }
        let mut read = Scratch::default();
        read.read_flow(&seqlock, layout);
        let mut words = vec![7];
        layout.expand(&read, true, &mut words);
        let words = &words[1..];
        let mut next = 0;
        for slot in layout.slots.iter().flatten() {
            let (sum, buckets) = slot.of(words);
            let expected: Vec<u64> = (0..slot.buckets.len())
                .map(|_| {
                    next += 1;
                    next
                })
                .collect();
            assert_eq!((sum, buckets), (expected.iter().sum(), &*expected));
        }
        assert_eq!(words[Cell::Excesses as usize], 600);
        let sums = [300 * 2001, 300 * 10_001, 300 * 2_000_000, 300 * 999];
        assert_eq!(words[EXCESS..EXCESS + 4], sums.map(|micros| micros * 1000));
        if let Some(slots) = layout.excess() {
            let read = slots.each_ref().map(|slot| slot.of(words));
            let expected: [&[u64]; 4] = [
                &[300, 300, 0, 0, 0],
                &[300, 300, 0, 0, 0],
                &[300, 0, 0, 0, 300],
                &[600, 0, 0, 0, 0],
            ];
            assert_eq!(read.map(|(_, counts)| counts), expected);
            assert_eq!(read.map(|(sum, _)| sum), sums.map(|micros| micros * 1000));
        }
        let native: Vec<_> = words[layout.native()..]
            .iter()
            .map(|entry| counts::bucket_and_count(*entry))
            .collect();
        let last = native::len(Duration::from_millis(800)) - 1;
        assert_eq!(native, [(0, 1), (native::bucket(0.001), 300), (last, 1)]);
        let mut without = Vec::new();
        layout.expand(&read, false, &mut without);
        assert_eq!(without, words[..layout.native()]);
    }
}

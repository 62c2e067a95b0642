//! One number of the numbers of several flows.
//!
//! Counts are summed, and so are probes in flight, sums of histograms and the counts of quantiles.
//! The rest is:
//!
//! | cell | of a target with several flows |
//! |---|---|
//! | `Connected`, `Departed`, `Greeted` | 1 if it is 1 for any flow |
//! | `Window`, packet loss | each of both counts is a sum, so that the ratio is that of all flows |
//! | `LastRtt` | the longest: no flow hides another one |
//! | `Jitter` | the mean |
//! | `Srtt`, `Rttvar` | the mean of those that are known |
//! | `MinRtt` | the shortest that is known |
//! | `EstimatedTimeout` | the longest |
//! | `Peer` | that of the first flow that has one |
//!
//! From `LastRtt` on they are those of the connected flows, or of all flows if none is connected: a
//! flow without a connection keeps its last number, which would hide those of now.

use tcp_echo_prober::Direction;

use super::layout::{self, Cell, pack, unpack};

/// What is not a plain sum, for the flows that were added.
#[derive(Debug, Default)]
pub(crate) struct Merge {
    connected: Gauges,
    disconnected: Gauges,
    departed: u64,
    greeted: u64,
    /// The loss window, and the packet loss of each direction.
    pairs: [(u64, u64); 1 + Direction::ALL.len()],
}

/// The gauges of some flows.
#[derive(Debug, Default)]
struct Gauges {
    flows: u32,
    last_rtt: u64,
    jitter: f64,
    srtt: Mean,
    rttvar: Mean,
    min_rtt: Option<u64>,
    timeout: u64,
    peer: Option<[u64; PEER.len()]>,
}

/// A mean of the numbers above 0.
#[derive(Debug, Default)]
struct Mean {
    sum: u64,
    len: u64,
}

/// The cells of the peer's address. The last one is 0 if there is none.
const PEER: [usize; 3] = [
    Cell::PeerHigh as usize,
    Cell::PeerLow as usize,
    Cell::Peer as usize,
];

const PAIRS: [usize; 1 + Direction::ALL.len()] = [
    Cell::Window as usize,
    layout::PACKET_LOSS,
    layout::PACKET_LOSS + 1,
];

impl Merge {
    /// Adds the words of a flow.
    pub(crate) fn add(&mut self, words: &[u64]) {
        let is_connected = words[Cell::Connected as usize] > 0;
        let gauges = if is_connected {
            &mut self.connected
        } else {
            &mut self.disconnected
        };
        gauges.add(words);
        self.departed |= words[Cell::Departed as usize];
        self.greeted |= words[Cell::Greeted as usize];
        for ((upper, lower), index) in self.pairs.iter_mut().zip(PAIRS) {
            let (own_upper, own_lower) = unpack(words[index]);
            *upper += own_upper;
            *lower += own_lower;
        }
    }

    /// Completes the sums of the words of all flows that were added.
    pub(crate) fn finish(self, sums: &mut [u64]) {
        sums[Cell::Connected as usize] = u64::from(self.connected.flows > 0);
        sums[Cell::Departed as usize] = self.departed;
        sums[Cell::Greeted as usize] = self.greeted;
        for ((upper, lower), index) in self.pairs.into_iter().zip(PAIRS) {
            sums[index] = pack(upper, lower);
        }
        if self.connected.flows > 0 {
            self.connected.write(sums);
        } else {
            self.disconnected.write(sums);
        }
    }
}

impl Gauges {
    fn add(&mut self, words: &[u64]) {
        let get = |cell: Cell| words[cell as usize];
        self.flows += 1;
        self.last_rtt = self.last_rtt.max(get(Cell::LastRtt));
        self.jitter += f64::from_bits(get(Cell::Jitter));
        self.srtt.add(get(Cell::Srtt));
        self.rttvar.add(get(Cell::Rttvar));
        let min_rtt = Some(get(Cell::MinRtt)).filter(|min| *min > 0);
        self.min_rtt = self.min_rtt.into_iter().chain(min_rtt).min();
        self.timeout = self.timeout.max(get(Cell::EstimatedTimeout));
        let has_peer = self.peer.is_none() && get(Cell::Peer) > 0;
        if has_peer {
            self.peer = Some(PEER.map(|index| words[index]));
        }
    }

    fn write(self, sums: &mut [u64]) {
        let mut set = |cell: Cell, value: u64| sums[cell as usize] = value;
        set(Cell::LastRtt, self.last_rtt);
        let jitter = self.jitter / f64::from(self.flows.max(1));
        set(Cell::Jitter, jitter.to_bits());
        set(Cell::Srtt, self.srtt.mean());
        set(Cell::Rttvar, self.rttvar.mean());
        set(Cell::MinRtt, self.min_rtt.unwrap_or_default());
        set(Cell::EstimatedTimeout, self.timeout);
        for (index, value) in PEER.into_iter().zip(self.peer.unwrap_or_default()) {
            sums[index] = value;
        }
    }
}

impl Mean {
    fn add(&mut self, number: u64) {
        self.sum = self.sum.saturating_add(number);
        self.len += u64::from(number > 0);
    }

    fn mean(&self) -> u64 {
        self.sum.checked_div(self.len).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Words = [u64; layout::EXCESS];

    fn words(cells: &[(Cell, u64)]) -> Words {
        let mut words = [0; layout::EXCESS];
        for (cell, value) in cells {
            words[*cell as usize] = *value;
        }
        words
    }

    /// The cells that are no sums.
    fn merged(flows: &[Words]) -> Words {
        let mut merge = Merge::default();
        for flow in flows {
            merge.add(flow);
        }
        let mut merged = [7; layout::EXCESS];
        merge.finish(&mut merged);
        merged
    }

    fn flow(is_connected: u64, n: u64) -> Words {
        words(&[
            (Cell::Connected, is_connected),
            (Cell::LastRtt, 100 * n),
            (Cell::Jitter, (n as f64).to_bits()),
            (Cell::Srtt, 10 * n),
            (Cell::Rttvar, 20 * n),
            (Cell::MinRtt, n),
            (Cell::EstimatedTimeout, 1_000 + n),
            (Cell::PeerHigh, n),
            (Cell::PeerLow, n),
            (Cell::Peer, n),
        ])
    }

    fn check(flows: &[Words], expected: [u64; 6], jitter: f64, peer: u64) {
        let words = merged(flows);
        let cells = [
            Cell::Connected,
            Cell::LastRtt,
            Cell::Srtt,
            Cell::Rttvar,
            Cell::MinRtt,
            Cell::EstimatedTimeout,
        ];
        assert_eq!(cells.map(|cell| words[cell as usize]), expected);
        assert_eq!(words[Cell::Jitter as usize], jitter.to_bits());
        assert_eq!(PEER.map(|index| words[index]), [peer; 3]);
        assert_eq!(words[Cell::Sent as usize], 7, "a sum is left alone");
    }

    #[test]
    fn gauges_are_those_of_connected_flows() {
        let flows = [flow(0, 90), flow(1, 4), flow(1, 2), flow(0, 1)];
        check(&flows, [1, 400, 30, 60, 2, 1_004], 3.0, 4);
        let flows = [flow(0, 4), flow(0, 2)];
        check(&flows, [0, 400, 30, 60, 2, 1_004], 3.0, 4);
    }

    #[test]
    fn what_is_unknown_is_left_out() {
        let new = words(&[(Cell::Connected, 1), (Cell::EstimatedTimeout, 5)]);
        check(&[new, flow(1, 4)], [1, 400, 40, 80, 4, 1_004], 2.0, 4);
        check(&[new, new], [1, 0, 0, 0, 0, 5], 0.0, 0);
    }

    #[test]
    fn ratios_are_those_of_sums() {
        let flow = |lost: u64, all: u64, greeted: u64| {
            let mut words = words(&[(Cell::Window, pack(lost, all)), (Cell::Greeted, greeted)]);
            words[layout::PACKET_LOSS] = pack(lost, all);
            words[layout::PACKET_LOSS + 1] = pack(0, 2 * all);
            words
        };
        let both = merged(&[flow(3, 100, 0), flow(1, 4_000_000_000, 1)]);
        assert_eq!(unpack(both[Cell::Window as usize]), (4, 4_000_000_100));
        assert_eq!(unpack(both[layout::PACKET_LOSS]), (4, 4_000_000_100));
        let max = u64::from(u32::MAX);
        assert_eq!(unpack(both[layout::PACKET_LOSS + 1]), (0, max));
        assert_eq!(both[Cell::Greeted as usize], 1);
    }
}

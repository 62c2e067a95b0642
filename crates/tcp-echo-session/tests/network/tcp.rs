//! One end of a TCP connection whose segments are frames.

use std::collections::{BTreeMap, VecDeque};

use tcp_echo_session::Segments;

use super::MS;

type Frame = [u8; 16];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Peer,
    Prober,
}

impl Side {
    fn other(self) -> Self {
        match self {
            Self::Peer => Self::Prober,
            Self::Prober => Self::Peer,
        }
    }
}

#[derive(Clone, Debug)]
pub struct Packet {
    pub conn: u64,
    pub to: Side,
    data: Option<(u64, Frame)>,
    /// It was sent before.
    pub is_again: bool,
    /// All segments before this one have arrived.
    ack: u64,
    sacks: Vec<u64>,
    duplicate: Option<u64>,
    /// The end of the connection, and whether it is a reset.
    end: Option<bool>,
}

impl Packet {
    pub fn end(conn: u64) -> Self {
        Self {
            conn,
            to: Side::Prober,
            data: None,
            is_again: false,
            ack: 0,
            sacks: Vec::new(),
            duplicate: None,
            end: Some(false),
        }
    }

    pub fn reset(conn: u64) -> Self {
        Self {
            end: Some(true),
            ..Self::end(conn)
        }
    }

    pub fn to(self, to: Side) -> Self {
        Self { to, ..self }
    }

    pub fn is_end(&self) -> bool {
        self.end.is_some()
    }

    pub fn is_reset(&self) -> bool {
        self.end == Some(true)
    }
}

#[derive(Clone, Debug)]
struct Sent {
    frame: Frame,
    first: i64,
    at: i64,
    tries: u32,
    is_sacked: bool,
    is_lost: bool,
}

/// What follows from a packet.
#[derive(Debug, Default)]
pub struct Done {
    pub has_read: bool,
    pub acks_now: bool,
    /// The duplicate that the acknowledgement reports.
    pub duplicate: Option<u64>,
    pub ack_later: Option<u64>,
    /// Segments to send again.
    pub send: Vec<u64>,
}

pub struct Endpoint {
    /// Segments that are not acknowledged, from this number on.
    first: u64,
    in_flight: VecDeque<Sent>,
    waiting: VecDeque<Frame>,
    timer: u64,
    is_armed: bool,
    backoff: u32,
    /// After a retransmission timeout only one segment is in flight.
    is_recovering: bool,
    next_expected: u64,
    early: BTreeMap<u64, Frame>,
    owed: Option<u64>,
    number: u64,
    pub received: VecDeque<(Frame, i64)>,
    pub srtt: i64,
    pub last_ack: i64,
    pub retransmits: u64,
    pub segments_in: u32,
    pub out_of_order: u32,
    sent: u32,
    lost: u32,
}

const WINDOW: usize = 10;
const MIN_RTO: i64 = 200 * MS;

impl Endpoint {
    pub fn new(now: i64) -> Self {
        Self {
            first: 0,
            in_flight: VecDeque::new(),
            waiting: VecDeque::new(),
            timer: 0,
            is_armed: false,
            backoff: 0,
            is_recovering: false,
            next_expected: 0,
            early: BTreeMap::new(),
            owed: None,
            number: 0,
            received: VecDeque::new(),
            srtt: 10 * MS,
            last_ack: now,
            retransmits: 0,
            segments_in: 0,
            out_of_order: 0,
            sent: 0,
            lost: 0,
        }
    }

    pub fn write(&mut self, frame: Frame) {
        self.waiting.push_back(frame);
    }

    pub fn sacked(&self) -> u32 {
        let sacked = self.in_flight.iter().filter(|sent| sent.is_sacked).count();
        u32::try_from(sacked).unwrap()
    }

    pub fn segments(&self) -> Segments {
        Segments {
            sent: self.sent,
            lost: self.lost,
        }
    }

    pub fn receive(&mut self, packet: &Packet, now: i64) -> Done {
        self.segments_in += 1;
        let mut done = Done::default();
        if let Some((id, frame)) = packet.data {
            if id < self.next_expected {
                // Not looked at any further, as in tcp_validate_incoming.
                (done.acks_now, done.duplicate) = (true, Some(id));
                return done;
            }
            if id > self.next_expected {
                self.out_of_order += 1;
                self.early.insert(id, frame);
                done.acks_now = true;
            } else {
                self.received.push_back((frame, now));
                self.next_expected += 1;
                while let Some(frame) = self.early.remove(&self.next_expected) {
                    self.received.push_back((frame, now));
                    self.next_expected += 1;
                }
                done.has_read = true;
                self.number += 1;
                self.owed = Some(self.number);
                done.ack_later = self.owed;
            }
        }
        if packet.ack >= self.first {
            self.last_ack = now;
        }
        if packet.duplicate.is_some() {
            self.lost = self.lost.saturating_sub(1);
        }
        let acked = packet.ack.saturating_sub(self.first);
        for _ in 0..acked {
            let Some(sent) = self.in_flight.pop_front() else {
                break;
            };
            // By the timestamps of the first transmission (RFC 7323), unless that was lost.
            if sent.tries <= 2 {
                self.srtt += (now - sent.first - self.srtt) / 8;
            }
            self.first += 1;
        }
        for id in &packet.sacks {
            if let Some(index) = id.checked_sub(self.first) {
                let sent = self.in_flight.get_mut(usize::try_from(index).unwrap());
                sent.expect("what it has received was sent").is_sacked = true;
            }
        }
        if acked > 0 {
            self.backoff = 0;
            self.is_armed = false;
            self.is_recovering = false;
        }
        let last_sacked = self.in_flight.iter().rposition(|sent| sent.is_sacked);
        let patience = self.srtt * 5 / 4;
        for (index, sent) in self.in_flight.iter_mut().enumerate() {
            let is_overtaken = last_sacked.is_some_and(|last| index < last);
            if is_overtaken && !sent.is_sacked && !sent.is_lost && now - sent.at > patience {
                sent.is_lost = true;
                self.lost += 1;
            }
            if sent.is_lost && !sent.is_sacked && !self.is_recovering {
                done.send.push(self.first + index as u64);
            }
        }
        done
    }

    /// The retransmission timer fires: the segments to send again.
    pub fn on_rto(&mut self, timer: u64) -> Option<Vec<u64>> {
        if !self.is_armed || timer != self.timer {
            return None;
        }
        self.is_armed = false;
        if self.in_flight.is_empty() {
            return None;
        }
        for sent in &mut self.in_flight {
            if !sent.is_sacked && !sent.is_lost {
                sent.is_lost = true;
                self.lost += 1;
            }
        }
        self.backoff += 1;
        self.is_recovering = true;
        Some(vec![self.first])
    }

    /// Starts the timer if something is in flight: after how long, and its number.
    pub fn arm(&mut self) -> Option<(i64, u64)> {
        if self.is_armed || self.in_flight.is_empty() {
            return None;
        }
        self.is_armed = true;
        self.timer += 1;
        let rto = (self.srtt + MIN_RTO) << self.backoff.min(10);
        Some((rto, self.timer))
    }

    /// The packets of segments that are sent again, and of new ones as far as the window goes.
    pub fn packets(&mut self, again: &[u64], now: i64, conn: u64, from: Side) -> Vec<Packet> {
        let mut ids = again.to_vec();
        while !self.is_recovering && self.in_flight.len() < WINDOW {
            let Some(frame) = self.waiting.pop_front() else {
                break;
            };
            ids.push(self.first + self.in_flight.len() as u64);
            self.in_flight.push_back(Sent {
                frame,
                first: now,
                at: now,
                tries: 0,
                is_sacked: false,
                is_lost: false,
            });
        }
        let mut packets = Vec::new();
        for id in ids {
            let Some(index) = id.checked_sub(self.first) else {
                continue;
            };
            let Some(sent) = self.in_flight.get_mut(usize::try_from(index).unwrap()) else {
                continue;
            };
            sent.tries += 1;
            sent.at = now;
            if sent.tries > 1 {
                self.retransmits += 1;
                sent.is_lost = false;
            }
            self.sent += 1;
            let (data, is_again) = (Some((id, sent.frame)), sent.tries > 1);
            packets.push(Packet {
                data,
                is_again,
                ..self.ack(conn, from, None)
            });
        }
        packets
    }

    pub fn owes_ack(&mut self, number: u64) -> bool {
        self.owed == Some(number)
    }

    pub fn ack(&mut self, conn: u64, from: Side, duplicate: Option<u64>) -> Packet {
        self.owed = None;
        Packet {
            conn,
            to: from.other(),
            data: None,
            is_again: false,
            ack: self.next_expected,
            sacks: self.early.keys().copied().collect(),
            duplicate,
            end: None,
        }
    }
}

//! Control frames: how a client and a server agree on more than an echo.
//!
//! `docs/wire.md` has the protocol. A server that knows nothing of it echoes a request unchanged,
//! which tells the client so.

use core::time::Duration;

use crate::{FRAME_LEN, Probe, Seq, UnixNanos};

/// The last 6 of the 8 bytes in the place of the sequence number. The last one is the most
/// significant byte of the number, so no session reaches a number that looks like these.
const MAGIC: [u8; 6] = *b"tcpem\xff";

/// The version of the protocol, in the lower 7 bits of its byte.
const VERSION: u8 = 1;

/// The bit of the version's byte that tells an answer from a request.
const ANSWER: u8 = 0x80;

const HELLO: u8 = 1;
const SEGMENTS: u8 = 2;
const IDENTITY: u8 = 3;
const DEPARTURE: u8 = 4;

/// The bytes of an identity in one frame.
pub(crate) const PART_LEN: usize = 7;

/// What a client asks for in its hello, or what the server grants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Features(u32);

impl Features {
    /// None.
    pub const NONE: Self = Self(0);
    /// The server writes a [`PeerStamp`] into the time field of every frame that it echoes.
    pub const STAMPS: Self = Self(1);
    /// The server answers [`Control::SegmentsRequest`].
    pub const SEGMENTS: Self = Self(1 << 1);
    /// The server answers [`Control::IdentityRequest`].
    pub const IDENTITY: Self = Self(1 << 2);
    /// The server says [`Control::Departure`] before it stops.
    pub const DEPARTURE: Self = Self(1 << 3);

    /// All of these and those.
    #[must_use]
    pub const fn union(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Those that are in both.
    #[must_use]
    pub const fn intersection(self, others: Self) -> Self {
        Self(self.0 & others.0)
    }

    /// Those that are not among `others`.
    #[must_use]
    pub const fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    /// Whether all of `others` are among these.
    #[must_use]
    pub const fn contains(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }
}

/// The data segments that a kernel has sent on one connection, and how many of them were lost on
/// the way. Both wrap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Segments {
    /// Data segments sent, with retransmissions.
    pub sent: u32,
    /// Data segments lost, by the kernel's knowledge.
    pub lost: u32,
}

impl Segments {
    /// Moves on to later counts of the same connection. Returns by how much each has risen; 0 if it
    /// has fallen, as the losses may when one turns out to be none.
    ///
    /// ```
    /// use tcp_echo_wire::Segments;
    ///
    /// let mut last = Segments { sent: u32::MAX, lost: 7 };
    /// let rise = last.advance(Segments { sent: 9, lost: 6 });
    /// assert_eq!(rise, Segments { sent: 10, lost: 0 });
    /// assert_eq!(last, Segments { sent: 9, lost: 7 });
    /// ```
    #[must_use]
    pub fn advance(&mut self, now: Self) -> Self {
        Self {
            sent: rise(&mut self.sent, now.sent),
            lost: rise(&mut self.lost, now.lost),
        }
    }
}

/// Advances a count that wraps. Returns by how much it has risen; 0 if it has fallen.
fn rise(last: &mut u32, now: u32) -> u32 {
    let rise = now.wrapping_sub(*last);
    if rise > u32::MAX / 2 {
        return 0;
    }
    *last = now;
    rise
}

/// A frame that is no probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Control {
    /// The first frame of a client: what it asks for.
    HelloRequest(Features),
    /// The server's answer: what it grants.
    HelloAnswer(Features),
    /// The client asks for the server's segments.
    SegmentsRequest,
    /// The data segments that the server's kernel has sent on this connection.
    SegmentsAnswer(Segments),
    /// The client asks for a part of the server's [`Identity`](crate::Identity), by its number.
    IdentityRequest(u8),
    /// The part of that number.
    IdentityAnswer(u8, [u8; PART_LEN]),
    /// The server stops, and no fault has made it. It sends this unasked, goes on echoing for half a
    /// second at most, and waits for the client to close the connection.
    Departure,
}

impl Control {
    /// Encodes the frame.
    ///
    /// ```
    /// use tcp_echo_wire::{Control, Features};
    ///
    /// let hello = Control::HelloRequest(Features::STAMPS.union(Features::SEGMENTS));
    /// assert_eq!(&hello.encode(), b"\x01\x01tcpem\xff\x03\0\0\0\0\0\0\0");
    /// assert_eq!(Control::decode(&hello.encode()), Some(hello));
    /// ```
    #[must_use]
    pub const fn encode(self) -> [u8; FRAME_LEN] {
        let (kind, flag, [low, high]) = match self {
            Self::HelloRequest(features) => (HELLO, 0, [features.0, 0]),
            Self::HelloAnswer(features) => (HELLO, ANSWER, [features.0, 0]),
            Self::SegmentsRequest => (SEGMENTS, 0, [0, 0]),
            Self::SegmentsAnswer(Segments { sent, lost }) => (SEGMENTS, ANSWER, [sent, lost]),
            Self::IdentityRequest(n) => (IDENTITY, 0, words(n, [0; PART_LEN])),
            Self::IdentityAnswer(n, part) => (IDENTITY, ANSWER, words(n, part)),
            Self::Departure => (DEPARTURE, ANSWER, [0, 0]),
        };
        let [m0, m1, m2, m3, m4, m5] = MAGIC;
        let [l0, l1, l2, l3] = low.to_le_bytes();
        let [h0, h1, h2, h3] = high.to_le_bytes();
        [
            kind,
            VERSION | flag,
            m0,
            m1,
            m2,
            m3,
            m4,
            m5,
            l0,
            l1,
            l2,
            l3,
            h0,
            h1,
            h2,
            h3,
        ]
    }

    /// Decodes a control frame. `None` if it is a probe, or of a kind that this version does not
    /// know, which a server echoes and a client ignores.
    #[must_use]
    #[inline]
    pub fn decode(frame: &[u8; FRAME_LEN]) -> Option<Self> {
        let magic = frame.iter().skip(2).zip(&MAGIC);
        if !magic.into_iter().all(|(byte, magic)| byte == magic) {
            return None;
        }
        let [kind, version, ..] = *frame;
        let word = |at: usize| {
            let bytes = frame.get(at..at + 4)?.try_into().ok()?;
            Some(u32::from_le_bytes(bytes))
        };
        let (low, high) = (word(8)?, word(12)?);
        match (kind, version & ANSWER) {
            (HELLO, 0) => Some(Self::HelloRequest(Features(low))),
            (HELLO, _) => Some(Self::HelloAnswer(Features(low))),
            (SEGMENTS, 0) => Some(Self::SegmentsRequest),
            (SEGMENTS, _) => Some(Self::SegmentsAnswer(Segments {
                sent: low,
                lost: high,
            })),
            (IDENTITY, 0) => {
                let [n, ..] = low.to_le_bytes();
                Some(Self::IdentityRequest(n))
            }
            (IDENTITY, _) => {
                let [.., n, b0, b1, b2, b3, b4, b5, b6] = *frame;
                Some(Self::IdentityAnswer(n, [b0, b1, b2, b3, b4, b5, b6]))
            }
            (DEPARTURE, ANSWER) => Some(Self::Departure),
            _ => None,
        }
    }
}

/// The payload of a part of an identity.
const fn words(n: u8, part: [u8; PART_LEN]) -> [u32; 2] {
    let [b0, b1, b2, b3, b4, b5, b6] = part;
    let low = u32::from_le_bytes([n, b0, b1, b2]);
    [low, u32::from_le_bytes([b3, b4, b5, b6])]
}

impl Seq {
    /// Whether it is no number of a probe, but the first half of a [`Control`] frame.
    #[must_use]
    #[inline]
    pub const fn is_control(self) -> bool {
        let [m0, m1, m2, m3, m4, m5] = MAGIC;
        self.0 >> 16 == u64::from_le_bytes([m0, m1, m2, m3, m4, m5, 0, 0])
    }
}

impl Probe {
    /// The control frame that was decoded as a probe, if it is one.
    #[must_use]
    #[inline]
    pub fn control(self) -> Option<Control> {
        if self.seq.is_control() {
            Control::decode(&self.encode())
        } else {
            None
        }
    }
}

/// When a server received a probe and how long it kept it, in the time field of its echo.
///
/// The 8 bytes are one little-endian number: 40 bits of the receive time in nanoseconds, one bit
/// for [`is_merged`](Self::is_merged), and 23 bits of the residence time in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PeerStamp {
    /// When the server's kernel received the last segment of the read that had this probe, by the
    /// server's realtime clock: nanoseconds modulo [`PeerStamp::MODULUS`].
    pub received: u64,
    /// How long it was from there to the write of the echo: microseconds, rounded down. `None` if
    /// the receive time is not the kernel's, or if it was longer than 8.3 seconds.
    pub residence: Option<Duration>,
    /// Whether more probes followed in the same read: then this one arrived at `received` or
    /// before, since the kernel keeps only the stamp of the last segment.
    pub is_merged: bool,
}

impl PeerStamp {
    /// The receive time is modulo this many nanoseconds, some 18 minutes.
    pub const MODULUS: u64 = 1 << RECEIVED_BITS;

    /// The time field of the echo.
    #[must_use]
    #[inline]
    pub fn encode(self) -> [u8; 8] {
        let micros = self.residence.map(|residence| residence.as_micros());
        let residence = micros
            .and_then(|micros| u64::try_from(micros).ok())
            .map_or(NO_RESIDENCE, |micros| micros.min(NO_RESIDENCE));
        let received = self.received % Self::MODULUS;
        let merged = u64::from(self.is_merged) << RECEIVED_BITS;
        (received | merged | (residence << (RECEIVED_BITS + 1))).to_le_bytes()
    }
}

impl From<UnixNanos> for PeerStamp {
    /// The stamp in the time field of an echo.
    #[inline]
    fn from(time: UnixNanos) -> Self {
        let number = time.0.cast_unsigned();
        let residence = number >> (RECEIVED_BITS + 1);
        Self {
            received: number % Self::MODULUS,
            residence: (residence != NO_RESIDENCE).then(|| Duration::from_micros(residence)),
            is_merged: number & Self::MODULUS != 0,
        }
    }
}

const RECEIVED_BITS: u32 = 40;

/// All 23 bits: the residence time is unknown.
const NO_RESIDENCE: u64 = (1 << 23) - 1;

#[cfg(test)]
mod tests {
    use super::rise;

    #[test]
    fn a_count_that_falls_adds_nothing() {
        let mut last = 0;
        let rises = [5, 4, 6, u32::MAX, 6].map(|now| rise(&mut last, now));
        assert_eq!(rises, [5, 0, 1, 0, 0]);
    }
}

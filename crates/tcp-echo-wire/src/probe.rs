//! One frame: its fields and their layout.

use core::fmt;

/// The length of a frame on the wire, in bytes.
pub const FRAME_LEN: usize = 16;

/// A probe's sequence number: 1 for the first probe of a session, then 2, 3 and
/// so on, across reconnects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(pub u64);

impl Seq {
    /// The number of a session's first probe.
    pub const FIRST: Self = Self(1);

    /// The number after this one. It wraps after `u64::MAX`, which a session that
    /// sends a million probes a second reaches after half a million years.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A time by the realtime clock: nanoseconds since the Unix epoch, negative before it. The range
/// of the wire is the years 1677 to 2262.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixNanos(pub i64);

/// One probe: the frame that a client sends and an echo server returns unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Probe {
    /// The sequence number in the session.
    pub seq: Seq,
    /// The send time, by the client's realtime clock.
    pub sent: UnixNanos,
}

impl Probe {
    /// Encodes the probe.
    ///
    /// ```
    /// use tcp_echo_wire::{Probe, Seq, UnixNanos};
    ///
    /// let bytes = Probe { seq: Seq(1), sent: UnixNanos(-2) }.encode();
    /// assert_eq!(bytes, [
    ///     1, 0, 0, 0, 0, 0, 0, 0,
    ///     0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    /// ]);
    /// ```
    #[must_use]
    #[inline]
    pub fn encode(self) -> [u8; FRAME_LEN] {
        // One 128-bit number rather than two 64-bit writes: a load of the whole frame right
        // after would wait for both in the store buffer.
        let sent = u128::from(self.sent.0.cast_unsigned());
        (u128::from(self.seq.0) | sent << u64::BITS).to_le_bytes()
    }

    /// Decodes a probe. Any 16 bytes are one.
    #[must_use]
    #[inline]
    pub fn decode(frame: &[u8; FRAME_LEN]) -> Self {
        let (seq, sent) = frame.split_at(8);
        let word = |bytes: &[u8]| bytes.try_into().map_or(0, u64::from_le_bytes);
        Self {
            seq: Seq(word(seq)),
            sent: UnixNanos(word(sent).cast_signed()),
        }
    }
}

impl From<Probe> for [u8; FRAME_LEN] {
    fn from(probe: Probe) -> Self {
        probe.encode()
    }
}

impl From<[u8; FRAME_LEN]> for Probe {
    fn from(frame: [u8; FRAME_LEN]) -> Self {
        Self::decode(&frame)
    }
}

impl TryFrom<&[u8]> for Probe {
    type Error = DecodeError;

    /// # Errors
    /// [`DecodeError`] if the slice is not exactly one frame long.
    fn try_from(bytes: &[u8]) -> Result<Self, DecodeError> {
        let frame: &[u8; FRAME_LEN] = bytes.try_into().map_err(|_| DecodeError {
            length: bytes.len(),
        })?;
        Ok(Self::decode(frame))
    }
}

/// A slice is not [`FRAME_LEN`] bytes long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeError {
    /// The length of the slice.
    pub length: usize,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a frame is {FRAME_LEN} bytes, not {}", self.length)
    }
}

impl core::error::Error for DecodeError {}

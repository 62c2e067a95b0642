//! One direction of a connection, reassembled from its segments and split into frames.

use std::collections::BTreeMap;

use super::Nanos;

const FRAME: usize = 16;

/// The 16 bytes of a probe or a reply, and the time of its last byte.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Frame {
    pub(super) seq: u64,
    /// The send time in the frame, by the sender's realtime clock.
    pub(super) stamp: Nanos,
    pub(super) at: Nanos,
}

impl Frame {
    /// Whether it is a hello or a later request or answer, and no probe.
    pub(super) fn is_control(&self) -> bool {
        self.seq.to_le_bytes().ends_with(b"tcpem\xff")
    }

    fn of(bytes: &[u8], at: Nanos) -> Option<Self> {
        let (seq, rest) = bytes.split_first_chunk()?;
        Some(Self {
            seq: u64::from_le_bytes(*seq),
            stamp: i64::from_le_bytes(*rest.first_chunk()?),
            at,
        })
    }
}

#[derive(Debug, Default)]
pub(super) struct Stream {
    /// The TCP sequence number of the first byte.
    origin: Option<u32>,
    /// The number of contiguous bytes.
    bytes: u64,
    /// Data after a gap, by its offset.
    ahead: BTreeMap<u64, Vec<u8>>,
    partial: Vec<u8>,
    frames: Vec<Frame>,
    /// The offset of the end.
    fin: Option<u64>,
}

impl Stream {
    pub(super) fn begin(&mut self, first: u32) {
        self.origin.get_or_insert(first);
    }

    pub(super) fn has_begun(&self) -> bool {
        self.origin.is_some()
    }

    /// Adds a segment's payload, captured at `at`.
    pub(super) fn take(&mut self, at: Nanos, seq: u32, payload: &[u8], fin: bool) {
        let Some(start) = self.offset(seq) else {
            return;
        };
        let end = start + payload.len() as u64;
        if fin {
            self.fin = Some(end);
        }
        if payload.is_empty() {
            return;
        }
        if end <= self.bytes {
            return;
        }
        let known = self.ahead.entry(start).or_default();
        if known.len() < payload.len() {
            payload.clone_into(known);
        }
        while let Some((start, bytes)) = self.ahead.pop_first() {
            if start > self.bytes {
                self.ahead.insert(start, bytes);
                break;
            }
            let seen = usize::try_from(self.bytes - start).unwrap_or(usize::MAX);
            self.append(at, bytes.get(seen..).unwrap_or_default());
        }
    }

    fn append(&mut self, at: Nanos, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        self.partial.extend_from_slice(bytes);
        let whole = self.partial.len() / FRAME * FRAME;
        let frames = self.partial[..whole].chunks_exact(FRAME);
        self.frames
            .extend(frames.filter_map(|bytes| Frame::of(bytes, at)));
        self.partial.drain(..whole);
    }

    /// Returns the offset of a sequence number, unless it is before the first byte.
    fn offset(&self, seq: u32) -> Option<u64> {
        let offset = seq.wrapping_sub(self.origin?);
        (offset < 1 << 31).then_some(u64::from(offset))
    }

    /// Returns whether a reset with this sequence number is accepted: it must be the next expected one
    /// (RFC 5961, section 3.2), or that after all received data.
    pub(super) fn accepts_reset(&self, seq: u32) -> bool {
        let Some(offset) = self.offset(seq) else {
            return false;
        };
        let last = self.ahead.last_key_value();
        let edge = last.map(|(start, bytes)| start + bytes.len() as u64);
        offset == self.bytes || Some(offset) == edge
    }

    /// Returns whether the stream is complete up to its FIN.
    pub(super) fn has_ended(&self) -> bool {
        self.fin == Some(self.bytes)
    }

    /// Returns the frames before the first gap, without control frames.
    pub(super) fn probes(&self) -> impl Iterator<Item = &Frame> {
        self.frames.iter().filter(|frame| !frame.is_control())
    }

    /// Returns the frames before the first gap.
    pub(super) fn frames(&self) -> &[Frame] {
        &self.frames
    }

    /// Returns the complete frames after a gap, which were also sent, without control frames.
    pub(super) fn stray(&self, at: Nanos) -> impl Iterator<Item = Frame> {
        self.ahead.iter().flat_map(move |(start, bytes)| {
            let into = usize::try_from(start % FRAME as u64).unwrap_or(0);
            let skip = (FRAME - into) % FRAME;
            let whole = bytes.get(skip..).unwrap_or_default().chunks_exact(FRAME);
            let frames = whole.filter_map(move |bytes| Frame::of(bytes, at));
            frames.filter(|frame| !frame.is_control())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Frame, Stream};

    fn bytes(seqs: &[u64]) -> Vec<u8> {
        let frame = |seq: &u64| [seq.to_le_bytes(), (seq * 10).to_le_bytes()].concat();
        seqs.iter().flat_map(frame).collect()
    }

    fn frame(seq: u64, at: i64) -> Frame {
        let stamp = i64::try_from(seq * 10).unwrap();
        Frame { seq, stamp, at }
    }

    #[test]
    fn segments_are_reassembled_in_any_order_and_once() {
        let mut stream = Stream::default();
        // The sequence numbers wrap around in the middle.
        let origin = 0_u32.wrapping_sub(20);
        stream.begin(origin);
        let all = bytes(&[1, 2, 3]);
        stream.take(5, origin.wrapping_add(20), &all[20..], false);
        assert!(stream.frames().is_empty());
        assert_eq!(stream.stray(7).collect::<Vec<_>>(), [frame(3, 7)]);
        stream.take(6, origin, &all[..20], false);
        stream.take(7, origin, &all[..20], false);
        stream.take(8, origin.wrapping_add(48), &[], true);
        let expected = [frame(1, 6), frame(2, 6), frame(3, 6)];
        assert_eq!(stream.frames(), expected);
        assert_eq!(stream.bytes, 48);
        assert!(stream.has_ended());
    }

    #[test]
    fn a_reset_is_accepted_at_the_expected_numbers() {
        let mut stream = Stream::default();
        stream.begin(100);
        stream.take(1, 100, &bytes(&[1]), false);
        stream.take(1, 132, &bytes(&[3]), false);
        let accepted = |seq| stream.accepts_reset(seq);
        assert!(accepted(116) && accepted(148));
        assert!(!accepted(100) && !accepted(117) && !accepted(50));
    }
}

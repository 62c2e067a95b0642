//! One direction of a connection, put together from its segments and cut into frames.

use std::collections::BTreeMap;

use super::Nanos;

const FRAME: usize = 16;

/// The 16 bytes of a probe or a reply, and when its last byte passed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Frame {
    pub(super) seq: u64,
    /// The sender's realtime clock, as the frame says.
    pub(super) stamp: Nanos,
    pub(super) at: Nanos,
}

impl Frame {
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
    /// TCP's sequence number of its first byte.
    origin: Option<u32>,
    /// Bytes that are there without a gap.
    bytes: u64,
    /// What has passed behind a gap, by its host.
    ahead: BTreeMap<u64, Vec<u8>>,
    partial: Vec<u8>,
    frames: Vec<Frame>,
    /// Where it ends.
    fin: Option<u64>,
}

impl Stream {
    pub(super) fn begin(&mut self, first: u32) {
        self.origin.get_or_insert(first);
    }

    pub(super) fn has_begun(&self) -> bool {
        self.origin.is_some()
    }

    /// Takes a segment's bytes, which passed then.
    pub(super) fn take(&mut self, at: Nanos, seq: u32, payload: &[u8], fin: bool) {
        let Some(start) = self.host(seq) else {
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

    /// Where in the stream a sequence number stands, if not before its beginning.
    fn host(&self, seq: u32) -> Option<u64> {
        let offset = seq.wrapping_sub(self.origin?);
        (offset < 1 << 31).then_some(u64::from(offset))
    }

    /// Whether a reset of this number is the next that its receiver waits for. Others are
    /// not obeyed (RFC 5961, section 3.2), but for one behind all that has come.
    pub(super) fn is_next(&self, seq: u32) -> bool {
        let Some(host) = self.host(seq) else {
            return false;
        };
        let last = self.ahead.last_key_value();
        let edge = last.map(|(start, bytes)| start + bytes.len() as u64);
        host == self.bytes || Some(host) == edge
    }

    /// Whether its end has come, without a gap.
    pub(super) fn has_ended(&self) -> bool {
        self.fin == Some(self.bytes)
    }

    /// Frames without a gap before them.
    pub(super) fn frames(&self) -> &[Frame] {
        &self.frames
    }

    /// Those behind a gap that are whole: they were sent all the same.
    pub(super) fn stray(&self, at: Nanos) -> impl Iterator<Item = Frame> {
        self.ahead.iter().flat_map(move |(start, bytes)| {
            let into = usize::try_from(start % FRAME as u64).unwrap_or(0);
            let skip = (FRAME - into) % FRAME;
            let whole = bytes.get(skip..).unwrap_or_default().chunks_exact(FRAME);
            whole.filter_map(move |bytes| Frame::of(bytes, at))
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
    fn segments_are_joined_in_any_order_and_once() {
        let mut stream = Stream::default();
        // The numbers run over in the middle.
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
    fn a_reset_is_obeyed_where_it_is_due() {
        let mut stream = Stream::default();
        stream.begin(100);
        stream.take(1, 100, &bytes(&[1]), false);
        stream.take(1, 132, &bytes(&[3]), false);
        let obeyed = |seq| stream.is_next(seq);
        assert!(obeyed(116) && obeyed(148));
        assert!(!obeyed(100) && !obeyed(117) && !obeyed(50));
    }
}

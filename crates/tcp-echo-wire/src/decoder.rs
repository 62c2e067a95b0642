//! Decoding a byte stream into frames.

use crate::{FRAME_LEN, Probe};

/// Decodes a byte stream into frames. A frame may arrive in any number of pieces, and a piece
/// may hold any number of frames. The decoder keeps at most 15 bytes.
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    partial: [u8; FRAME_LEN],
    /// How many bytes of `partial` are filled; always less than [`FRAME_LEN`].
    filled: u8,
}

impl Decoder {
    /// A decoder at the start of a stream.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            partial: [0; FRAME_LEN],
            filled: 0,
        }
    }

    /// Decodes the next bytes of the stream. Returns the frames that they complete, in order.
    /// The rest of `bytes` is kept, even if the iterator is not consumed.
    #[inline]
    pub fn feed<'a>(&mut self, bytes: &'a [u8]) -> Frames<'a> {
        let mut rest = bytes;
        let mut first = None;
        let filled = usize::from(self.filled);
        if filled > 0 {
            let take = rest.len().min(FRAME_LEN - filled);
            let (head, tail) = rest.split_at(take);
            self.partial[filled..filled + take].copy_from_slice(head);
            self.filled = length(filled + take);
            rest = tail;
            if filled + take == FRAME_LEN {
                self.filled = 0;
                first = Some(Probe::decode(&self.partial));
            }
        }
        let (whole, tail) = rest.as_chunks::<FRAME_LEN>();
        if !tail.is_empty() {
            // A partial frame before these bytes is complete by now.
            self.partial[..tail.len()].copy_from_slice(tail);
            self.filled = length(tail.len());
        }
        Frames { first, whole }
    }

    /// The number of bytes of an incomplete frame.
    #[must_use]
    pub const fn pending(&self) -> usize {
        self.filled as usize
    }
}

/// A length of at most a frame.
#[expect(clippy::cast_possible_truncation, reason = "a frame is short")]
const fn length(bytes: usize) -> u8 {
    bytes as u8
}

/// The frames that a piece of a stream completes; see [`Decoder::feed`].
#[derive(Clone, Debug)]
pub struct Frames<'a> {
    first: Option<Probe>,
    whole: &'a [[u8; FRAME_LEN]],
}

impl Iterator for Frames<'_> {
    type Item = Probe;

    #[inline]
    fn next(&mut self) -> Option<Probe> {
        if let Some(probe) = self.first.take() {
            return Some(probe);
        }
        let (frame, rest) = self.whole.split_first()?;
        self.whole = rest;
        Some(Probe::decode(frame))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let frames = usize::from(self.first.is_some()) + self.whole.len();
        (frames, Some(frames))
    }
}

impl ExactSizeIterator for Frames<'_> {}

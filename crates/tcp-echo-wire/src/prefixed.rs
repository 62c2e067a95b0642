//! The 24-byte frame of later versions of the original program.

use crate::{FRAME_LEN, Probe, Seq, UnixNanos};

/// The first 8 bytes of a prefixed frame.
const PREFIX: [u8; 8] = *b"TCPPING\0";

/// The length of a prefixed frame on the wire, in bytes.
pub const PREFIXED_LEN: usize = PREFIX.len() + FRAME_LEN;

impl Probe {
    /// Encodes the probe with the prefix `TCPPING` and a zero byte, for a server that insists on it.
    ///
    /// ```
    /// use tcp_echo_wire::{Probe, Seq, UnixNanos};
    ///
    /// let bytes = Probe { seq: Seq(1), sent: UnixNanos(2) }.encode_prefixed();
    /// assert_eq!(&bytes, b"TCPPING\0\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0");
    /// ```
    #[must_use]
    pub fn encode_prefixed(self) -> [u8; PREFIXED_LEN] {
        let mut bytes = [0; PREFIXED_LEN];
        let (prefix, frame) = bytes.split_at_mut(PREFIX.len());
        prefix.copy_from_slice(&PREFIX);
        frame.copy_from_slice(&self.encode());
        bytes
    }
}

/// Decodes a byte stream into prefixed frames, as [`Decoder`](crate::Decoder) does without the prefix.
#[derive(Clone, Debug)]
pub struct PrefixedDecoder {
    partial: [u8; PREFIXED_LEN],
    filled: usize,
}

impl PrefixedDecoder {
    /// A decoder at the start of a stream.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            partial: [0; PREFIXED_LEN],
            filled: 0,
        }
    }

    /// Decodes the next bytes of the stream, and passes on each frame that they complete. One without
    /// the prefix is passed on with the sequence number 0, which no probe has.
    pub fn feed(&mut self, mut bytes: &[u8], mut frame: impl FnMut(Probe)) {
        while !bytes.is_empty() {
            let take = bytes.len().min(PREFIXED_LEN - self.filled);
            let (head, rest) = bytes.split_at(take);
            self.partial[self.filled..self.filled + take].copy_from_slice(head);
            self.filled += take;
            bytes = rest;
            if self.filled == PREFIXED_LEN {
                self.filled = 0;
                frame(self.decode());
            }
        }
    }

    fn decode(&self) -> Probe {
        let (prefix, frame) = self.partial.split_at(PREFIX.len());
        match Probe::try_from(frame) {
            Ok(probe) if prefix == PREFIX => probe,
            _ => Probe {
                seq: Seq(0),
                sent: UnixNanos(0),
            },
        }
    }
}

impl Default for PrefixedDecoder {
    fn default() -> Self {
        Self::new()
    }
}

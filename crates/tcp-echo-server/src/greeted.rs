//! Connections of clients that ask for more than an echo; `docs/wire.md` has the protocol.

use std::io::{self, Read as _};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mio::net::TcpStream;
use tcp_echo_socket::{GapDetector, Received, TcpInfo};
use tcp_echo_wire::{Control, FRAME_LEN, Features, Identity, PeerStamp, Segments, Seq};

use crate::connection::BUFFER;

/// What this system can grant: elsewhere the kernel neither stamps nor counts.
const SUPPORTED: Features = if cfg!(target_os = "linux") {
    Features::DEPARTURE.union(Features::STAMPS.union(Features::SEGMENTS))
} else {
    Features::DEPARTURE
};

/// The state of a connection that began with a hello. Its frames are answered in place, so as many
/// bytes go back as came.
#[derive(Debug)]
pub(crate) struct Greeted {
    features: Features,
    /// Who the server is, if the client may ask.
    identity: Option<Arc<Identity>>,
    /// The bytes of an incomplete frame, which is echoed when it is whole.
    partial: [u8; FRAME_LEN],
    kept: usize,
    gaps: GapDetector,
}

/// The result of a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Echo {
    /// How many bytes of the buffer to send back.
    pub(crate) len: usize,
    /// How many were read; 0 is the end of the stream.
    pub(crate) read: usize,
    /// Whether the buffer was full, so that there may be more.
    pub(crate) is_full: bool,
}

impl Greeted {
    /// Looks for a hello in the first bytes of a connection. Answers it, and the frames after it.
    pub(crate) fn begin(
        stream: &TcpStream,
        bytes: &mut [u8],
        identity: Option<&Arc<Identity>>,
    ) -> Option<(Box<Self>, Echo)> {
        let first = bytes.first_chunk::<FRAME_LEN>()?;
        let Some(Control::HelloRequest(asked)) = Control::decode(first) else {
            return None;
        };
        let mut features = asked.intersection(SUPPORTED);
        let identity = identity.filter(|_| asked.contains(Features::IDENTITY));
        if identity.is_some() {
            features = features.union(Features::IDENTITY);
        }
        if features.contains(Features::STAMPS)
            && let Err(error) = tcp_echo_socket::enable_receive_timestamps(stream)
        {
            tracing::debug!(%error, "no receive timestamps from the kernel");
            features = features.without(Features::STAMPS);
        }
        let mut greeted = Box::new(Self {
            features,
            identity: identity.cloned(),
            partial: [0; FRAME_LEN],
            kept: 0,
            gaps: GapDetector::default(),
        });
        let read = bytes.len();
        let len = greeted.answer(stream, bytes, None);
        let is_full = read == BUFFER;
        Some((greeted, Echo { len, read, is_full }))
    }

    /// Reads once, and answers the frames that are whole. They are at the start of the buffer.
    pub(crate) fn read(
        &mut self,
        stream: &mut TcpStream,
        buffer: &mut [u8; BUFFER],
    ) -> io::Result<Echo> {
        let (kept, rest) = buffer.split_at_mut(self.kept);
        kept.copy_from_slice(&self.partial[..self.kept]);
        let received = if self.features.contains(Features::STAMPS) {
            stream.try_io(|| tcp_echo_socket::recv(&*stream, rest))?
        } else {
            let len = stream.read(rest)?;
            Received { len, kernel: None }
        };
        if received.len == 0 {
            // The rest of the stream, which is no frame.
            let len = std::mem::take(&mut self.kept);
            return Ok(Echo {
                len,
                read: 0,
                is_full: false,
            });
        }
        let is_full = self.kept + received.len == buffer.len();
        let bytes = &mut buffer[..self.kept + received.len];
        let len = self.answer(stream, bytes, received.kernel);
        Ok(Echo {
            len,
            read: received.len,
            is_full,
        })
    }

    /// Whether the client wants to be told that the server stops.
    pub(crate) const fn wants_departure(&self) -> bool {
        self.features.contains(Features::DEPARTURE)
    }

    /// Answers whole frames in place, and keeps the bytes after them. Returns the length of the
    /// frames.
    fn answer(&mut self, stream: &TcpStream, bytes: &mut [u8], kernel: Option<Duration>) -> usize {
        let (frames, tail) = bytes.as_chunks_mut::<FRAME_LEN>();
        self.partial[..tail.len()].copy_from_slice(tail);
        self.kept = tail.len();
        let mut stamp = self.stamp(stream, kernel);
        let last = frames.len().saturating_sub(1);
        let is_exact = tail.is_empty();
        let mut segments = None;
        for (index, frame) in frames.iter_mut().enumerate() {
            let (seq, time) = frame.split_at_mut(8);
            let seq = seq.try_into().map_or(0, u64::from_le_bytes);
            if Seq(seq).is_control() {
                if let Some(answer) = self.control(stream, frame, &mut segments) {
                    *frame = answer.encode();
                }
            } else if let Some(stamp) = &mut stamp {
                stamp.is_merged = index < last || !is_exact;
                time.copy_from_slice(&stamp.encode());
            }
        }
        frames.len() * FRAME_LEN
    }

    /// The stamp of a read, if the client has asked for stamps.
    fn stamp(&mut self, stream: &TcpStream, kernel: Option<Duration>) -> Option<PeerStamp> {
        if !self.features.contains(Features::STAMPS) {
            return None;
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
        let mut residence = kernel.and_then(|kernel| now.checked_sub(kernel));
        if let Some(waited) = residence
            && self.gaps.waited_for_gap(stream, waited)
        {
            residence = Some(Duration::ZERO);
        }
        let received = now.saturating_sub(residence.unwrap_or_default());
        // The stamp is modulo a smaller power of two.
        let received = received.as_nanos() & u128::from(u64::MAX);
        Some(PeerStamp {
            received: u64::try_from(received).unwrap_or_default(),
            residence,
            is_merged: false,
        })
    }

    /// The answer to a control frame, or `None` if it is echoed. A client that asks more than once
    /// in one read gets the same numbers.
    #[cold]
    fn control(
        &mut self,
        stream: &TcpStream,
        frame: &[u8; FRAME_LEN],
        segments: &mut Option<Segments>,
    ) -> Option<Control> {
        match Control::decode(frame)? {
            Control::HelloRequest(_) => Some(Control::HelloAnswer(self.features)),
            Control::IdentityRequest(n) => {
                let identity = self.identity.as_ref()?;
                Some(Control::IdentityAnswer(n, identity.part(n)))
            }
            Control::SegmentsRequest if self.features.contains(Features::SEGMENTS) => {
                if segments.is_none() {
                    let info = tcp_echo_socket::tcp_info(stream).ok()?;
                    self.gaps.observe(&info);
                    *segments = self::segments(&info);
                }
                segments.map(Control::SegmentsAnswer)
            }
            _ => None,
        }
    }
}

/// The segments that the kernel has sent on a connection, as the protocol tells them.
pub(crate) fn segments(info: &TcpInfo) -> Option<Segments> {
    info.data_segments.map(|segments| Segments {
        sent: segments.sent,
        lost: segments.lost,
    })
}

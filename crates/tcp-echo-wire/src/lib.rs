//! The 16-byte TCP echo probe: its codec and a stream decoder, without clock or I/O.
//!
//! A probe is two little-endian 64-bit words. A client sends it, an echo server sends the same
//! bytes back, and the client finds the probe that they answer:
//!
//! | bytes | field | type |
//! |---|---|---|
//! | 0..8 | sequence number, 1 for the first probe of a session | `u64`, little-endian |
//! | 8..16 | send time, nanoseconds since the Unix epoch | `i64`, little-endian |
//!
//! [`Probe`] is that frame, and [`Decoder`] decodes a byte stream into frames, whatever the
//! boundaries of its pieces. Any 16 bytes are a well-formed frame; the session decides whether
//! they answer a probe.
//!
//! A client and a server that agree on more exchange [`Control`] frames, which no probe looks like.
//!
//! ```
//! use tcp_echo_wire::{Decoder, Probe, Seq, UnixNanos};
//!
//! let probe = Probe { seq: Seq(1), sent: UnixNanos(1_700_000_000_000_000_000) };
//! let bytes = probe.encode();
//!
//! let mut decoder = Decoder::new();
//! assert_eq!(decoder.feed(&bytes[..5]).count(), 0);
//! assert_eq!(decoder.feed(&bytes[5..]).next(), Some(probe));
//! ```
//!
//! The crate is `no_std`, allocates nothing and depends on nothing.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod control;
mod decoder;
mod identity;
mod prefixed;
mod probe;

pub use control::{Control, Features, PeerStamp, Segments};
pub use decoder::{Decoder, Frames};
pub use identity::{Identity, IdentityError, IdentityReader};
pub use prefixed::{PREFIXED_LEN, PrefixedDecoder};
pub use probe::{DecodeError, FRAME_LEN, Probe, Seq, UnixNanos};

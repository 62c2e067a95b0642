//! The 16-byte TCP echo probe: its codec and a stream decoder, without clock or I/O.

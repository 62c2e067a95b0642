//! The probing session of one target as a state machine. It decides when a probe is due,
//! matches replies to probes and counts losses, and does no I/O.
//!
//! Time is an argument: nothing here reads a clock, opens a socket or waits. A driver passes
//! inputs to the session (`handle_*`) and polls it for the next action ([`Session::poll`]);
//! tests do the same in virtual time.
//!
//! # The order of calls
//!
//! 1. [`Session::new`], then [`poll`](Session::poll) until it returns [`Output::Wait`]: pass
//!    on every [`Event`], write every [`Transmit`], replace the connection at
//!    [`Output::Close`]. Then wait for that time or an input.
//! 2. After [`Output::Transmit`], write the frame, with a new stamp
//!    ([`restamp`](Session::restamp)) if anything was done since the clocks were read. Call
//!    [`handle_transmitted`](Session::handle_transmitted) when the kernel has taken all of it,
//!    or [`handle_blocked`](Session::handle_blocked) if it took nothing. A partly written frame
//!    stays the session's *writing* slot until the driver has written the rest or lost the
//!    connection; slots due meanwhile are unsent.
//! 3. Pass each frame that arrives to [`handle_reply`](Session::handle_reply). When
//!    [`next_deadline`](Session::next_deadline) has passed, read everything that has arrived
//!    before polling, so that a reply in the socket is not counted as a timeout. If that is too
//!    much at once, [`poll_read_until`](Session::poll_read_until) continues without timeouts.
//!    Call [`handle_read_end`](Session::handle_read_end) after the frames of one read.
//! 4. After any `handle_*`, poll again.
//!
//! # What the peer tells
//!
//! A session [with a hello](Session::with_hello) asks the peer for its stamps and counts, by control
//! frames between the probes ([`Output::Request`]). If the peer grants them, the session splits each
//! round trip into its parts ([`Excess`]) and knows the packet loss of both
//! directions ([`Session::packet_loss_ratio`]). A peer may say who it is ([`Event::PeerIdentity`]). A peer that stops says so ([`Event::Departed`]): the
//! schedule pauses until it is back. A peer that only echoes makes no difference.
//!
//! # Invariants
//!
//! After every call: slots = sent + unsent (+ 1 while a frame is half written),
//! and sent = received + timeouts + in flight.
//!
//! ```
//! use std::time::{Duration, Instant};
//! use tcp_echo_session::{Event, Output, Probe, Session, SessionConfig, Stamp, Time, UnixNanos};
//!
//! let config = SessionConfig::new(Duration::from_millis(200), Duration::from_millis(800))?;
//! let start = Instant::now();
//! let time = |ms| Time {
//!     at: start + Duration::from_millis(ms),
//!     wall: UnixNanos(1_000_000 * i64::try_from(ms).unwrap()),
//! };
//! let mut session = Session::new(&config, start);
//! session.handle_connected(time(0).at, ([127, 0, 0, 1], 4000).into(), Duration::from_millis(3));
//!
//! let Output::Transmit(transmit) = session.poll(time(0)) else { panic!("a slot is due") };
//! session.handle_transmitted(time(0).at);
//! // … the bytes travel, and come back 3 ms later:
//! let probe = Probe::decode(&transmit.frame);
//! let event = session.handle_reply(Stamp { read: time(3), kernel: None }, probe).unwrap();
//! assert!(matches!(event, Event::Received { rtt, .. } if rtt == Duration::from_millis(3)));
//! assert_eq!(session.poll(time(3)), Output::Wait(time(200).at));
//! # Ok::<(), tcp_echo_session::ConfigError>(())
//! ```
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod adaptive;
mod config;
mod counts;
mod delays;
mod detector;
mod direction;
mod episode;
mod event;
mod evidence;
mod expired;
mod hello;
mod in_flight;
mod jitter;
mod link;
mod outcomes;
mod peer;
mod peer_clock;
mod recent;
mod schedule;
mod session;
mod span;
mod time;
mod trouble;
mod usual;

pub use config::{ConfigError, SessionConfig};
pub use counts::Counts;
pub use delays::Excess;
pub use direction::{Direction, SegmentCounts};
pub use episode::Episode;
pub use event::{Cause, ConnectFailure, DisconnectReason, Event, MtuProbe, TcpInfo, UnsentReason};
pub use session::{Output, Session, Transmit};
pub use tcp_echo_loss::{LossWindow, Outcome};
pub use tcp_echo_wire::{
    DecodeError, Decoder, FRAME_LEN, Features, Identity, IdentityError, PREFIXED_LEN,
    PrefixedDecoder, Probe, Segments, Seq, UnixNanos,
};
pub use time::{Stamp, Time};

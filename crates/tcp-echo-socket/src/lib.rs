//! The system calls of a TCP prober beyond `connect`, `read` and `write`: socket options, kernel
//! receive timestamps, `TCP_INFO` and a precise timer.
//!
//! - [`open`] opens a socket with source address and port, interface and [`Dscp`] set, ready to connect.
//!   [`is_out_of_resources`] detects a failure for want of descriptors or memory.
//! - [`configure_stream`] sets no-delay and keepalive; [`abort`] closes with a reset;
//!   [`is_self_connected`] detects a connection without a peer. [`set_quickack`] and
//!   [`set_busy_poll`] trade CPU for latency.
//! - [`enable_receive_timestamps`] and [`recv`] return when bytes reached the host, however late
//!   the process reads them; [`unread`] returns how many wait.
//! - [`tcp_info`] returns the kernel's view of a connection, [`sending`] the size of its segments,
//!   which [`set_max_segment`] limits.
//! - [`set_hop_limit`], [`set_error_queue`] and [`read_error_queue`] find the routers on the path of
//!   a handshake; [`begin_connect`] starts it, [`segments_received`] tells whether the peer has said
//!   anything, and [`disable_flow_labels`] keeps an IPv6 flow on its path.
//! - [`TimerFd`] wakes a tokio task to the microsecond.
//!
//! Every function takes a reference to any socket, of the standard library, of tokio or of
//! `socket2` (anything that converts to [`SockRef`]). The functions for each probe don't allocate.
//!
//! # Example
//!
//! One round trip, by the kernel's receive stamp if available:
//!
//! ```
//! use std::time::{SystemTime, UNIX_EPOCH};
//! use tcp_echo_socket::{ConnectOptions, configure_stream, enable_receive_timestamps, open, recv};
//! use tokio::{io::Interest, net::TcpSocket};
//!
//! # use std::io::{Read, Write};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
//! # let target = listener.local_addr()?;
//! # let server = std::thread::spawn(move || -> std::io::Result<()> {
//! #     let (mut peer, _) = listener.accept()?;
//! #     let mut frame = [0; 16];
//! #     peer.read_exact(&mut frame)?;
//! #     peer.write_all(&frame)
//! # });
//! let options = ConnectOptions {
//!     dscp: Some("ef".parse()?),
//!     ..ConnectOptions::default()
//! };
//! let opened = open(target, &options)?;
//! let stream = TcpSocket::from_std_stream(opened.socket.into())
//!     .connect(target)
//!     .await?;
//! configure_stream(&stream)?;
//! let stamped = enable_receive_timestamps(&stream).is_ok();
//!
//! stream.writable().await?;
//! let sent = SystemTime::now().duration_since(UNIX_EPOCH)?;
//! assert_eq!(stream.try_write(&[7; 16])?, 16);
//!
//! let mut buf = [0; 1024];
//! let received = stream
//!     .async_io(Interest::READABLE, || recv(&stream, &mut buf))
//!     .await?;
//! let read = SystemTime::now().duration_since(UNIX_EPOCH)?;
//! assert_eq!(&buf[..received.len], [7; 16]);
//!
//! let arrived = received.kernel.unwrap_or(read);
//! println!("round trip {:?}", arrived.saturating_sub(sent));
//! println!("this host added {:?}", read.saturating_sub(arrived));
//! # assert!(stamped || received.kernel.is_none());
//! # server.join().expect("the server")?;
//! # Ok(())
//! # }
//! ```
//!
//! # What receive stamps cost and give
//!
//! Seen on loopback, Linux 6.18, two shared cores under a load of 4 to 9:
//!
//! - A read of 16 bytes that are there took 825 ns plainly and 1115 ns through [`recv`] with a
//!   stamp: 1.34 times as long, of which 1.26 is `recvmsg` itself and the rest the stamp (medians
//!   of 400 blocks of 500 reads, the ways in turn). A reply costs 0.3 µs more, in no more system
//!   calls.
//! - At one probe every 10 ms the process's own round trip was longer than the one by stamps by
//!   10 µs (a blocking socket) and 11 to 14 µs (tokio) in the median, of round trips of 30 to
//!   80 µs, and by 0.1 to 3 ms at the 99th percentile (three runs of 800 probes each): that much
//!   of what a process measures is its own waiting for a CPU.
//! - The kernel switches stamping on for the first socket that asks. With no other such socket on
//!   the host, arrivals of the first 4 to 36 ms had no stamp; with one, every arrival had.
//!
//! # Why there are no transmit stamps
//!
//! The kernel can also stamp what leaves, and hands that out through the socket's error queue.
//! It is not worth it. With a thread of its own that polls and reads the queue (`TX_SOFTWARE`,
//! `OPT_ID` and `OPT_TSONLY`, 11,500 probes, same machine), the stamp came 5 to 8 µs after the
//! sender's own reading of `CLOCK_REALTIME` right before the write (median; 2 µs at least, 16 to
//! 27 µs at the 99th percentile), most of which is the way through TCP that a round trip should
//! count. It cost two system calls and a thread's wake-up a probe: 1.4 to 1.5 times the prober's
//! CPU, 20 µs a probe, which at an interval of 1 ms lengthened the median round trip itself from
//! 29 to 40 µs. Besides, a waiting stamp raises `EPOLLERR`, which tokio takes for a stream that is
//! closed for writing. So the sender's clock right before the write stands for the wire, and where
//! it is wrong (the process lost its CPU in between) it errs towards a longer round trip.
//!
//! # Systems
//!
//! | | Linux | macOS | others |
//! |---|---|---|---|
//! | [`open`] with a source, [`configure_stream`], [`abort`], [`is_self_connected`] | yes | yes | yes |
//! | [`open`] with an interface or a DSCP | yes | yes | refused |
//! | receive stamps | yes | plain reads | plain reads |
//! | [`unread`] | exactly | at most | at most |
//! | [`tcp_info`] | yes | in milliseconds | refused |
//! | [`set_max_segment`] | yes | yes | refused on Windows |
//! | [`sending`] | yes | refused | refused |
//! | [`set_quickack`], [`set_busy_poll`] | yes | refused | refused |
//! | [`set_hop_limit`], the error queue, [`disable_flow_labels`], [`segments_received`] | yes | refused | refused |
//! | [`TimerFd`] | yes | absent | absent |
//!
//! Refused is [`std::io::ErrorKind::Unsupported`].
//!
//! # Unsafe code
//!
//! Three blocks: `getsockopt` for `TCP_INFO`, which no library reads with its length, `setsockopt` for
//! `IPV6_AUTOFLOWLABEL`, which none sets, and the registration of the timer's descriptor with tokio. Control messages are read as bytes, by
//! offset.

#![deny(missing_docs, unsafe_code)]

#[cfg(target_os = "linux")]
mod control;
mod dscp;
mod error_queue;
mod gap;
mod hops;
mod interface;
mod mss;
mod open;
mod stream;
mod tcp_info;
#[cfg(target_os = "linux")]
mod timer_fd;
mod timestamp;

pub use socket2::{SockRef, Socket};

pub use crate::dscp::{Dscp, ParseDscpError};
pub use crate::error_queue::{SocketError, SocketErrorKind, read_error_queue, set_error_queue};
pub use crate::gap::GapDetector;
pub use crate::hops::{begin_connect, disable_flow_labels, segments_received, set_hop_limit};
pub use crate::interface::{InterfaceError, parse_interface};
pub use crate::mss::{Sending, sending, set_max_segment};
pub use crate::open::{ConnectOptions, DscpError, OpenError, Opened, is_out_of_resources, open};
pub use crate::stream::{
    KEEPALIVE, abort, configure_stream, is_self_connected, set_busy_poll, set_quickack, soft_error,
};
pub use crate::tcp_info::{DataSegments, TcpInfo, tcp_info};
#[cfg(target_os = "linux")]
pub use crate::timer_fd::TimerFd;
pub use crate::timestamp::{Received, enable_receive_timestamps, recv, unread};

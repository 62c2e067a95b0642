//! A TCP echo server with limits and counts.
//!
//! It sends every byte back unchanged, so it serves any protocol that expects an echo (RFC 862).
//! Only a client that begins with a hello of `tcp-echo-wire` gets frames with the server's
//! timestamps, and the server's count of lost segments. It is made to run unattended, and to add as little as possible to the
//! round-trip time that its peers measure.
//!
//! - [`Address`] is an address as written on a command line; `:4000` is every address of the host,
//!   of both families.
//! - [`ServerConfig`] sets the limits: allowed networks, connections in total and per client,
//!   idle timeout, and slow reader timeout.
//! - [`Server`] binds, then runs until a future resolves. Nothing outlives [`Server::run`].
//! - [`RunningServer`] is a server on a thread of its own, started by [`Server::start`].
//! - [`ServerHandle`] stops a server from elsewhere, and waits for its end.
//! - [`ServerStats`] are the counts, readable at any time from any thread.
//!
//! ```
//! use tcp_echo_server::{Address, Server, ServerConfig};
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//! use tokio::net::TcpStream;
//! use tokio::sync::oneshot;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let address: Address = "127.0.0.1:0".parse()?;
//! let server = Server::bind(&address, ServerConfig::default()).await?;
//! let address = server.local_addr();
//! let stats = server.stats();
//!
//! let (stop, stopped) = oneshot::channel::<()>();
//! let running = tokio::spawn(server.run(async {
//!     let _ = stopped.await;
//! }));
//!
//! let mut peer = TcpStream::connect(address).await?;
//! peer.write_all(b"echo").await?;
//! let mut back = [0; 4];
//! peer.read_exact(&mut back).await?;
//! assert_eq!(&back, b"echo");
//! assert_eq!(stats.connections(), 1);
//!
//! drop(stop);
//! running.await??;
//! assert_eq!(stats.connections(), 0);
//! assert_eq!(stats.echoed_bytes(), 4);
//! # Ok(())
//! # }
//! ```
//!
//! # Fairness
//!
//! One thread serves all connections, in rounds over the clients: an IPv4 address is a client, or
//! the /64 of an IPv6 address. After every few echoes it looks for new bytes. So a client
//! with a thousand busy connections delays the one probe of another client by a few echoes, and
//! not by a thousand. Within a client, connections that send more than 128 probes at once wait
//! behind the others.
//!
//! # What a connection costs
//!
//! One socket, and less than 200 bytes. There is no buffer per connection: the thread reads into
//! one buffer and writes it back at once. Only bytes that the peer's socket did not take are kept,
//! and nothing more is read from that peer until they are gone.
//!
//! # Threads
//!
//! [`Server::run`] starts a thread and waits for it inside any tokio runtime, so nothing else
//! there delays an echo. [`Server::run_blocking`] serves on the caller's thread, without a
//! runtime, until a [`ServerHandle`] stops it.

#![forbid(unsafe_code)]

mod accept;
mod clients;
mod config;
mod connection;
mod control;
mod deadlines;
mod event_loop;
mod fair_queue;
mod greeted;
mod limiter;
mod options;
mod running;
mod server;
mod stats;

pub use clients::ClientStats;
pub use config::ServerConfig;
pub use control::ServerHandle;
pub use running::RunningServer;
pub use server::Server;
pub use stats::{CloseReason, RejectReason, ServerStats};
pub use tcp_echo_net::{Address, AddressError, BindError, Networks, NetworksError};
pub use tcp_echo_wire::{Identity, IdentityError};

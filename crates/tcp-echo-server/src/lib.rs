//! A TCP echo server with limits and counts.
//!
//! It sends every byte back unchanged and decodes nothing, so it answers any protocol that
//! expects an echo (RFC 862). It is made to run unattended for long, and to add as little as it
//! can to the round-trip time that its peers measure.
//!
//! - [`Address`] is an address as it is written on a command line; `:4000` is every address of
//!   the host, of both families.
//! - [`ServerConfig`] sets the limits: whose connections are served, how many in all and of one
//!   address, how long one may be silent, and how long a peer may leave its echo unread.
//! - [`Server`] binds, then runs inside the caller's runtime until a future of the caller's
//!   choice resolves. Nothing outlives [`Server::run`].
//! - [`ServerStats`] are the counts, to be read at any time from any thread.
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
//! running.await?;
//! assert_eq!(stats.connections(), 0);
//! assert_eq!(stats.echoed_bytes(), 4);
//! # Ok(())
//! # }
//! ```
//!
//! # What a connection costs
//!
//! One task, one socket and one timer: about a kilobyte. There is no buffer per connection: every
//! thread of the runtime reads into one of its own and writes it back at once. Only what the
//! peer's socket did not take is kept, and nothing more is read from that peer until it is gone.
//!
//! # Which runtime
//!
//! Any tokio runtime with I/O and time enabled. A current-thread runtime on a thread of its own
//! gives the shortest round trips; in a multi-thread runtime the connections spread over the
//! workers.

#![forbid(unsafe_code)]

mod accept;
mod config;
mod connection;
mod deadline;
mod door;
mod episode;
mod gate;
mod listen;
mod options;
mod server;
mod stats;
mod turns;

pub use config::ServerConfig;
pub use listen::{BindError, adopt, listen};
pub use server::Server;
pub use stats::{CloseReason, RejectReason, ServerStats};
pub use tcp_echo_address::{Address, AddressError, Networks, NetworksError};

//! Everything against the real kernel, on loopback.

#![expect(clippy::unwrap_used, reason = "that is how a test fails")]

#[cfg(target_os = "linux")]
mod hops;
mod open;
mod stream;
#[cfg(target_os = "linux")]
mod tcp_info;
mod timestamp;

use std::net::{TcpListener, TcpStream};
use std::time::Duration;

/// Two ends of a connection, neither of which waits for ever.
fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (far, _) = listener.accept().unwrap();
    for end in [&near, &far] {
        end.set_nodelay(true).unwrap();
        end.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    }
    (near, far)
}

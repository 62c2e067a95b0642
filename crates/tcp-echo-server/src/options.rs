//! Socket options.

use std::io;
use std::net::TcpListener;
use std::time::Duration;

use mio::net::TcpStream;
use socket2::{SockRef, TcpKeepalive};

/// TCP keepalive: idle time and interval.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// The receive buffer of a connection.
///
/// By default Linux lets it grow to 6 or 32 MiB, and ten thousand peers that send without reading
/// use up the host's memory for TCP. This is enough for four thousand probes. (Linux doubles the
/// number for its own overhead.)
const RECEIVE_BUFFER: usize = 64 * 1024;

/// How many unsent bytes the kernel may hold (`TCP_NOTSENT_LOWAT`).
///
/// Bytes in flight don't count: Linux limits them by the path. So short intervals on long paths
/// have room, while a peer that does not read costs no more than this.
#[cfg(any(target_os = "linux", target_os = "android"))]
const UNSENT: u32 = 16 * 1024;

/// Bounds the kernel's buffers of future connections. They inherit the options from the listener:
/// in force from the first segment, without a system call per connection.
pub(crate) fn bound_buffers(listener: &TcpListener) -> io::Result<()> {
    let socket = SockRef::from(listener);
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    socket.set_tcp_notsent_lowat(UNSENT)?;
    Ok(())
}

/// Disables Nagle's algorithm and enables keepalive.
pub(crate) fn prepare(stream: &TcpStream) -> io::Result<()> {
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE);
    // OpenBSD and Haiku have no interval.
    #[cfg(any(
        target_os = "linux",
        target_os = "macos",
        target_os = "freebsd",
        windows
    ))]
    let keepalive = keepalive.with_interval(KEEPALIVE);
    stream.set_nodelay(true)?;
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::net::{Ipv4Addr, TcpListener, TcpStream};

    use socket2::SockRef;

    use super::{RECEIVE_BUFFER, UNSENT, bound_buffers, prepare};

    #[test]
    fn connections_inherit_the_bounds() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        bound_buffers(&listener).unwrap();
        let _peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, _) = listener.accept().unwrap();
        let stream = mio::net::TcpStream::from_std(stream);
        prepare(&stream).unwrap();
        let socket = SockRef::from(&stream);
        assert_eq!(socket.recv_buffer_size().unwrap(), 2 * RECEIVE_BUFFER);
        assert_eq!(socket.tcp_notsent_lowat().unwrap(), UNSENT);
        assert!(socket.keepalive().unwrap() && stream.nodelay().unwrap());
    }
}

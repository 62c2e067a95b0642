//! Options of sockets.

use std::io;
use std::net::TcpListener;
use std::time::Duration;

use mio::net::TcpStream;
use socket2::{SockRef, TcpKeepalive};

/// After how long without traffic the kernel asks the peer, and how often.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// How much the kernel may take in before it is read.
///
/// Left to itself, Linux lets this grow to 6 or 32 MiB a connection, and ten thousand peers that
/// send without reading take all that the host has for TCP. A probe is read at once and has 16
/// bytes; this is four thousand of them. (Linux counts its own overhead too, and doubles the number
/// for it.)
const RECEIVE_BUFFER: usize = 64 * 1024;

/// How much the kernel may hold that it can't yet send.
///
/// What is on its way and not yet acknowledged is not among it and stays Linux's to limit, by the
/// path's own measure. So short intervals on long paths have the room that they need, while a peer
/// that does not read, whose window is shut, costs this and no more.
#[cfg(any(target_os = "linux", target_os = "android"))]
const UNSENT: u32 = 16 * 1024;

/// Bounds what the kernel keeps for each connection that will come. The connections inherit it:
/// so it is in force from the first segment, and costs no system call for each.
pub(crate) fn bound_buffers(listener: &TcpListener) -> io::Result<()> {
    let socket = SockRef::from(listener);
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    socket.set_tcp_notsent_lowat(UNSENT)?;
    Ok(())
}

/// No delay of small segments, and a question now and then to peers that are silent.
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

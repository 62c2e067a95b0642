//! Receive timestamps by the kernel.

use std::io;
use std::time::Duration;

use socket2::SockRef;

/// The result of [`recv`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[must_use]
pub struct Received {
    /// The number of bytes; 0 at the end of the stream.
    pub len: usize,
    /// When the last segment whose bytes were read reached this host, since the Unix epoch by
    /// `CLOCK_REALTIME`; `None` without a stamp.
    pub kernel: Option<Duration>,
}

/// Enables receive timestamps on `socket`, for [`recv`]: `SO_TIMESTAMPING`
/// with `SOF_TIMESTAMPING_RX_SOFTWARE` and `SOF_TIMESTAMPING_SOFTWARE`. It needs no privilege, and
/// asks for no transmit timestamps, whose delivery looks like an error to an event loop.
///
/// The first such socket on a host makes the kernel enable stamping, by a deferred work item: the
/// first segments may have no stamp.
///
/// # Errors
///
/// The system's; [`io::ErrorKind::Unsupported`] other than on Linux.
pub fn enable_receive_timestamps<'s>(socket: impl Into<SockRef<'s>>) -> io::Result<()> {
    sys::enable(&socket.into())
}

/// Reads once from a stream, with the kernel's stamp if available. One system call, no allocation.
/// Without [`enable_receive_timestamps`], and other than on Linux, it is a plain read.
///
/// On a stream the stamp belongs to the **last segment** whose bytes were read. The kernel also
/// joins segments that wait in the receive queue and keeps the later stamp (`tcp_try_coalesce` in
/// `net/ipv4/tcp_input.c`), even if only the earlier one's bytes are then read. So the stamp of a
/// read is an upper bound for every frame in it: exact for the last one that had arrived by then,
/// late by the distance between arrivals for those before it. A reader that keeps up, one read a
/// segment, sees exact stamps. (On loopback, where sender and receiver share the segment's memory,
/// none is joined before it is acknowledged.)
///
/// # Errors
///
/// The system's, as `read` has them, [`io::ErrorKind::WouldBlock`] among them.
pub fn recv<'s>(socket: impl Into<SockRef<'s>>, buf: &mut [u8]) -> io::Result<Received> {
    sys::recv(&socket.into(), buf)
}

/// How many bytes have arrived on a stream and wait to be read: exactly on Linux (`FIONREAD`);
/// elsewhere at most so many, the size of the receive buffer.
///
/// # Errors
///
/// The system's.
pub fn unread<'s>(socket: impl Into<SockRef<'s>>) -> io::Result<usize> {
    sys::unread(&socket.into())
}

#[cfg(target_os = "linux")]
mod sys {
    use std::io::{self, IoSliceMut};
    use std::os::fd::AsRawFd;

    use nix::sys::socket::{MsgFlags, TimestampingFlag, recvmsg, setsockopt, sockopt};
    use socket2::Socket;

    use super::Received;
    use crate::control::software_stamp;

    /// Room for the stamp, which TCP writes first, and for what others may have asked of the
    /// socket. Aligned as `struct cmsghdr` is.
    #[repr(align(8))]
    struct Control([u8; 128]);

    pub(super) fn enable(socket: &Socket) -> io::Result<()> {
        let flags = TimestampingFlag::SOF_TIMESTAMPING_RX_SOFTWARE
            | TimestampingFlag::SOF_TIMESTAMPING_SOFTWARE;
        Ok(setsockopt(socket, sockopt::Timestamping, &flags)?)
    }

    pub(super) fn recv(socket: &Socket, buf: &mut [u8]) -> io::Result<Received> {
        // Zeroed, so that the first message that the kernel did not write has no length.
        let mut control = Control([0; 128]);
        let mut buf = [IoSliceMut::new(buf)];
        let len = recvmsg::<()>(
            socket.as_raw_fd(),
            &mut buf,
            Some(&mut control.0),
            MsgFlags::empty(),
        )?
        .bytes;
        let kernel = software_stamp(&control.0);
        Ok(Received { len, kernel })
    }

    pub(super) fn unread(socket: &Socket) -> io::Result<usize> {
        let bytes = rustix::io::ioctl_fionread(socket)?;
        Ok(usize::try_from(bytes).unwrap_or(usize::MAX))
    }
}

#[cfg(not(target_os = "linux"))]
mod sys {
    use std::io::{self, Read};

    use socket2::Socket;

    use super::Received;

    pub(super) fn enable(_: &Socket) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn recv(mut socket: &Socket, buf: &mut [u8]) -> io::Result<Received> {
        let len = socket.read(buf)?;
        Ok(Received { len, kernel: None })
    }

    pub(super) fn unread(socket: &Socket) -> io::Result<usize> {
        socket.recv_buffer_size()
    }
}

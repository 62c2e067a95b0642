//! Errors that routers report about the packets of a socket.

use std::io;
use std::net::IpAddr;

use socket2::SockRef;

/// An error from the queue of a socket, of [`read_error_queue`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SocketError {
    /// Who reported it: the address of a router or of the peer; `None` for this host itself.
    pub offender: Option<IpAddr>,
    /// The code that a call on the socket fails with.
    pub errno: i32,
    /// What was reported.
    pub kind: SocketErrorKind,
}

/// What a [`SocketError`] says.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SocketErrorKind {
    /// A router has dropped a packet that has travelled as many hops as it may (ICMP time exceeded).
    TimeExceeded,
    /// A router, or the peer's host, can't or won't deliver (ICMP destination unreachable).
    Unreachable,
    /// Anything else: the MTU, an invalid header, an error of this host.
    Other,
}

/// Queues errors that routers report, for [`read_error_queue`] (`IP_RECVERR`, `IPV6_RECVERR`), or
/// stops it and empties the queue.
///
/// While it is on, such an error ends a TCP connection, so switch it off when the handshake is
/// complete. On TCP the kernel queues errors only during the handshake, for programs without
/// privileges since Linux 5.8.
///
/// # Errors
///
/// The system's; [`io::ErrorKind::Unsupported`] other than on Linux.
pub fn set_error_queue<'s>(socket: impl Into<SockRef<'s>>, on: bool) -> io::Result<()> {
    sys::set(&socket.into(), on)
}

/// Takes the oldest error from the queue of `socket`; `None` if there is none. Does not block.
///
/// The error of the socket itself, which a failed `connect` or `SO_ERROR` takes, is apart: the queue
/// stays.
///
/// # Errors
///
/// The system's; [`io::ErrorKind::Unsupported`] other than on Linux.
pub fn read_error_queue<'s>(socket: impl Into<SockRef<'s>>) -> io::Result<Option<SocketError>> {
    sys::read(&socket.into())
}

#[cfg(target_os = "linux")]
mod sys {
    use std::io;
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
    use std::os::fd::AsRawFd as _;

    use nix::errno::Errno;
    use nix::sys::socket::{MsgFlags, recvmsg, setsockopt, sockopt};
    use socket2::{Domain, Socket};

    use super::{SocketError, SocketErrorKind};
    use crate::control::{Message, bytes, messages};

    /// Room for the error and its sender, and for what others may have asked of the socket. Aligned as
    /// `struct cmsghdr` is.
    #[repr(align(8))]
    struct Control([u8; 256]);

    pub(super) fn set(socket: &Socket, on: bool) -> io::Result<()> {
        if socket.domain()? == Domain::IPV6 {
            setsockopt(socket, sockopt::Ipv6RecvErr, &on)?;
        }
        // For IPv4-mapped addresses too.
        Ok(setsockopt(socket, sockopt::Ipv4RecvErr, &on)?)
    }

    pub(super) fn read(socket: &Socket) -> io::Result<Option<SocketError>> {
        let mut control = Control([0; 256]);
        let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
        match recvmsg::<()>(socket.as_raw_fd(), &mut [], Some(&mut control.0), flags) {
            Ok(_) => Ok(messages(&control.0).find_map(|message| parse(&message))),
            Err(Errno::EAGAIN) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The offsets in `struct sock_extended_err` of `linux/errqueue.h`, which the address of the
    /// sender follows.
    const ORIGIN: usize = 4;
    const TYPE: usize = 5;
    const CODE: usize = 6;
    const OFFENDER: usize = 16;

    fn parse(message: &Message<'_>) -> Option<SocketError> {
        match (message.level, message.kind) {
            (libc::IPPROTO_IP, libc::IP_RECVERR) | (libc::IPPROTO_IPV6, libc::IPV6_RECVERR) => {}
            _ => return None,
        }
        let error = message.payload;
        Some(SocketError {
            offender: address(error.get(OFFENDER..)?),
            errno: i32::from_ne_bytes(bytes(error, 0)?),
            kind: kind(*error.get(ORIGIN)?, *error.get(TYPE)?, *error.get(CODE)?),
        })
    }

    fn kind(origin: u8, kind: u8, code: u8) -> SocketErrorKind {
        match (origin, kind, code) {
            // Code 1 is a fragment that did not come in time.
            (libc::SO_EE_ORIGIN_ICMP, 11, 0) | (libc::SO_EE_ORIGIN_ICMP6, 3, 0) => {
                SocketErrorKind::TimeExceeded
            }
            // The MTU is too small: RFC 1191.
            (libc::SO_EE_ORIGIN_ICMP, 3, 4) => SocketErrorKind::Other,
            (libc::SO_EE_ORIGIN_ICMP, 3, _) | (libc::SO_EE_ORIGIN_ICMP6, 1, _) => {
                SocketErrorKind::Unreachable
            }
            _ => SocketErrorKind::Other,
        }
    }

    /// Reads a `sockaddr_in` or `sockaddr_in6`: family, port, and the address, which an IPv6 one has
    /// behind its flow label.
    fn address(from: &[u8]) -> Option<IpAddr> {
        match u16::from_ne_bytes(bytes(from, 0)?).into() {
            libc::AF_INET => Some(Ipv4Addr::from(bytes::<4>(from, 4)?).into()),
            libc::AF_INET6 => {
                Some(IpAddr::from(Ipv6Addr::from(bytes::<16>(from, 8)?)).to_canonical())
            }
            _ => None,
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        /// An error as the kernel writes it, and the address of its sender.
        fn payload(origin: u8, kind: u8, code: u8, sender: &[u8]) -> Vec<u8> {
            let mut payload = libc::EHOSTUNREACH.to_ne_bytes().to_vec();
            payload.extend([origin, kind, code, 0]);
            payload.extend([0; 8]);
            payload.extend(sender);
            payload
        }

        fn sender(address: &str) -> Vec<u8> {
            match address.parse().unwrap() {
                IpAddr::V4(ip) => {
                    let mut sender = u16::try_from(libc::AF_INET).unwrap().to_ne_bytes().to_vec();
                    sender.extend([0; 2]);
                    sender.extend(ip.octets());
                    sender.extend([0; 8]);
                    sender
                }
                IpAddr::V6(ip) => {
                    let mut sender = u16::try_from(libc::AF_INET6)
                        .unwrap()
                        .to_ne_bytes()
                        .to_vec();
                    sender.extend([0; 6]);
                    sender.extend(ip.octets());
                    sender.extend([0; 4]);
                    sender
                }
            }
        }

        fn parsed(payload: &[u8]) -> Option<SocketError> {
            parse(&Message {
                level: libc::IPPROTO_IP,
                kind: libc::IP_RECVERR,
                payload,
            })
        }

        #[test]
        fn errors_of_both_families_are_read() {
            use SocketErrorKind::{Other, TimeExceeded, Unreachable};
            for (origin, kind, code, from, told) in [
                (2, 11, 0, "192.0.2.1", TimeExceeded),
                (2, 11, 1, "192.0.2.1", Other),
                (2, 3, 1, "192.0.2.1", Unreachable),
                (2, 3, 13, "192.0.2.1", Unreachable),
                (2, 3, 4, "192.0.2.1", Other),
                (2, 12, 0, "192.0.2.1", Other),
                (3, 3, 0, "2001:db8::1", TimeExceeded),
                (3, 1, 4, "2001:db8::1", Unreachable),
                (3, 2, 0, "2001:db8::1", Other),
            ] {
                let error = parsed(&payload(origin, kind, code, &sender(from))).unwrap();
                assert_eq!(error.kind, told, "{origin} {kind} {code}");
                assert_eq!(error.offender, Some(from.parse().unwrap()));
                assert_eq!(error.errno, libc::EHOSTUNREACH);
            }
        }

        #[test]
        fn a_mapped_address_is_one_of_ipv4() {
            let error = parsed(&payload(2, 11, 0, &sender("::ffff:192.0.2.1"))).unwrap();
            assert_eq!(error.offender, Some([192, 0, 2, 1].into()));
        }

        #[test]
        fn an_error_of_this_host_has_no_sender() {
            let error = parsed(&payload(1, 0, 0, &[0; 16])).unwrap();
            assert_eq!((error.offender, error.kind), (None, SocketErrorKind::Other));
        }

        #[test]
        fn what_is_cut_anywhere_names_nobody() {
            let whole = payload(2, 11, 0, &sender("192.0.2.1"));
            for len in 0..OFFENDER + 8 {
                let error = parsed(&whole[..len]);
                assert_eq!(error.and_then(|error| error.offender), None, "{len} bytes");
            }
            assert!(parsed(&whole[..OFFENDER + 8]).unwrap().offender.is_some());
        }

        #[test]
        fn other_messages_are_no_error() {
            let payload = payload(2, 11, 0, &sender("192.0.2.1"));
            for (level, kind) in [
                (libc::IPPROTO_IP, libc::IP_TTL),
                (libc::SOL_SOCKET, libc::IP_RECVERR),
            ] {
                let message = Message {
                    level,
                    kind,
                    payload: &payload,
                };
                assert_eq!(parse(&message), None);
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod sys {
    use std::io;

    use socket2::Socket;

    use super::SocketError;

    pub(super) fn set(_: &Socket, _: bool) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn read(_: &Socket) -> io::Result<Option<SocketError>> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

//! The size of a connection's segments.

use std::io;

use socket2::SockRef;

/// What a connection has sent, from [`sending`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Sending {
    /// The maximum segment size in force, with the options that each segment has: a full packet is as
    /// long, and the headers of IP and TCP without options.
    pub segment: u16,
    /// Segments sent that the peer has not acknowledged.
    pub unacknowledged: u32,
}

/// Limits the segments of both directions of a connection (`TCP_MAXSEG`), in bytes with the options
/// that each segment has. Call it before the handshake, which tells the peer.
///
/// # Errors
///
/// The system's; [`io::ErrorKind::Unsupported`] other than on Unix.
pub fn set_max_segment<'s>(socket: impl Into<SockRef<'s>>, bytes: u16) -> io::Result<()> {
    let socket = socket.into();
    #[cfg(unix)]
    return socket.set_tcp_mss(bytes.into());
    #[cfg(not(unix))]
    {
        let _ = (socket, bytes);
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Reads what a connection has sent (`TCP_INFO`).
///
/// # Errors
///
/// The system's; [`io::ErrorKind::Unsupported`] other than on Linux.
pub fn sending<'s>(socket: impl Into<SockRef<'s>>) -> io::Result<Sending> {
    let socket = socket.into();
    #[cfg(target_os = "linux")]
    let sending = {
        let mut info = [0; linux::LEN];
        linux::parse(crate::tcp_info::tcp_option(
            &socket,
            libc::TCP_INFO,
            &mut info,
        )?)
    };
    #[cfg(not(target_os = "linux"))]
    let sending = {
        let _ = socket;
        None
    };
    sending.ok_or_else(|| io::ErrorKind::Unsupported.into())
}

#[cfg(target_os = "linux")]
mod linux {
    use std::mem::offset_of;

    use super::Sending;

    const OPTIONS: usize = 5;
    const SND_MSS: usize = offset_of!(libc::tcp_info, tcpi_snd_mss);
    const UNACKED: usize = offset_of!(libc::tcp_info, tcpi_unacked);
    pub(super) const LEN: usize = UNACKED + 4;

    /// Each segment has timestamps (RFC 7323): `TCPI_OPT_TIMESTAMPS`.
    const OPTION_TIMESTAMPS: u8 = 1;
    /// Their length, aligned.
    const TIMESTAMPS_LEN: u32 = 12;

    pub(super) fn parse(info: &[u8]) -> Option<Sending> {
        let number = |at: usize| Some(u32::from_ne_bytes(*info.get(at..)?.first_chunk()?));
        let mut segment = number(SND_MSS)?;
        if info.get(OPTIONS)? & OPTION_TIMESTAMPS != 0 {
            segment += TIMESTAMPS_LEN;
        }
        Some(Sending {
            segment: u16::try_from(segment).unwrap_or(u16::MAX),
            unacknowledged: number(UNACKED)?,
        })
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn segments_count_with_their_timestamps() {
            let mut info = [0xee; LEN];
            info[SND_MSS..SND_MSS + 4].copy_from_slice(&1448_u32.to_ne_bytes());
            info[UNACKED..UNACKED + 4].copy_from_slice(&3_u32.to_ne_bytes());
            for (options, segment) in [(OPTION_TIMESTAMPS | 2, 1460), (2, 1448)] {
                info[OPTIONS] = options;
                let sending = Sending {
                    segment,
                    unacknowledged: 3,
                };
                assert_eq!(parse(&info), Some(sending));
            }
            assert_eq!(parse(&info[..LEN - 1]), None);
        }
    }
}

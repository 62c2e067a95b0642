//! The kernel's view of a connection.

use std::io;
use std::time::Duration;

use socket2::SockRef;

/// The kernel's view of a connection, from [`tcp_info`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[non_exhaustive]
pub struct TcpInfo {
    /// The smoothed round-trip time (RFC 6298); in whole milliseconds on macOS.
    pub srtt: Duration,
    /// The variation of the round-trip time (RFC 6298), as precise as [`srtt`](Self::srtt).
    pub rttvar: Duration,
    /// The minimum round-trip time in the kernel's sliding window (five minutes by default), if
    /// measured; `None` before Linux 4.6 and on macOS.
    pub min_rtt: Option<Duration>,
    /// Retransmitted segments of the connection. Linux counts in 32 bits.
    pub total_retransmits: u64,
    /// Data segments of the connection, in this direction; `None` before Linux 4.18 and on other
    /// systems.
    pub data_segments: Option<DataSegments>,
    /// Segments that arrived before an earlier one, which was lost or overtaken; 32 bits, wrapping.
    /// `None` before Linux 5.4 and on other systems.
    pub out_of_order: Option<u32>,
    /// Bytes sent again; `None` before Linux 4.19 and on other systems, as are the next two.
    pub bytes_retransmitted: Option<u64>,
    /// Segments delivered with a congestion mark (RFC 3168), as the peer reports them; 32 bits, wrapping.
    pub delivered_ce: Option<u32>,
    /// How often segments were seen to have overtaken others; 32 bits, wrapping.
    pub reorderings: Option<u32>,
    /// The path MTU in bytes, as the kernel knows it; `None` on other systems than Linux.
    pub path_mtu: Option<u32>,
    /// How often the kernel has changed the hash of the flow after a timeout, so that the network may
    /// choose another path; 32 bits, wrapping. `None` before Linux 6.2 and on other systems.
    pub rehashes: Option<u32>,
    /// How often the retransmission timeout has expired; 16 bits, wrapping. `None` before Linux 6.7
    /// and on other systems.
    pub retransmission_timeouts: Option<u16>,
    /// How long ago the last acknowledgement arrived; `None` on other systems than Linux, as are
    /// the next two.
    pub since_ack: Option<Duration>,
    /// Segments in flight that the peer has received after others that it has not (RFC 2018).
    pub sacked: Option<u32>,
    /// Segments that have arrived, with those that carry no data and those that had arrived before;
    /// 32 bits, wrapping. `None` before Linux 4.2.
    pub received_segments: Option<u32>,
    /// Whether the connection is established and has sent the oldest segment in flight again, without
    /// an acknowledgement so far.
    pub is_retransmitting: bool,
}

/// What the kernel knows of the data segments that it has sent on a connection. Both counts are 32
/// bits wide and wrap.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct DataSegments {
    /// Data segments sent, with retransmissions.
    pub sent: u32,
    /// Those that were neither delivered nor are in flight: lost on the way.
    ///
    /// It may fall for a moment, when a segment that counted as lost turns out to be late.
    pub lost: u32,
}

/// Reads the kernel's view of a connection: `TCP_INFO` on Linux, `TCP_CONNECTION_INFO` on macOS.
/// One system call, no allocation.
///
/// # Errors
///
/// The system's, such as for a socket that is not TCP; [`io::ErrorKind::Unsupported`] on other
/// systems, and if the kernel returns less than Linux 2.6 does.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// use std::net::{TcpListener, TcpStream};
///
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let stream = TcpStream::connect(listener.local_addr()?)?;
/// # if cfg!(target_os = "linux") {
/// let info = tcp_echo_socket::tcp_info(&stream)?;
/// println!("the handshake took about {:?}", info.srtt);
/// assert_eq!(info.total_retransmits, 0);
/// # }
/// # Ok(())
/// # }
/// ```
pub fn tcp_info<'s>(socket: impl Into<SockRef<'s>>) -> io::Result<TcpInfo> {
    let socket = socket.into();
    #[cfg(target_os = "linux")]
    let info = linux::parse(tcp_option(&socket, libc::TCP_INFO, &mut [0; linux::LEN])?);
    #[cfg(target_os = "macos")]
    let info = macos::parse(tcp_option(
        &socket,
        libc::TCP_CONNECTION_INFO,
        &mut [0; macos::LEN],
    )?);
    #[cfg(not(any(target_os = "linux", target_os = "macos")))]
    let info = {
        let _ = socket;
        None
    };
    info.ok_or_else(|| io::ErrorKind::Unsupported.into())
}

/// Reads an option of level TCP into `buf`. Returns the part that the kernel has filled, less than
/// all of it if the kernel is older than the structure.
#[cfg(any(target_os = "linux", target_os = "macos"))]
#[expect(
    unsafe_code,
    reason = "no library reads these options with their length"
)]
pub(crate) fn tcp_option<'b>(
    socket: &socket2::Socket,
    option: libc::c_int,
    buf: &'b mut [u8],
) -> io::Result<&'b [u8]> {
    use std::os::fd::AsRawFd;

    let mut len = libc::socklen_t::try_from(buf.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: the descriptor is open for as long as `socket` is borrowed. The kernel writes at
    // most `len` bytes to the start of `buf`, which has as many and may hold any bytes, and the
    // new length to `len`; both outlive the call, which keeps neither pointer.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            option,
            buf.as_mut_ptr().cast(),
            &raw mut len,
        )
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    let len = usize::try_from(len).map_or(buf.len(), |len| len.min(buf.len()));
    Ok(&buf[..len])
}

#[cfg(any(target_os = "linux", target_os = "macos", test))]
fn u32_at(info: &[u8], at: usize) -> Option<u32> {
    bytes_at(info, at).map(u32::from_ne_bytes)
}

#[cfg(any(target_os = "linux", target_os = "macos", test))]
fn bytes_at<const N: usize>(info: &[u8], at: usize) -> Option<[u8; N]> {
    info.get(at..)?.first_chunk().copied()
}

/// `struct tcp_info` of `linux/tcp.h`, which only ever grows at its end.
#[cfg(target_os = "linux")]
mod linux {
    use std::mem::offset_of;
    use std::time::Duration;

    use super::{DataSegments, TcpInfo, bytes_at, u32_at};

    const STATE: usize = 0;
    const RETRANSMITS: usize = 2;
    const OPTIONS: usize = 5;
    const UNACKED: usize = 24;
    const SACKED: usize = 28;
    const LOST: usize = 32;
    const RETRANS: usize = 36;
    const LAST_ACK_RECV: usize = 56;
    const PMTU: usize = 60;
    const RTT: usize = 68;
    const RTTVAR: usize = 72;
    const TOTAL_RETRANS: usize = 100;
    /// Written out, since not every C library's structure reaches so far.
    const SEGS_IN: usize = 140;
    /// Since Linux 4.6. Written out, since not every C library's structure reaches so far.
    const MIN_RTT: usize = 148;
    // All of these are written out for the same reason.
    const DATA_SEGS_OUT: usize = 156;
    const DELIVERED: usize = 192;
    const DELIVERED_CE: usize = 196;
    const BYTES_RETRANS: usize = 208;
    const DSACK_DUPS: usize = 216;
    const REORD_SEEN: usize = 220;
    const RCV_OOOPACK: usize = 224;
    const REHASH: usize = 236;
    const TOTAL_RTO: usize = 240;
    pub(super) const LEN: usize = 256;

    /// `TCP_ESTABLISHED`.
    const ESTABLISHED: u8 = 1;

    /// Both ends acknowledge selectively (RFC 2018): `TCPI_OPT_SACK`.
    const OPTION_SACK: u8 = 2;

    const _: () = {
        assert!(LAST_ACK_RECV == offset_of!(libc::tcp_info, tcpi_last_ack_recv));
        assert!(PMTU == offset_of!(libc::tcp_info, tcpi_pmtu));
        assert!(RTT == offset_of!(libc::tcp_info, tcpi_rtt));
        assert!(RTTVAR == offset_of!(libc::tcp_info, tcpi_rttvar));
        assert!(TOTAL_RETRANS == offset_of!(libc::tcp_info, tcpi_total_retrans));
    };
    #[cfg(any(target_env = "gnu", target_env = "musl"))]
    const _: () = assert!(MIN_RTT == offset_of!(libc::tcp_info, tcpi_min_rtt));

    pub(super) fn parse(info: &[u8]) -> Option<TcpInfo> {
        let micros = |at| Some(Duration::from_micros(u32_at(info, at)?.into()));
        Some(TcpInfo {
            srtt: micros(RTT)?,
            rttvar: micros(RTTVAR)?,
            // All ones until the first measurement.
            min_rtt: micros(MIN_RTT).filter(|rtt| *rtt != Duration::from_micros(u32::MAX.into())),
            total_retransmits: u32_at(info, TOTAL_RETRANS)?.into(),
            data_segments: data_segments(info),
            out_of_order: u32_at(info, RCV_OOOPACK),
            bytes_retransmitted: bytes_at(info, BYTES_RETRANS).map(u64::from_ne_bytes),
            delivered_ce: u32_at(info, DELIVERED_CE),
            reorderings: u32_at(info, REORD_SEEN),
            path_mtu: u32_at(info, PMTU),
            rehashes: u32_at(info, REHASH),
            retransmission_timeouts: bytes_at(info, TOTAL_RTO).map(u16::from_ne_bytes),
            since_ack: u32_at(info, LAST_ACK_RECV).map(|ms| Duration::from_millis(ms.into())),
            sacked: u32_at(info, SACKED),
            received_segments: u32_at(info, SEGS_IN),
            is_retransmitting: *info.get(STATE)? == ESTABLISHED && *info.get(RETRANSMITS)? > 0,
        })
    }

    /// With SACK, what was sent and is neither delivered nor in flight is lost.
    ///
    /// The count of retransmissions, less the duplicates that the peer reports (DSACK, RFC 2883),
    /// is not enough: the kernel joins small segments that are lost together into one
    /// retransmission (`tcp_retrans_try_collapse`), and so a fifth of loss would look like a
    /// sixth. Joined segments leave `packets_out`, so they are not delivered. A retransmission that
    /// was not necessary counts as delivered when its duplicate is reported. Without SACK
    /// the kernel does not know what was delivered, and retransmissions have to do.
    fn data_segments(info: &[u8]) -> Option<DataSegments> {
        let sent = u32_at(info, DATA_SEGS_OUT)?;
        let lost = if info.get(OPTIONS)? & OPTION_SACK != 0 {
            // The SYN, or its acknowledgement, counts as delivered.
            let delivered = u32_at(info, DELIVERED)?.wrapping_sub(1);
            // As `tcp_packets_in_flight` has it.
            let in_flight = u32_at(info, UNACKED)?
                .wrapping_sub(u32_at(info, SACKED)?)
                .wrapping_sub(u32_at(info, LOST)?)
                .wrapping_add(u32_at(info, RETRANS)?);
            sent.wrapping_sub(delivered).wrapping_sub(in_flight)
        } else {
            u32_at(info, TOTAL_RETRANS)?.wrapping_sub(u32_at(info, DSACK_DUPS)?)
        };
        Some(DataSegments { sent, lost })
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        fn sample() -> [u8; LEN] {
            let mut info = [0xee; LEN];
            info[STATE] = ESTABLISHED;
            info[RETRANSMITS] = 0;
            info[OPTIONS] = OPTION_SACK;
            for (at, value) in [
                (UNACKED, 10_u32),
                (SACKED, 3),
                (LOST, 2),
                (RETRANS, 1),
                (RTT, 1500),
                (RTTVAR, 750),
                (TOTAL_RETRANS, 3),
                (MIN_RTT, 900),
                (DATA_SEGS_OUT, 1000),
                (DELIVERED, 991),
                (DSACK_DUPS, 1),
                (RCV_OOOPACK, 5),
                (LAST_ACK_RECV, 12),
                (SEGS_IN, 995),
                (PMTU, 1500),
                (DELIVERED_CE, 6),
                (REORD_SEEN, 7),
                (REHASH, 8),
            ] {
                info[at..at + 4].copy_from_slice(&value.to_ne_bytes());
            }
            info[BYTES_RETRANS..BYTES_RETRANS + 8].copy_from_slice(&48_u64.to_ne_bytes());
            info[TOTAL_RTO..TOTAL_RTO + 2].copy_from_slice(&9_u16.to_ne_bytes());
            info
        }

        #[test]
        fn a_whole_structure_gives_every_field() {
            assert_eq!(
                parse(&sample()),
                Some(TcpInfo {
                    srtt: Duration::from_micros(1500),
                    rttvar: Duration::from_micros(750),
                    min_rtt: Some(Duration::from_micros(900)),
                    total_retransmits: 3,
                    data_segments: Some(DataSegments {
                        sent: 1000,
                        lost: 4,
                    }),
                    out_of_order: Some(5),
                    bytes_retransmitted: Some(48),
                    delivered_ce: Some(6),
                    reorderings: Some(7),
                    path_mtu: Some(1500),
                    rehashes: Some(8),
                    retransmission_timeouts: Some(9),
                    since_ack: Some(Duration::from_millis(12)),
                    sacked: Some(3),
                    received_segments: Some(995),
                    is_retransmitting: false,
                })
            );
        }

        #[test]
        fn without_selective_acknowledgements_retransmissions_count() {
            let mut info = sample();
            info[OPTIONS] = 0;
            let lost = parse(&info).unwrap().data_segments.unwrap().lost;
            assert_eq!(lost, 2);
            info[RETRANSMITS] = 1;
            assert!(parse(&info).unwrap().is_retransmitting);
            info[STATE] = 7;
            assert!(!parse(&info).unwrap().is_retransmitting);
        }

        #[test]
        fn an_older_kernel_gives_less() {
            let info = sample();
            for len in 0..=LEN {
                let parsed = parse(&info[..len]);
                assert_eq!(parsed.is_some(), len >= TOTAL_RETRANS + 4, "{len} bytes");
                let least = parsed.and_then(|info| info.min_rtt);
                assert_eq!(least.is_some(), len >= MIN_RTT + 4, "{len} bytes");
                let segments = parsed.and_then(|info| info.data_segments);
                assert_eq!(segments.is_some(), len >= DELIVERED + 4, "{len} bytes");
                let out_of_order = parsed.and_then(|info| info.out_of_order);
                assert_eq!(
                    out_of_order.is_some(),
                    len >= RCV_OOOPACK + 4,
                    "{len} bytes"
                );
                let timeouts = parsed.and_then(|info| info.retransmission_timeouts);
                assert_eq!(timeouts.is_some(), len >= TOTAL_RTO + 2, "{len} bytes");
            }
        }

        #[test]
        fn a_round_trip_never_measured_is_none() {
            let mut info = sample();
            info[MIN_RTT..MIN_RTT + 4].copy_from_slice(&u32::MAX.to_ne_bytes());
            assert_eq!(parse(&info).unwrap().min_rtt, None);
        }
    }
}

/// `struct tcp_connection_info` of XNU's `netinet/tcp.h`. The `libc` crate's has its flags, which
/// are bits of one word, as fifteen words, and so is wrong from there on.
#[cfg(any(target_os = "macos", test))]
mod macos {
    use std::time::Duration;

    use super::{TcpInfo, u32_at};

    const SRTT: usize = 44;
    const RTTVAR: usize = 48;
    const TX_RETRANSMIT_PACKETS: usize = 104;
    pub(super) const LEN: usize = 112;

    pub(super) fn parse(info: &[u8]) -> Option<TcpInfo> {
        let millis = |at| Some(Duration::from_millis(u32_at(info, at)?.into()));
        let packets = info.get(TX_RETRANSMIT_PACKETS..)?.first_chunk()?;
        Some(TcpInfo {
            srtt: millis(SRTT)?,
            rttvar: millis(RTTVAR)?,
            total_retransmits: u64::from_ne_bytes(*packets),
            ..TcpInfo::default()
        })
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn the_fields_are_where_xnu_puts_them() {
            // Four bytes, twelve words, one word of flags, seven long words.
            assert_eq!(SRTT, 4 + 10 * 4);
            assert_eq!(TX_RETRANSMIT_PACKETS, 4 + 12 * 4 + 4 + 6 * 8);
            let mut info = [0xee; LEN];
            info[SRTT..SRTT + 4].copy_from_slice(&12_u32.to_ne_bytes());
            info[RTTVAR..RTTVAR + 4].copy_from_slice(&5_u32.to_ne_bytes());
            info[TX_RETRANSMIT_PACKETS..].copy_from_slice(&7_u64.to_ne_bytes());
            assert_eq!(
                parse(&info),
                Some(TcpInfo {
                    srtt: Duration::from_millis(12),
                    rttvar: Duration::from_millis(5),
                    total_retransmits: 7,
                    ..TcpInfo::default()
                })
            );
            assert_eq!(parse(&info[..LEN - 1]), None);
        }
    }
}

//! Parses captured TCP segments: pcap file format, Linux cooked header, IPv4, TCP.

use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddrV4};

use anyhow::{Context as _, Result, bail, ensure};

use super::Nanos;

/// The magic number of a pcap file with nanosecond timestamps, in the byte order of this machine.
const MAGIC: u32 = 0xa1b2_3c4d;
/// `LINKTYPE_LINUX_SLL2`.
const LINK_TYPE: u32 = 276;
/// The `sll2_pkttype` of an outgoing packet.
const OUTGOING: u8 = 4;

/// A segment captured at one interface of the router.
#[derive(Debug)]
pub(super) struct Segment<'a> {
    pub(super) at: Nanos,
    pub(super) interface: u32,
    /// Whether the router sent it, rather than received it.
    pub(super) outgoing: bool,
    pub(super) from: SocketAddrV4,
    pub(super) to: SocketAddrV4,
    pub(super) seq: u32,
    pub(super) ack: u32,
    pub(super) flags: Flags,
    pub(super) payload: &'a [u8],
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Flags(pub(super) u8);

impl Flags {
    pub(super) fn fin(self) -> bool {
        self.0 & 1 != 0
    }

    pub(super) fn syn(self) -> bool {
        self.0 & 2 != 0
    }

    pub(super) fn rst(self) -> bool {
        self.0 & 4 != 0
    }

    pub(super) fn ack(self) -> bool {
        self.0 & 16 != 0
    }
}

/// Reads a capture to its end and calls `each` with every segment.
pub(super) fn read(mut capture: impl Read, mut each: impl FnMut(&Segment<'_>)) -> Result<()> {
    let mut header = [0; 24];
    capture.read_exact(&mut header).context("no capture")?;
    let word = |at: usize| host_word(&header, at);
    ensure!(
        word(0)? == MAGIC,
        "the capture has no nanosecond timestamps"
    );
    ensure!(
        word(20)? == LINK_TYPE,
        "the capture has no Linux cooked header"
    );
    let mut packet = Vec::new();
    loop {
        let mut record = [0; 16];
        match capture.read_exact(&mut record) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            other => other?,
        }
        let word = |at: usize| host_word(&record, at);
        let at = i64::from(word(0)?) * 1_000_000_000 + i64::from(word(4)?);
        packet.resize(usize::try_from(word(8)?)?, 0);
        capture.read_exact(&mut packet)?;
        ensure!(word(8)? == word(12)?, "truncated packet");
        if let Some(segment) = parse(at, &packet)? {
            each(&segment);
        }
    }
}

/// Parses a packet; returns `None` if it is not TCP over IPv4.
fn parse(at: Nanos, packet: &[u8]) -> Result<Option<Segment<'_>>> {
    let (link, ip) = packet.split_at_checked(20).context("short packet")?;
    if word16(link, 0)? != 0x0800 || ip.get(9) != Some(&6) {
        return Ok(None);
    }
    let ip_header = usize::from(ip[0] & 0x0f) * 4;
    let length = usize::from(word16(ip, 2)?);
    let Some(tcp) = ip.get(ip_header..length) else {
        bail!("wrong length of an IPv4 packet");
    };
    let offset = tcp.get(12).context("short TCP header")?;
    let payload = tcp
        .get(usize::from(offset >> 4) * 4..)
        .context("short TCP header")?;
    let address = |ip_at: usize, port_at: usize| -> Result<SocketAddrV4> {
        let host = Ipv4Addr::from(word32(ip, ip_at)?);
        Ok(SocketAddrV4::new(host, word16(tcp, port_at)?))
    };
    Ok(Some(Segment {
        at,
        interface: word32(link, 4)?,
        outgoing: link[10] == OUTGOING,
        from: address(12, 0)?,
        to: address(16, 2)?,
        seq: word32(tcp, 4)?,
        ack: word32(tcp, 8)?,
        flags: Flags(tcp[13]),
        payload,
    }))
}

fn host_word(bytes: &[u8], at: usize) -> Result<u32> {
    let four = bytes.get(at..at + 4).context("short header")?;
    Ok(u32::from_ne_bytes(four.try_into()?))
}

fn word32(bytes: &[u8], at: usize) -> Result<u32> {
    let four = bytes.get(at..at + 4).context("short packet")?;
    Ok(u32::from_be_bytes(four.try_into()?))
}

fn word16(bytes: &[u8], at: usize) -> Result<u16> {
    let two = bytes.get(at..at + 2).context("short packet")?;
    Ok(u16::from_be_bytes(two.try_into()?))
}

#[cfg(test)]
mod tests {
    use super::{MAGIC, read};

    fn capture(length: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        for word in [MAGIC, 0, 0, 0, 65536, 276, 3, 5, length, length] {
            bytes.extend(word.to_ne_bytes());
        }
        // Cooked: IPv4, interface 101, outgoing.
        bytes.extend([8, 0, 0, 0, 0, 0, 0, 101, 0, 1, 4, 6, 0, 0, 0, 0, 0, 0, 0, 0]);
        bytes.extend([
            0x45, 0, 0, 42, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
        ]);
        bytes.extend([
            15, 160, 0, 7, 0, 0, 0, 9, 0, 0, 0, 8, 0x50, 0x11, 0, 0, 0, 0, 0, 0,
        ]);
        bytes.extend(*b"ab");
        bytes
    }

    #[test]
    fn a_segment_is_parsed() {
        let mut seen = 0;
        read(&capture(62)[..], |segment| {
            seen += 1;
            assert_eq!(segment.at, 3_000_000_005);
            assert_eq!((segment.interface, segment.outgoing), (101, true));
            assert_eq!(segment.from, "10.0.0.1:4000".parse().unwrap());
            assert_eq!(segment.to, "10.0.0.2:7".parse().unwrap());
            assert_eq!((segment.seq, segment.ack), (9, 8));
            assert!(segment.flags.fin() && segment.flags.ack());
            assert!(!segment.flags.syn() && !segment.flags.rst());
            assert_eq!(segment.payload, b"ab");
        })
        .unwrap();
        assert_eq!(seen, 1);
    }

    #[test]
    fn a_truncated_capture_is_an_error() {
        assert!(read(&capture(62)[..100], |_| ()).is_err());
        assert!(read(&b"no"[..], |_| ()).is_err());
    }
}

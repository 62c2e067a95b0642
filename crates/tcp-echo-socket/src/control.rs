//! Parsing the control messages of `recvmsg`, as plain bytes.
//!
//! The kernel writes a row of messages, each a header (`size_t` length, `int` level, `int` kind;
//! the length counts the header) and a payload, each begun on a multiple of the size of `size_t`.
//! Reading them by offset rather than by pointer needs no `unsafe` and no alignment.

use std::time::Duration;

/// `size_t`, and what messages are aligned to (`CMSG_ALIGN`).
const SIZE: usize = size_of::<usize>();
const HEADER: usize = SIZE + 8;

/// One number of a timestamp. The C library picks the option, `SO_TIMESTAMPING_OLD` or `_NEW`,
/// whose numbers are as wide as its own `timespec` has them.
const WORD: usize = size_of::<libc::timespec>() / 2;

/// A control message.
pub(crate) struct Message<'c> {
    pub(crate) level: i32,
    pub(crate) kind: i32,
    pub(crate) payload: &'c [u8],
}

/// Splits `control` into messages. It may end in zeros. A message that is longer than the rest ends
/// the row, and is none.
pub(crate) fn messages(mut control: &[u8]) -> impl Iterator<Item = Message<'_>> {
    std::iter::from_fn(move || {
        let len = usize::from_ne_bytes(bytes(control, 0)?);
        let level = i32::from_ne_bytes(bytes(control, SIZE)?);
        let kind = i32::from_ne_bytes(bytes(control, SIZE + 4)?);
        let payload = control.get(HEADER..len)?;
        // The padding of the last message may be missing.
        let next = len.checked_next_multiple_of(SIZE);
        control = next.and_then(|next| control.get(next..)).unwrap_or(&[]);
        Some(Message {
            level,
            kind,
            payload,
        })
    })
}

/// Finds the kernel's software timestamp in `control`, as the time since the Unix epoch.
///
/// Invalid data is no timestamp: a truncated stamp, a negative time, nanoseconds out of range.
pub(crate) fn software_stamp(control: &[u8]) -> Option<Duration> {
    let stamped = messages(control).find(|message| {
        (message.level, message.kind) == (libc::SOL_SOCKET, libc::SCM_TIMESTAMPING)
    })?;
    stamp::<WORD>(stamped.payload)
}

/// The first of the three `timespec`s of `SCM_TIMESTAMPING`, which is the software stamp; the
/// second is unused, the third the network card's. All zeros mean that there is none.
fn stamp<const WORD: usize>(payload: &[u8]) -> Option<Duration> {
    let secs = number(payload.get(..WORD)?)?;
    let nanos = number(payload.get(WORD..2 * WORD)?)?;
    let at = Duration::new(
        secs.try_into().ok()?,
        nanos
            .try_into()
            .ok()
            .filter(|nanos| *nanos < 1_000_000_000)?,
    );
    (!at.is_zero()).then_some(at)
}

fn number(word: &[u8]) -> Option<i64> {
    match word.len() {
        4 => Some(i32::from_ne_bytes(word.try_into().ok()?).into()),
        8 => Some(i64::from_ne_bytes(word.try_into().ok()?)),
        _ => None,
    }
}

pub(crate) fn bytes<const N: usize>(from: &[u8], at: usize) -> Option<[u8; N]> {
    from.get(at..)?.first_chunk().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Duration = Duration::new(1_700_000_000, 123_456_789);

    /// Three `timespec`s, of which the first is given.
    fn stamps(secs: i64, nanos: i64) -> Vec<u8> {
        let mut words = Vec::new();
        for word in [secs, nanos, 0, 0, 0, 0] {
            match WORD {
                8 => words.extend(word.to_ne_bytes()),
                _ => words.extend(i32::try_from(word).unwrap().to_ne_bytes()),
            }
        }
        words
    }

    fn message(level: i32, kind: i32, payload: &[u8]) -> Vec<u8> {
        let mut message = (HEADER + payload.len()).to_ne_bytes().to_vec();
        message.extend(level.to_ne_bytes());
        message.extend(kind.to_ne_bytes());
        message.extend(payload);
        message.resize(message.len().next_multiple_of(SIZE), 0);
        message
    }

    fn stamped() -> Vec<u8> {
        message(
            libc::SOL_SOCKET,
            libc::SCM_TIMESTAMPING,
            &stamps(1_700_000_000, 123_456_789),
        )
    }

    /// As the kernel writes the message when `len` bytes of the buffer are left, a header at least.
    fn truncated(len: usize) -> Vec<u8> {
        let mut message = stamped();
        message.truncate(len);
        message[..SIZE].copy_from_slice(&len.to_ne_bytes());
        message
    }

    #[test]
    fn the_stamp_is_found() {
        assert_eq!(software_stamp(&stamped()), Some(AT));
    }

    #[test]
    fn zeros_may_follow() {
        let mut control = stamped();
        control.resize(control.len() + 64, 0);
        assert_eq!(software_stamp(&control), Some(AT));
    }

    #[test]
    fn nothing_or_zeros_hold_no_stamp() {
        for len in [0, 1, HEADER - 1, HEADER, 128] {
            assert_eq!(software_stamp(&vec![0; len]), None, "{len} bytes");
        }
    }

    #[test]
    fn it_is_found_behind_others_of_any_length() {
        for len in 0..=33 {
            let mut control = message(libc::SOL_SOCKET, libc::SCM_RIGHTS, &vec![0xff; len]);
            control.extend(message(libc::IPPROTO_TCP, 36, &[1, 2, 3, 4]));
            control.extend(stamped());
            assert_eq!(software_stamp(&control), Some(AT), "behind {len} bytes");
        }
    }

    #[test]
    fn foreign_messages_are_no_stamp() {
        let payload = stamps(1, 0);
        for (level, kind) in [
            (libc::SOL_SOCKET, libc::SCM_TIMESTAMPING + 1),
            (libc::IPPROTO_TCP, libc::SCM_TIMESTAMPING),
        ] {
            assert_eq!(software_stamp(&message(level, kind, &payload)), None);
        }
    }

    #[test]
    fn of_two_stamps_the_first_counts() {
        let mut control = stamped();
        control.extend(message(
            libc::SOL_SOCKET,
            libc::SCM_TIMESTAMPING,
            &stamps(1, 0),
        ));
        assert_eq!(software_stamp(&control), Some(AT));
    }

    #[test]
    fn a_message_cut_short_counts_only_with_its_stamp_whole() {
        let whole = HEADER + 2 * WORD;
        for len in HEADER..whole {
            assert_eq!(software_stamp(&truncated(len)), None, "{len} bytes");
        }
        assert_eq!(software_stamp(&truncated(whole)), Some(AT));
    }

    #[test]
    fn a_buffer_cut_anywhere_holds_no_stamp() {
        let control = stamped();
        for len in 0..control.len() {
            assert_eq!(software_stamp(&control[..len]), None, "{len} bytes");
        }
    }

    #[test]
    fn lengths_that_lie_end_the_search() {
        for len in [0, 1, HEADER - 1, 1 << 20, usize::MAX - 1, usize::MAX] {
            let mut control = message(libc::SOL_SOCKET, libc::SCM_RIGHTS, &[0; 4]);
            control[..SIZE].copy_from_slice(&len.to_ne_bytes());
            control.extend(stamped());
            assert_eq!(software_stamp(&control), None, "length {len}");
        }
    }

    #[test]
    fn a_stamp_that_is_no_time_is_none() {
        for (secs, nanos) in [
            (0, 0),
            (-1, 0),
            (1, -1),
            (1, 1_000_000_000),
            (1, i64::from(i32::MAX)),
        ] {
            let control = message(
                libc::SOL_SOCKET,
                libc::SCM_TIMESTAMPING,
                &stamps(secs, nanos),
            );
            assert_eq!(software_stamp(&control), None, "{secs} s {nanos} ns");
        }
    }

    #[test]
    fn both_widths_of_number_are_read() {
        let narrow: Vec<u8> = [1_700_000_000_i32, 123_456_789, 0, 0, 0, 0]
            .into_iter()
            .flat_map(i32::to_ne_bytes)
            .collect();
        let wide: Vec<u8> = [1_700_000_000_i64, 123_456_789, 0, 0, 0, 0]
            .into_iter()
            .flat_map(i64::to_ne_bytes)
            .collect();
        assert_eq!(stamp::<4>(&narrow), Some(AT));
        assert_eq!(stamp::<8>(&wide), Some(AT));
    }
}

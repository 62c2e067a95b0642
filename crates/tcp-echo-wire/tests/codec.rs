//! Golden bytes, round trips, and streams cut at every boundary.

use proptest::prelude::*;
use tcp_echo_wire::{DecodeError, Decoder, FRAME_LEN, Probe, Seq, UnixNanos};

/// Written down by hand, so that the test holds on a big-endian machine too.
const GOLDEN: [(Probe, [u8; FRAME_LEN]); 4] = [
    (
        probe(1, 0),
        [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    ),
    (
        probe(0x0102_0304_0506_0708, 0x1112_1314_1516_1718),
        [
            8, 7, 6, 5, 4, 3, 2, 1, 0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11,
        ],
    ),
    (
        probe(u64::MAX, i64::MIN),
        [
            255, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0x80,
        ],
    ),
    // 2023-11-14 22:13:20 UTC.
    (
        probe(42, 1_700_000_000_000_000_000),
        [
            42, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x2a, 0x36, 0xfe, 0x9c, 0x97, 0x17,
        ],
    ),
];

const fn probe(seq: u64, sent: i64) -> Probe {
    Probe {
        seq: Seq(seq),
        sent: UnixNanos(sent),
    }
}

#[test]
fn golden_frames() {
    for (probe, bytes) in GOLDEN {
        assert_eq!(probe.encode(), bytes);
        assert_eq!(Probe::decode(&bytes), probe);
    }
}

#[test]
fn a_slice_of_another_length_is_refused() {
    for length in [0, 15, 17, 32] {
        let bytes = vec![0; length];
        assert_eq!(Probe::try_from(&bytes[..]), Err(DecodeError { length }));
    }
    let error = DecodeError { length: 15 };
    assert_eq!(error.to_string(), "a frame is 16 bytes, not 15");
}

#[test]
fn the_decoder_survives_every_two_cuts() {
    let stream: Vec<u8> = GOLDEN.iter().flat_map(|(_, bytes)| *bytes).collect();
    for a in 0..=stream.len() {
        for b in a..=stream.len() {
            let mut decoder = Decoder::new();
            let mut frames = Vec::new();
            for piece in [&stream[..a], &stream[a..b], &stream[b..]] {
                frames.extend(decoder.feed(piece));
            }
            assert!(frames.iter().eq(GOLDEN.iter().map(|(probe, _)| probe)));
            assert_eq!(decoder.pending(), 0);
        }
    }
}

#[test]
fn bytes_are_kept_even_where_the_frames_are_not_read() {
    let bytes = GOLDEN[1].1;
    let mut decoder = Decoder::new();
    let _ = decoder.feed(&[&bytes[..], &bytes[..3]].concat());
    assert_eq!(decoder.pending(), 3);
    assert_eq!(decoder.feed(&bytes[3..]).next(), Some(GOLDEN[1].0));
}

proptest! {
    #[test]
    fn any_probe_round_trips(seq: u64, sent: i64) {
        let probe = probe(seq, sent);
        prop_assert_eq!(Probe::decode(&probe.encode()), probe);
        prop_assert_eq!(Probe::try_from(&probe.encode()[..]), Ok(probe));
    }

    #[test]
    fn any_stream_in_any_pieces_gives_the_same_frames(
        stream in prop::collection::vec(any::<u8>(), 0..400),
        pieces in prop::collection::vec(0usize..70, 0..40),
    ) {
        let expected: Vec<Probe> = stream.as_chunks::<FRAME_LEN>().0.iter().map(Probe::decode).collect();
        let mut decoder = Decoder::new();
        let mut frames = Vec::new();
        let mut rest = &stream[..];
        for piece in pieces {
            let (head, tail) = rest.split_at(piece.min(rest.len()));
            let cut = decoder.feed(head);
            let promised = cut.len();
            let before = frames.len();
            frames.extend(cut);
            prop_assert_eq!(frames.len() - before, promised);
            rest = tail;
        }
        frames.extend(decoder.feed(rest));
        prop_assert_eq!(frames, expected);
        prop_assert_eq!(decoder.pending(), stream.len() % FRAME_LEN);
    }
}

//! The 24-byte frame, and streams of it cut anywhere.

use proptest::prelude::*;
use tcp_echo_wire::{PREFIXED_LEN, PrefixedDecoder, Probe, Seq, UnixNanos};

proptest! {
    #[test]
    fn a_stream_in_any_pieces_gives_the_same_frames(
        probes in prop::collection::vec(any::<(u64, i64)>(), 0..20),
        sizes in prop::collection::vec(1_usize..60, 1..50),
    ) {
        let probes: Vec<_> = probes
            .into_iter()
            .map(|(seq, sent)| Probe { seq: Seq(seq), sent: UnixNanos(sent) })
            .collect();
        let stream: Vec<u8> = probes.iter().flat_map(|probe| probe.encode_prefixed()).collect();
        let mut decoder = PrefixedDecoder::new();
        let mut found = Vec::new();
        let mut rest = &stream[..];
        let mut sizes = sizes.iter().cycle();
        while !rest.is_empty() {
            let size = sizes.next().map_or(1, |size| rest.len().min(*size));
            let (piece, after) = rest.split_at(size);
            decoder.feed(piece, |probe| found.push(probe));
            rest = after;
        }
        prop_assert_eq!(found, probes);
    }
}

#[test]
fn a_frame_without_the_prefix_answers_no_probe() {
    let mut bytes = Probe {
        seq: Seq(7),
        sent: UnixNanos(9),
    }
    .encode_prefixed();
    bytes[0] ^= 1;
    let mut found = Vec::new();
    PrefixedDecoder::new().feed(&bytes, |probe| found.push(probe.seq));
    assert_eq!(found, [Seq(0)]);
    assert_eq!(bytes.len(), PREFIXED_LEN);
}

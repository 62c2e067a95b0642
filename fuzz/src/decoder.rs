//! Fuzzes the decoder: any chunks of a stream decode to the same frames as the whole stream, and
//! the frames encode to the same bytes.

use tcp_echo_wire::{Control, Decoder, FRAME_LEN, PREFIXED_LEN, PeerStamp, PrefixedDecoder, Probe};

/// The first byte is the number of chunk lengths that follow; the rest is the stream.
pub fn run(data: &[u8]) {
    let Some((&count, rest)) = data.split_first() else {
        return;
    };
    let (cuts, stream) = rest.split_at(rest.len().min(usize::from(count)));
    let mut decoder = Decoder::new();
    let mut frames = Vec::new();
    let mut left = stream;
    for &cut in cuts {
        let (piece, rest) = left.split_at(left.len().min(usize::from(cut)));
        left = rest;
        feed(&mut decoder, piece, &mut frames);
        // An empty chunk has no effect.
        if cut == u8::MAX {
            let before = decoder.pending();
            assert_eq!(decoder.feed(&[]).count(), 0);
            assert_eq!(decoder.pending(), before);
        }
    }
    feed(&mut decoder, left, &mut frames);

    let (whole, partial) = stream.as_chunks::<FRAME_LEN>();
    assert_eq!(decoder.pending(), partial.len());
    assert_eq!(frames.len(), whole.len());
    for (probe, bytes) in frames.iter().zip(whole) {
        assert_eq!(*probe, Probe::decode(bytes));
        assert_eq!(probe.encode(), *bytes);
        assert_eq!(Probe::try_from(&bytes[..]), Ok(*probe));
        assert_eq!(Control::decode(bytes), probe.control());
        if let Some(control) = probe.control() {
            assert_eq!(Control::decode(&control.encode()), Some(control));
        }
        let stamp = PeerStamp::from(probe.sent).encode();
        assert_eq!(stamp, probe.sent.0.to_le_bytes());
    }
    prefixed(stream, cuts);
    if partial.len() != FRAME_LEN {
        assert!(Probe::try_from(partial).is_err());
    }
}

fn feed(decoder: &mut Decoder, piece: &[u8], frames: &mut Vec<Probe>) {
    let before = decoder.pending();
    let fed = decoder.feed(piece);
    let promised = fed.len();
    let start = frames.len();
    frames.extend(fed);
    assert_eq!(frames.len() - start, promised);
    assert_eq!(
        before + piece.len(),
        promised * FRAME_LEN + decoder.pending()
    );
    assert!(decoder.pending() < FRAME_LEN);
}

/// The same stream as frames with a prefix: the cuts don't matter.
fn prefixed(stream: &[u8], cuts: &[u8]) {
    let decode = |cuts: &[u8]| {
        let (mut decoder, mut frames) = (PrefixedDecoder::new(), Vec::new());
        let mut left = stream;
        for &cut in cuts {
            let (piece, rest) = left.split_at(left.len().min(usize::from(cut)));
            left = rest;
            decoder.feed(piece, |probe| frames.push(probe));
        }
        decoder.feed(left, |probe| frames.push(probe));
        frames
    };
    let frames = decode(cuts);
    assert_eq!(frames, decode(&[]));
    assert_eq!(frames.len(), stream.len() / PREFIXED_LEN);
}

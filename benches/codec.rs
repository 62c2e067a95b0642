//! Benchmarks of the codec: encoding and decoding a frame, and decoding odd chunks.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tcp_echo_wire::{Decoder, FRAME_LEN, Probe, Seq, UnixNanos};

fn codec(c: &mut Criterion) {
    let probe = Probe {
        seq: Seq(7),
        sent: UnixNanos(1_700_000_000_000_000_000),
    };
    let frame = probe.encode();
    // Into a separate buffer, as for a write: the value that a closure returns is copied once
    // more, which takes several times as long.
    let mut written = frame;
    c.bench_function("codec/encode", |b| {
        b.iter(|| {
            written = black_box(probe).encode();
            black_box(&mut written);
        });
    });
    c.bench_function("codec/decode", |b| {
        b.iter(|| Probe::decode(black_box(&frame)));
    });
}

/// Decodes a stream of 1,000 frames in chunks of a fixed length.
fn decoder(c: &mut Criterion) {
    const FRAMES: u64 = 1000;
    let frames = (1..=FRAMES).map(|seq| Probe {
        seq: Seq(seq),
        sent: UnixNanos(0),
    });
    let stream: Vec<u8> = frames.flat_map(Probe::encode).collect();
    let mut group = c.benchmark_group("decoder");
    group.throughput(Throughput::Elements(FRAMES));
    for piece in [1, 7, FRAME_LEN, 17, 1024] {
        group.bench_function(format!("pieces of {piece}"), |b| {
            b.iter(|| {
                let mut decoder = Decoder::new();
                let mut seqs = 0;
                for bytes in stream.chunks(piece) {
                    for probe in decoder.feed(black_box(bytes)) {
                        seqs ^= probe.seq.0;
                    }
                }
                seqs
            });
        });
    }
    group.finish();
}

criterion_group!(benches, codec, decoder);
criterion_main!(benches);

//! Benchmarks of a session, from a slot to its outcome, in virtual time.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use criterion::{Criterion, criterion_group, criterion_main};
use tcp_echo_session::{Output, Probe, Session, SessionConfig, Stamp, Time, UnixNanos};

const INTERVAL: Duration = Duration::from_millis(10);

/// A connected session and its virtual clock.
struct Bench {
    session: Session,
    now: Time,
}

impl Bench {
    fn new(timeout: Duration) -> Result<Self, Box<dyn std::error::Error>> {
        let config =
            SessionConfig::new(INTERVAL, timeout)?.with_stall(Duration::from_secs(9999))?;
        let now = Time {
            at: Instant::now(),
            wall: UnixNanos(0),
        };
        let session = Session::new(&config, now.at);
        let mut bench = Self { session, now };
        bench.connect();
        Ok(bench)
    }

    fn connect(&mut self) {
        let address = ([127, 0, 0, 1], 4000).into();
        self.session
            .handle_connected(self.now.at, address, Duration::ZERO);
    }

    fn pass(&mut self, span: Duration) {
        self.now.at += span;
        self.now.wall.0 += i64::try_from(span.as_nanos()).unwrap_or(0);
    }

    /// Polls the session until it waits; returns the last frame sent.
    fn settle(&mut self) -> Option<Probe> {
        let mut sent = None;
        loop {
            match self.session.poll(self.now) {
                Output::Transmit(transmit) => {
                    black_box(self.session.handle_transmitted(self.now.at));
                    sent = Some(Probe::decode(&transmit.frame));
                }
                // Rare: only after hours of virtual time without a reply.
                Output::Close(reason) => {
                    self.session.handle_disconnected(reason);
                    self.connect();
                }
                Output::Request(_) => {}
                Output::Wait(_) => return sent,
                Output::Event(event) => {
                    black_box(event);
                }
            }
        }
    }
}

fn session(c: &mut Criterion) {
    let Ok(mut bench) = Bench::new(Duration::from_millis(800)) else {
        return;
    };
    c.bench_function("session/slot to outcome", |b| {
        b.iter(|| {
            bench.pass(INTERVAL);
            let probe = bench.settle();
            let stamp = Stamp {
                read: Time {
                    at: bench.now.at + Duration::from_micros(60),
                    wall: UnixNanos(bench.now.wall.0 + 60_000),
                },
                kernel: Some(UnixNanos(bench.now.wall.0 + 40_000)),
            };
            probe.map(|probe| bench.session.handle_reply(stamp, probe))
        });
    });
    // Two probes are always in flight, and each times out.
    let Ok(mut bench) = Bench::new(2 * INTERVAL) else {
        return;
    };
    c.bench_function("session/slot to expiry", |b| {
        b.iter(|| {
            bench.pass(INTERVAL);
            bench.settle()
        });
    });
}

criterion_group!(benches, session);
criterion_main!(benches);

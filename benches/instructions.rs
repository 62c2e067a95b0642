//! A small program that repeats an operation, for counting instructions.
//!
//! `valgrind --tool=callgrind` runs it twice, with N and 2N repetitions; the difference is the cost of
//! N. Time is virtual, so that every run executes the same code.

use std::error::Error;
use std::hint::black_box;
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use tcp_echo_exporter::TargetMetrics;
use tcp_echo_prober::{Observer, Sensor, Target};
use tcp_echo_session::{Event, Output, Probe, Session, SessionConfig, Stamp, Time, UnixNanos};
use tcp_echo_wire::Seq;

/// Repeats an operation, for counting instructions.
#[derive(Parser)]
struct Args {
    work: Work,
    times: u64,
}

#[derive(Clone, Copy, ValueEnum)]
enum Work {
    /// Encode a frame.
    Encode,
    /// Decode a frame.
    Decode,
    /// Slot, frame, reply, outcome: a session without an observer.
    Session,
    /// The same with the target's metrics.
    Metrics,
}

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let Args { work, times } = Args::parse();
    let probe = |seq| Probe {
        seq: Seq(seq),
        sent: UnixNanos(1_700_000_000_000_000_000),
    };
    match work {
        Work::Encode => {
            for seq in 0..times {
                black_box(black_box(probe(seq)).encode());
            }
        }
        Work::Decode => {
            let frame = probe(7).encode();
            for _ in 0..times {
                black_box(Probe::decode(black_box(&frame)));
            }
        }
        Work::Session => slots(times, &())?,
        Work::Metrics => slots(times, &TargetMetrics::new())?,
    }
    Ok(())
}

/// Answers each probe after 60 µs, with a kernel timestamp of 40 µs.
fn slots(times: u64, observer: &impl Observer) -> Result<()> {
    let interval = Duration::from_millis(10);
    let config = SessionConfig::new(interval, Duration::from_millis(800))?;
    let target = Target::new("127.0.0.1:4000".parse()?, config.clone());
    let mut sensor = observer.attach(&target);
    let mut now = Time {
        at: Instant::now(),
        wall: UnixNanos(1_700_000_000_000_000_000),
    };
    let mut session = Session::new(&config, now.at);
    let address = ([127, 0, 0, 1], 4000).into();
    let connected = session.handle_connected(now.at, address, Duration::ZERO);
    sensor.on_event(&connected, &session);
    let mut replies = 0;
    while replies < times {
        let mut sent = None;
        loop {
            match session.poll(now) {
                Output::Transmit(transmit) => {
                    sent = Some(Probe::decode(&transmit.frame));
                    let event = session.handle_transmitted(now.at);
                    if let Some(event) = event {
                        sensor.on_event(&event, &session);
                    }
                }
                Output::Event(event) => sensor.on_event(&event, &session),
                Output::Wait(_) => break,
                Output::Request(_) => return Err("no hello was asked for".into()),
                Output::Close(reason) => return Err(format!("closed: {reason}").into()),
            }
        }
        if let Some(probe) = sent {
            let stamp = Stamp {
                read: Time {
                    at: now.at + Duration::from_micros(60),
                    wall: UnixNanos(now.wall.0 + 60_000),
                },
                kernel: Some(UnixNanos(now.wall.0 + 40_000)),
            };
            let event: Option<Event> = session.handle_reply(stamp, probe);
            if let Some(event) = event {
                sensor.on_event(&event, &session);
            }
            replies += 1;
        }
        now.at += interval;
        now.wall.0 += i64::try_from(interval.as_nanos())?;
    }
    black_box(session.counts());
    Ok(())
}

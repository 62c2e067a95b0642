//! Benchmarks of the metrics: an event of a target, and a scrape of many targets.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use axum::{Router, body::Body, http::Request};
use criterion::{
    BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime,
};
use tcp_echo_exporter::{Buckets, BuildInfo, Endpoints, SeriesSet, TargetMetrics, TargetSensor};
use tcp_echo_prober::{Event, Observer, Sensor, Seq, Session, SessionConfig, Target};
use tcp_echo_session::{Output, Stamp, Time};
use tcp_echo_wire::{Probe, UnixNanos};
use tokio::runtime::Runtime;
use tower::ServiceExt;

const BUILD: BuildInfo = BuildInfo {
    version: "0",
    revision: "0",
    rustversion: "0",
};

type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

fn targets(count: usize) -> Fallible<Vec<Target>> {
    let session = SessionConfig::new(Duration::from_secs(1), Duration::from_millis(800))?;
    let target = |n: usize| {
        let target = Target::new("192.0.2.1:4000".parse()?, session.clone());
        Ok(target.named(format!("rack-{}/host-{n}", n % 40)))
    };
    (0..count).map(target).collect()
}

/// The events of a probe that is answered.
fn answered(rtt: Duration) -> [Event; 2] {
    let sent = Event::Sent {
        seq: Seq(1),
        lateness: Duration::from_micros(20),
    };
    let received = Event::Received {
        seq: Seq(1),
        rtt,
        host_delay: Some(Duration::from_micros(10)),
    };
    [sent, received]
}

const SETS: [(SeriesSet, &str); 3] = [
    (SeriesSet::All, "all"),
    (SeriesSet::Standard, "standard"),
    (SeriesSet::Minimal, "minimal"),
];

fn event(c: &mut Criterion) {
    let Ok(targets) = targets(1) else { return };
    for (series, name) in SETS {
        let metrics = TargetMetrics::with_series(Buckets::default(), series);
        let mut sensor = metrics.attach(&targets[0]);
        let session = Session::new(targets[0].session(), Instant::now());
        let [sent, received] = answered(Duration::from_micros(40));
        c.bench_function(&format!("event/{name}, sent"), |b| {
            b.iter(|| sensor.on_event(black_box(&sent), &session));
        });
        c.bench_function(&format!("event/{name}, received"), |b| {
            b.iter(|| sensor.on_event(black_box(&received), &session));
        });
    }
}

/// Attaches targets and replies to some probes of each, so that a scrape has digits as in practice.
fn probed(metrics: &TargetMetrics, targets: &[Target]) -> Vec<TargetSensor> {
    let of_target = |(number, target): (u64, &Target)| {
        let mut sensor = metrics.attach(target);
        let mut now = Time {
            at: Instant::now(),
            wall: UnixNanos(1_700_000_000_000_000_000),
        };
        let mut session = Session::new(target.session(), now.at);
        let peer = ([192, 0, 2, 1], 4000).into();
        let event = session.handle_connected(now.at, peer, Duration::from_micros(150));
        sensor.on_event(&event, &session);
        let wait = |now: &mut Time, nanos: u64| {
            now.at += Duration::from_nanos(nanos);
            now.wall.0 += nanos.cast_signed();
        };
        for probe in 0..100 + number % 10 {
            wait(&mut now, 1_000_000_000);
            let frame = loop {
                match session.poll(now) {
                    Output::Event(event) => sensor.on_event(&event, &session),
                    Output::Transmit(transmit) => break Probe::decode(&transmit.frame),
                    Output::Request(_) | Output::Close(_) | Output::Wait(_) => return sensor,
                }
            };
            let Some(event) = session.handle_transmitted(now.at) else {
                continue;
            };
            sensor.on_event(&event, &session);
            let nanos = 200_000 + number * 7919 % 1_000_000;
            wait(&mut now, nanos + nanos / 10 * (probe * 37 % 100) / 100);
            let stamp = Stamp {
                read: now,
                kernel: None,
            };
            if let Some(event) = session.handle_reply(stamp, frame) {
                sensor.on_event(&event, &session);
            }
        }
        sensor
    };
    (0..).zip(targets).map(of_target).collect()
}

fn scrape(c: &mut Criterion) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    else {
        return;
    };
    let mut group = c.benchmark_group("scrape");
    group.sample_size(10);
    // As a test, without optimization, the most targets would take a minute.
    let is_bench = std::env::args().any(|arg| arg == "--bench");
    let counts: &[usize] = if is_bench {
        &[1, 100, 10_000]
    } else {
        &[1, 100]
    };
    for &count in counts {
        let Ok(targets) = targets(count) else { return };
        group.throughput(Throughput::Elements(count as u64));
        for (series, set) in SETS {
            let metrics = TargetMetrics::with_series(Buckets::default(), series);
            let sensors = probed(&metrics, &targets);
            let router = Endpoints::new(BUILD).with_targets(metrics).router();
            let name = format!("{count} targets, {set}");
            formats(&mut group, &runtime, &name, &router);
            drop(sensors);
        }
    }
    group.finish();
}

/// Measures a scrape in each format, and prints its size.
fn formats(
    group: &mut BenchmarkGroup<'_, WallTime>,
    runtime: &Runtime,
    name: &str,
    router: &Router,
) {
    for (format, accept, encoding) in [
        ("text 0.0.4", "text/plain;version=0.0.4", "identity"),
        ("text 0.0.4 by gzip", "text/plain;version=0.0.4", "gzip"),
        (
            "OpenMetrics",
            "application/openmetrics-text;version=1.0.0",
            "identity",
        ),
        (
            "protobuf",
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
            "identity",
        ),
    ] {
        let scrape = async || {
            let request = Request::get("/metrics")
                .header("accept", accept)
                .header("accept-encoding", encoding);
            let request = request.body(Body::empty()).unwrap_or_default();
            match router.clone().oneshot(request).await {
                Ok(response) => axum::body::to_bytes(response.into_body(), usize::MAX).await,
                Err(never) => match never {},
            }
        };
        let bytes = runtime.block_on(scrape()).map_or(0, |body| body.len());
        // Standard output has the list of benchmarks where that is requested.
        eprintln!("{name}, {format}: {bytes} bytes");
        group.bench_function(format!("{name}, {format}"), |b| {
            b.to_async(runtime).iter(scrape);
        });
    }
}

criterion_group!(benches, event, scrape);
criterion_main!(benches);

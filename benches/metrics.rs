//! Benchmarks of the metrics: an event of a target, and a scrape of many targets.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use axum::{body::Body, http::Request};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tcp_echo_exporter::{BuildInfo, Endpoints, TargetMetrics};
use tcp_echo_prober::{Event, Observer, Sensor, Seq, Session, SessionConfig, Target};
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

fn event(c: &mut Criterion) {
    let Ok(targets) = targets(1) else { return };
    let metrics = TargetMetrics::new();
    let mut sensor = metrics.attach(&targets[0]);
    let session = Session::new(targets[0].session(), Instant::now());
    let sent = Event::Sent {
        seq: Seq(1),
        lateness: Duration::from_micros(20),
    };
    let received = Event::Received {
        seq: Seq(1),
        rtt: Duration::from_micros(40),
        host_delay: Some(Duration::from_micros(10)),
    };
    c.bench_function("event/sent", |b| {
        b.iter(|| sensor.on_event(black_box(&sent), &session));
    });
    c.bench_function("event/received", |b| {
        b.iter(|| sensor.on_event(black_box(&received), &session));
    });
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
    for count in [1, 100, 10_000] {
        let Ok(targets) = targets(count) else { return };
        let metrics = TargetMetrics::new();
        let sensors: Vec<_> = targets
            .iter()
            .map(|target| metrics.attach(target))
            .collect();
        let router = Endpoints::new(BUILD).with_targets(metrics).router();
        group.throughput(Throughput::Elements(count as u64));
        for (name, accept, encoding) in [
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
            group.bench_function(format!("{count} targets, {name}"), |b| {
                b.to_async(&runtime).iter(|| async {
                    let request = Request::get("/metrics")
                        .header("accept", accept)
                        .header("accept-encoding", encoding);
                    let request = request.body(Body::empty()).unwrap_or_default();
                    let response = router.clone().oneshot(request).await;
                    match response {
                        Ok(response) => {
                            axum::body::to_bytes(response.into_body(), usize::MAX).await
                        }
                        Err(never) => match never {},
                    }
                });
            });
        }
        drop(sensors);
    }
    group.finish();
}

criterion_group!(benches, event, scrape);
criterion_main!(benches);

//! The numbers of a target with several flows.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use common::{BUILD, Driven, INTERVAL, TIMEOUT, get, serve, target};
use proptest::prelude::*;
use tcp_echo_exporter::{Buckets, Endpoints, SeriesSet, TargetMetrics};
use tcp_echo_prober::{
    ConnectFailure, DisconnectReason, Event, Excess, Observer as _, SessionConfig, Target,
};

const FLOWS: u16 = 3;

/// What happens to a flow.
#[derive(Clone, Copy, Debug)]
enum Step {
    Connect,
    Fail,
    Disconnect,
    /// A slot passes.
    Slot,
    Reply(u32),
    /// Everything in flight times out.
    TimeOut,
    Excess(u32),
    SoftError,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => Just(Step::Connect),
        1 => Just(Step::Fail),
        1 => Just(Step::Disconnect),
        6 => Just(Step::Slot),
        6 => (1..700_000_u32).prop_map(Step::Reply),
        1 => Just(Step::TimeOut),
        1 => (0..2_000_000_u32).prop_map(Step::Excess),
        1 => Just(Step::SoftError),
    ]
}

fn happen(flow: &mut Driven, step: Step) {
    match step {
        Step::Connect if !flow.session.is_connected() => flow.connect("192.0.2.1:4000"),
        Step::Disconnect if flow.session.is_connected() => {
            flow.disconnect(DisconnectReason::Reset);
        }
        Step::Fail if !flow.session.is_connected() => flow.observe(&Event::ConnectFailed {
            reason: ConnectFailure::Timeout,
        }),
        Step::Slot => {
            flow.wait(INTERVAL);
            flow.poll();
        }
        Step::Reply(micros) if flow.has_unanswered() => {
            flow.reply(Duration::from_micros(micros.into()));
            flow.poll();
        }
        Step::TimeOut => {
            flow.wait(TIMEOUT);
            flow.poll();
        }
        Step::Excess(micros) => flow.observe(&Event::Excess(Excess {
            forward: Duration::from_micros(micros.into()),
            ..Excess::default()
        })),
        Step::SoftError => flow.observe(&Event::SoftError),
        _ => {}
    }
}

/// A target that never stalls.
fn patient(name: &str) -> Target {
    let session = SessionConfig::new(INTERVAL, TIMEOUT).unwrap();
    let session = session.with_stall(Duration::from_secs(86_400)).unwrap();
    Target::new("echo.example.net:4000".parse().unwrap(), session).named(name)
}

/// The series of one target, without the label `target`, and their values.
async fn series(address: SocketAddr, name: &str) -> BTreeMap<String, f64> {
    let answer = get(address, "/metrics").await;
    let label = format!("target=\"{name}\"");
    let lines = answer.text().lines().filter(|line| line.contains(&label));
    let values = lines.map(|line| {
        let (series, value) = line.rsplit_once(' ').unwrap();
        (series.replace(&label, ""), value.parse().unwrap())
    });
    values.collect()
}

/// Counts and sums. The rest is compared with the sessions.
fn is_summed(series: &str) -> bool {
    let name = series.split('{').next().unwrap();
    name == "tcp_echo_in_flight"
        || ["_total", "_bucket", "_count", "_sum"]
            .iter()
            .any(|suffix| name.ends_with(suffix))
}

async fn check(series_set: SeriesSet, steps: Vec<(u16, Step)>) {
    let metrics = TargetMetrics::with_series(Buckets::default(), series_set);
    let endpoints = Endpoints::new(BUILD).with_targets(metrics.clone());
    let (address, _tasks) = serve(endpoints).await;
    let target = patient("all").with_flows(FLOWS.try_into().unwrap());
    // Each event is also that of a target of one flow.
    let mut flows: Vec<_> = (0..FLOWS)
        .map(|flow| {
            let mut driven = Driven::attach_flow(&metrics, &target, flow);
            driven.mirror = Some(metrics.attach(&patient(&format!("one-{flow}"))));
            driven
        })
        .collect();
    for (flow, step) in steps {
        happen(&mut flows[usize::from(flow)], step);
    }
    let all = series(address, "all").await;
    let mut sums = BTreeMap::<String, f64>::new();
    for flow in 0..FLOWS {
        for (name, value) in series(address, &format!("one-{flow}")).await {
            *sums.entry(name).or_default() += value;
        }
    }
    let mut compared = 0;
    for (name, value) in all.iter().filter(|(name, _)| is_summed(name)) {
        let expected = sums.get(name).unwrap();
        assert!(
            (value - expected).abs() < 1e-9,
            "{name}: {value}, {expected}"
        );
        compared += 1;
    }
    assert_eq!(
        compared,
        sums.keys().filter(|name| is_summed(name)).count(),
        "{all:?}"
    );

    let get = |name: &str| all.get(&format!("tcp_echo_{name}{{}}")).copied();
    let sent = get("sent_total").unwrap();
    let sessions: Vec<_> = flows.iter().map(|flow| &flow.session).collect();
    if let Some(in_flight) = get("in_flight") {
        let others = get("received_total").unwrap() + get("timeouts_total").unwrap();
        assert!((sent - others - in_flight).abs() < 1e-9);
    }
    let is_connected = sessions.iter().any(|session| session.is_connected());
    assert_eq!(get("connected").unwrap() > 0.0, is_connected);
    let windows = sessions.iter().map(|session| session.loss_window());
    let (lost, all) = windows.fold((0, 0), |(lost, all), window| {
        (lost + window.lost(), all + window.len())
    });
    let ratio = f64::from(lost) / f64::from(all.max(1));
    assert!((get("loss_ratio").unwrap() - ratio).abs() < 1e-9);
    let known: Vec<_> = sessions
        .iter()
        .filter(|session| session.is_connected() == is_connected)
        .map(|session| session.jitter_seconds())
        .collect();
    if let Some(jitter) = get("jitter_seconds") {
        let mean = known.iter().sum::<f64>() / known.len() as f64;
        assert!((jitter - mean).abs() < 1e-9, "{jitter}, {mean}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_happens_to_flows_is_what_happens_to_their_target(
        steps in proptest::collection::vec((0..FLOWS, step()), 0..250),
        set in prop_oneof![
            Just(SeriesSet::All), Just(SeriesSet::Standard), Just(SeriesSet::Minimal),
        ],
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(check(set, steps));
    }
}

#[tokio::test]
async fn quantiles_are_those_of_the_replies_of_all_flows() {
    let metrics = TargetMetrics::with_series(Buckets::default(), SeriesSet::Minimal);
    let endpoints = Endpoints::new(BUILD).with_targets(metrics.clone());
    let (address, _tasks) = serve(endpoints).await;
    let target = patient("all").with_flows(2.try_into().unwrap());
    for (flow, rtt) in [(0, 1_000), (1, 100_000)] {
        let mut driven = Driven::attach_flow(&metrics, &target, flow);
        driven.connect("192.0.2.1:4000");
        for _ in 0..30 {
            driven.send();
            driven.reply(Duration::from_micros(rtt));
        }
        std::mem::forget(driven.sensor);
    }
    let all = series(address, "all").await;
    let quantile = |q: &str| all[&format!("tcp_echo_rtt_quantile_seconds{{,quantile=\"{q}\"}}")];
    assert!((quantile("0.5") - 0.001).abs() < 0.000_1, "{all:?}");
    assert!((quantile("0.9") - 0.1).abs() < 0.01, "{all:?}");
}

#[tokio::test]
async fn the_series_of_a_target_go_with_its_flows() {
    let metrics = TargetMetrics::new();
    let endpoints = Endpoints::new(BUILD).with_targets(metrics.clone());
    let (address, _tasks) = serve(endpoints).await;
    let target = patient("all").with_flows(2.try_into().unwrap());
    let first = metrics.attach_flow(&target, 0);
    let mut second = Driven::attach_flow(&metrics, &target, 1);
    second.connect("192.0.2.1:4000");
    assert_eq!(series(address, "all").await.len(), 123);
    // Another target of the name, while this one still ends.
    let replaced = Driven::attach_flow(&metrics, &target, 1);
    drop((first, second.sensor));
    let all = series(address, "all").await;
    assert!(all["tcp_echo_connects_total{}"].abs() < f64::EPSILON);
    drop(replaced.sensor);
    assert_eq!(series(address, "all").await, BTreeMap::new());
}

#[tokio::test]
async fn the_standard_set_has_flows_where_there_are_several() {
    let metrics = TargetMetrics::with_series(Buckets::default(), SeriesSet::Standard);
    let endpoints = Endpoints::new(BUILD).with_targets(metrics.clone());
    let (address, _tasks) = serve(endpoints).await;
    let one = metrics.attach(&patient("one"));
    let text = get(address, "/metrics").await.text().to_owned();
    assert!(!text.contains("tcp_echo_flows"), "{text}");
    let target = patient("all").with_flows(FLOWS.try_into().unwrap());
    let flow = metrics.attach_flow(&target, 0);
    assert_eq!(series(address, "one").await.len(), 33);
    let all = series(address, "all").await;
    assert_eq!(all.len(), 38);
    assert!((all["tcp_echo_flows{}"] - 3.0).abs() < f64::EPSILON);
    drop((one, flow));
}

/// How many scrapes must see each target changed.
const MOVED: u32 = 50;
const DEADLINE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn every_scrape_is_consistent_while_flows_are_probed() {
    let metrics = TargetMetrics::new();
    let done = Arc::new(AtomicBool::new(false));
    let threads = (0..FLOWS).map(|flow| {
        let (metrics, done) = (metrics.clone(), Arc::clone(&done));
        std::thread::spawn(move || {
            let target = target(":4000").with_flows(FLOWS.try_into().unwrap());
            let mut driven = Driven::attach_flow(&metrics, &target, flow);
            driven.connect("127.0.0.1:4000");
            while !done.load(Ordering::Relaxed) {
                driven.send();
                driven.send();
                driven.reply(Duration::from_micros(u64::from(flow)));
                driven.reply(Duration::from_micros(1));
                let burst = Instant::now();
                while burst.elapsed() < Duration::from_micros(50) {
                    std::hint::spin_loop();
                }
            }
            driven
        })
    });
    let threads: Vec<_> = threads.collect();
    let (address, _tasks) = serve(Endpoints::new(BUILD).with_targets(metrics.clone())).await;
    let (mut last, mut moved) = (0.0, 0);
    let start = Instant::now();
    while moved < MOVED {
        assert!(start.elapsed() < DEADLINE, "{moved} scrapes saw it move");
        let all = series(address, ":4000").await;
        let Some(sent) = all.get("tcp_echo_sent_total{}").copied() else {
            continue;
        };
        let value = |name: &str| all[&format!("tcp_echo_{name}{{}}")];
        let received = value("received_total");
        let others = value("timeouts_total") + value("in_flight");
        assert!((sent - received - others).abs() < f64::EPSILON);
        assert!((value("rtt_seconds_count") - received).abs() < f64::EPSILON);
        assert!((value("send_lateness_seconds_count") - sent).abs() < f64::EPSILON);
        assert!(sent >= last, "a counter fell");
        moved += u32::from(sent > last);
        last = sent;
    }
    done.store(true, Ordering::Relaxed);
    let ended: Vec<_> = threads
        .into_iter()
        .map(|thread| thread.join().unwrap())
        .collect();
    let all = series(address, ":4000").await;
    let sent: u64 = ended.iter().map(|flow| flow.session.counts().sent).sum();
    assert!((all["tcp_echo_sent_total{}"] - sent as f64).abs() < f64::EPSILON);
}

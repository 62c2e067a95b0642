use tcp_echo_prober::{Event, Excess, Observer as _, Sensor as _, Session, SessionConfig, Target};

use super::*;
use crate::TargetSensor;

fn target(name: &str, timeout: Duration) -> Target {
    let config = SessionConfig::new(Duration::from_millis(200), timeout).unwrap();
    Target::new("192.0.2.1:1".parse().unwrap(), config).named(name)
}

/// Reports events to a sensor.
fn observe(sensor: &mut TargetSensor, target: &Target, events: &[Event]) {
    let session = Session::new(target.session(), Instant::now());
    for event in events {
        sensor.on_event(event, &session);
    }
}

fn reply(micros: u64) -> Event {
    Event::Received {
        seq: tcp_echo_prober::Seq::FIRST,
        rtt: Duration::from_micros(micros),
        host_delay: None,
    }
}

fn connected() -> Event {
    Event::Connected {
        address: "192.0.2.1:1".parse().unwrap(),
        handshake: Duration::from_micros(100),
    }
}

const LIMIT: usize = 64 << 20;
const TIMEOUT: Duration = Duration::from_millis(800);

#[test]
fn steps_hold_what_happened_in_them() {
    let metrics = TargetMetrics::new();
    let target = target("a", TIMEOUT);
    let mut sensor = metrics.attach(&target);
    let history = History::new(metrics.clone(), LIMIT);
    let start = history.tracks().step_start();
    let medians = |history: &History| {
        let tracks = history.tracks();
        let steps = tracks.0.tracks[0].steps.last(MAX_STEPS);
        let millis = |step: Step| (step.quantile(1).unwrap_or(0.0) * 1e2).round() * 10.0;
        steps.map(millis).collect::<Vec<_>>()
    };
    observe(&mut sensor, &target, &[connected(), reply(10_000)]);
    history.advance(start + STEP / 2);
    assert_eq!(medians(&history), [0.0; 0]);
    history.advance(start + STEP);
    observe(&mut sensor, &target, &[reply(20_000), reply(20_000)]);
    history.advance(start + STEP * 2);
    // Nothing for a step, then the task sleeps for two.
    history.advance(start + STEP * 3);
    observe(&mut sensor, &target, &[reply(10_000)]);
    history.advance(start + STEP * 6);
    assert_eq!(medians(&history), [10.0, 20.0, 0.0, 0.0, 0.0, 10.0]);
    let tracks = history.tracks();
    let steps = tracks.0.tracks[0].steps.last(MAX_STEPS);
    let connects = steps.map(|step| step.connects);
    assert_eq!(connects.collect::<Vec<_>>(), [1, 0, 0, 0, 0, 0]);
}

#[test]
fn the_mean_excess_is_that_of_the_last_two_steps() {
    let metrics = TargetMetrics::new();
    let target = target("a", TIMEOUT);
    let mut sensor = metrics.attach(&target);
    let history = History::new(metrics.clone(), LIMIT);
    let start = history.tracks().step_start();
    history.advance(start);
    let forward = |history: &History| {
        let snapshots = metrics.snapshot_all(true);
        let target = snapshots.iter().next().unwrap();
        let means = history.tracks().of(&target).unwrap().excess(&target);
        means.map(|[_, forward, ..]| (forward * 1e3).round())
    };
    let excess = |millis| {
        Event::Excess(Excess {
            forward: Duration::from_millis(millis),
            ..Excess::default()
        })
    };
    assert_eq!(forward(&history), None);
    observe(&mut sensor, &target, &[excess(10), excess(30)]);
    assert_eq!(forward(&history), Some(20.0));
    history.advance(start + STEP);
    assert_eq!(forward(&history), Some(20.0));
    observe(&mut sensor, &target, &[excess(50)]);
    assert_eq!(forward(&history), Some(30.0));
    history.advance(start + STEP * 2);
    assert_eq!(forward(&history), Some(50.0));
    history.advance(start + STEP * 3);
    assert_eq!(forward(&history), None);
    observe(&mut sensor, &target, &[excess(0)]);
    assert_eq!(forward(&history), Some(0.0));
    let tracks = history.tracks();
    let steps = tracks.0.tracks[0].steps.last(MAX_STEPS);
    let means = steps.map(|step| step.ways.mean_excess().map(|[_, forward, ..]| forward));
    assert_eq!(means.collect::<Vec<_>>(), [Some(0.02), Some(0.05), None]);
}

#[test]
fn percentiles_forget_old_replies() {
    let metrics = TargetMetrics::new();
    let target = target("a", TIMEOUT);
    let mut sensor = metrics.attach(&target);
    let history = History::new(metrics.clone(), LIMIT);
    let start = history.tracks().step_start();
    let p50 = |history: &History| {
        let tracks = history.tracks();
        let snapshots = metrics.snapshot_all(true);
        let target = snapshots.iter().next().unwrap();
        let [p50, _] = tracks.of(&target).unwrap().percentiles(&target);
        p50.map(|seconds| (seconds * 1e2).round() * 10.0)
    };
    history.advance(start);
    assert_eq!(p50(&history), None);
    observe(&mut sensor, &target, &[reply(100_000)]);
    assert_eq!(p50(&history), Some(100.0));
    for step in 1..=31 {
        history.advance(start + STEP * step);
        if step == 15 {
            assert_eq!(p50(&history), Some(100.0));
        }
    }
    assert_eq!(p50(&history), None);
}

#[test]
fn targets_come_and_go() {
    let metrics = TargetMetrics::new();
    let (one, other) = (target("one", TIMEOUT), target("other", TIMEOUT));
    let mut sensor = metrics.attach(&one);
    let sensors = metrics.attach(&other);
    let history = History::new(metrics.clone(), LIMIT);
    let start = history.tracks().step_start();
    observe(&mut sensor, &one, &[reply(10_000), reply(10_000)]);
    history.advance(start + STEP);
    let ids = |history: &History| {
        let tracks = history.tracks();
        let mut ids: Vec<_> = tracks.0.tracks.iter().map(|track| track.id).collect();
        ids.sort_unstable();
        ids
    };
    assert_eq!(ids(&history), [1, 2]);
    drop(sensors);
    // The same name attached again counts from 0: no difference underflows.
    let mut sensor = metrics.attach(&one);
    observe(&mut sensor, &one, &[reply(10_000)]);
    history.advance(start + STEP * 2);
    assert_eq!(ids(&history), [1]);
    let received: Vec<u32> = history.tracks().0.tracks[0]
        .steps
        .last(MAX_STEPS)
        .map(|step| step.received)
        .collect();
    assert_eq!(received, [2, 1]);
    let _other = metrics.attach(&other);
    history.advance(start + STEP * 3);
    assert_eq!(ids(&history), [1, 3]);
}

/// Lets `hours` pass for a target whose replies in each step have all RTTs.
fn wide(history: &History, target: &Target, sensor: &mut TargetSensor, hours: u32) -> usize {
    let all: Vec<_> = (0..26).map(|octave| reply(1 << octave)).collect();
    let start = history.tracks().step_start();
    for step in 1..=360 * hours {
        observe(sensor, target, &all);
        history.advance(start + STEP * step);
    }
    let tracks = history.tracks();
    let track = &tracks.0.tracks[0];
    track.steps.allocated() + track.last.native.bytes() + size_of::<Track>()
}

#[test]
fn an_hour_of_a_target_takes_16_kib_at_most() {
    let metrics = TargetMetrics::new();
    let target = target("a", Duration::from_secs(86_400));
    let mut sensor = metrics.attach(&target);
    let history = History::new(metrics.clone(), LIMIT);
    let bytes = wide(&history, &target, &mut sensor, 2);
    assert_eq!(history.tracks().0.tracks[0].steps.len(), MAX_STEPS);
    assert!((8 * 1024..=16 * 1024).contains(&bytes), "{bytes}");
}

#[test]
fn many_targets_share_the_limit() {
    for (each, min, max) in [
        (0, 0, 0),
        (1, MIN_STEPS, 2 * MIN_STEPS),
        (1_000, MIN_STEPS, 2 * MIN_STEPS),
        (4_000, MIN_STEPS + 1, MAX_STEPS - 1),
    ] {
        let metrics = TargetMetrics::new();
        let target = target("a", Duration::from_secs(86_400));
        let others = ["b", "c"].map(|name| self::target(name, TIMEOUT));
        let mut sensor = metrics.attach(&target);
        let _others = others.each_ref().map(|target| metrics.attach(target));
        let history = History::new(metrics.clone(), 3 * each);
        let bytes = wide(&history, &target, &mut sensor, 1);
        let steps = history.tracks().0.tracks[0].steps.len();
        assert!((min..=max).contains(&steps), "{each}: {steps}");
        assert!(bytes <= each.max(1000), "{each}: {bytes}");
    }
}

#[test]
fn a_target_that_replies_seldom_needs_little() {
    let metrics = TargetMetrics::new();
    let target = target("a", TIMEOUT);
    let mut sensor = metrics.attach(&target);
    let history = History::new(metrics.clone(), 2_000);
    let start = history.tracks().step_start();
    for step in 1..=400 {
        observe(&mut sensor, &target, &[reply(1_000 + u64::from(step))]);
        history.advance(start + STEP * step);
    }
    let tracks = history.tracks();
    assert_eq!(tracks.0.tracks[0].steps.len(), MAX_STEPS);
}

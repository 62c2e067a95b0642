//! Events don't allocate.

mod common;

use std::{alloc::System, num::NonZeroU16, time::Duration};

use common::{Driven, TIMEOUT, target};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tcp_echo_exporter::{Buckets, SeriesSet, TargetMetrics, TargetSensor};
use tcp_echo_prober::{
    ConnectFailure, DisconnectReason, Event, Excess, Features, Observer as _, Sensor as _, Seq,
    TcpInfo, UnsentReason,
};

// The allocator counts all threads, so this is the only test of the binary.
#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The bytes of a target with one flow.
const MAX_ALL: usize = 904;
const MAX_STANDARD: usize = 840;
const MAX_MINIMAL: usize = 1_480;

#[test]
fn no_event_allocates() {
    let seq = Seq::FIRST;
    let events = [
        Event::Connected {
            address: "[2001:db8::1]:4000".parse().unwrap(),
            handshake: Duration::from_millis(1),
        },
        Event::ConnectFailed {
            reason: ConnectFailure::Dns,
        },
        Event::Sent {
            seq,
            lateness: Duration::from_secs(1),
        },
        Event::Received {
            seq,
            rtt: TIMEOUT,
            host_delay: Some(Duration::from_micros(3)),
        },
        Event::TimedOut { seq },
        Event::Late { seq },
        Event::Unexpected,
        Event::Unsent {
            reason: UnsentReason::Overrun,
            slots: 3,
        },
        Event::TcpInfo(TcpInfo::default()),
        Event::Greeted {
            features: Features::STAMPS,
        },
        Event::PeerSegments,
        Event::Excess(Excess {
            prober: Duration::from_millis(2),
            forward: Duration::from_secs(2),
            ..Excess::default()
        }),
        Event::SoftError,
        Event::Disconnected {
            reason: DisconnectReason::Eof,
        },
    ];
    for series in [SeriesSet::All, SeriesSet::Standard, SeriesSet::Minimal] {
        let metrics = TargetMetrics::with_series(Buckets::default(), series);
        let mut driven = Driven::attach(&metrics, &target(":4000"));
        let Driven {
            session, sensor, ..
        } = &mut driven;
        let region = Region::new(ALLOCATOR);
        for event in &events {
            sensor.on_event(event, session);
        }
        let change = region.change();
        assert_eq!((change.allocations, change.reallocations), (0, 0));
    }
    flows_cost_what_their_numbers_need();
    // The counter works.
    let region = Region::new(ALLOCATOR);
    drop(std::hint::black_box(Box::new(1)));
    assert_eq!(region.change().allocations, 1);
}

/// The memory that a target takes when it is attached, in bytes.
fn memory(metrics: &TargetMetrics, name: &str, flows: NonZeroU16) -> (Vec<TargetSensor>, usize) {
    let target = target(":4000").named(name).with_flows(flows);
    let flows = 0..flows.get();
    let mut sensors = Vec::with_capacity(flows.len());
    let region = Region::new(ALLOCATOR);
    sensors.extend(flows.map(|flow| metrics.attach_flow(&target, flow)));
    let change = region.change();
    (sensors, change.bytes_allocated - change.bytes_deallocated)
}

/// A flow alone has nothing beside its numbers, and each other one is cheaper than a target.
fn flows_cost_what_their_numbers_need() {
    for (series, max) in [
        (SeriesSet::All, MAX_ALL),
        (SeriesSet::Standard, MAX_STANDARD),
        (SeriesSet::Minimal, MAX_MINIMAL),
    ] {
        let metrics = TargetMetrics::with_series(Buckets::default(), series);
        // The first one also takes a node of the map.
        let (_first, _) = memory(&metrics, "a", NonZeroU16::MIN);
        let (_one, one) = memory(&metrics, "b", NonZeroU16::MIN);
        assert!(one <= max, "{series:?}: {one}");
        let (_many, many) = memory(&metrics, "c", NonZeroU16::MIN.saturating_add(15));
        assert!(many <= 16 * one, "{series:?}: {many}, {one}");
    }
}

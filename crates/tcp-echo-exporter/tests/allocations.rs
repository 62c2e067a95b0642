//! Events don't allocate.

mod common;

use std::{alloc::System, time::Duration};

use common::{Driven, TIMEOUT, target};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tcp_echo_exporter::{Buckets, SeriesSet, TargetMetrics};
use tcp_echo_prober::{
    ConnectFailure, DisconnectReason, Event, Excess, Features, Sensor as _, Seq, TcpInfo,
    UnsentReason,
};

// The allocator counts all threads, so this is the only test of the binary.
#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

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
    // The counter works.
    let region = Region::new(ALLOCATOR);
    drop(std::hint::black_box(Box::new(1)));
    assert_eq!(region.change().allocations, 1);
}

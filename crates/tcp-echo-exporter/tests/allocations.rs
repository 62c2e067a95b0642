//! What an event costs besides time.

mod common;

use std::time::Duration;

use common::{Driven, TIMEOUT, target};
use tcp_echo_exporter::TargetMetrics;
use tcp_echo_prober::{
    ConnectFailure, DisconnectReason, Event, Sensor as _, Seq, TcpInfo, UnsentReason,
};

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
        Event::Disconnected {
            reason: DisconnectReason::Eof,
        },
    ];
    let metrics = TargetMetrics::new();
    let mut driven = Driven::attach(&metrics, &target(":4000"));
    let Driven {
        session, sensor, ..
    } = &mut driven;
    let allocations = allocation_counter::measure(|| {
        for event in &events {
            sensor.on_event(event, session);
        }
    });
    assert_eq!(allocations.count_total, 0);
    // The counter does count.
    let allocations = allocation_counter::measure(|| drop(Box::new(1)));
    assert_eq!(allocations.count_total, 1);
}

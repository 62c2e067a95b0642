//! The system has no descriptor for a socket. This is the only test of its process, as it changes
//! the limit of the process.
#![cfg(unix)]

mod common;

use common::{Log, echo, ms, peer};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tcp_echo_prober::{Event, Prober, SessionConfig, SocketStats, Target, TargetSet, UnsentReason};

#[tokio::test]
async fn a_socket_that_the_system_refuses_is_no_failure_of_the_peer() {
    let address = peer(|stream, _| echo(stream)).await;
    let session = SessionConfig::new(ms(10), ms(50)).unwrap();
    let target = Target::new(address.to_string().parse().unwrap(), session);
    let (log, stats) = <(Log, SocketStats)>::default();
    let prober = Prober::builder()
        .observer(log.clone())
        .socket_stats(stats.clone());
    let prober = prober.start().unwrap();

    // Open descriptors stay open: only new ones are refused.
    let before = getrlimit(Resource::Nofile);
    let none = Rlimit {
        current: Some(3),
        ..before
    };
    setrlimit(Resource::Nofile, none).unwrap();
    let _ = prober.apply(TargetSet::new([target]).unwrap());
    let unsent = |log: &common::Seen, reason: UnsentReason| log.counts.unsent(reason);
    log.until("slots without a descriptor", |seen| {
        unsent(seen, UnsentReason::Resources) >= 20
    })
    .await;
    let without = stats.targets_without_socket();
    let failures = log.count(|event| matches!(event, Event::ConnectFailed { .. }));
    let disconnected = log.see(|seen| unsent(seen, UnsentReason::Disconnected));

    setrlimit(Resource::Nofile, before).unwrap();
    assert_eq!((without, failures, disconnected), (1, 0, 0));
    log.until("replies", |seen| seen.counts.received > 0).await;
    assert_eq!(stats.targets_without_socket(), 0);
    prober.stop().unwrap();
}

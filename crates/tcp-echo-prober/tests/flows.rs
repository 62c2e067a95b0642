//! Targets of several flows, over real loopback.
#![allow(clippy::unwrap_used, reason = "its helpers fail as a test does")]

mod common;

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroU16,
    sync::{Arc, Mutex},
};

use common::{Log, echo, frame, ms, peer};
use tcp_echo_prober::{
    Event, Handle, Options, Paths, Prober, SessionConfig, Target, TargetSet, Trace,
};
use testkit::{ports, wait::until_async};
use tokio::io::AsyncWriteExt as _;

/// Connections by their source port.
type Connections = Arc<Mutex<BTreeMap<u16, u32>>>;

fn probe(address: &str, flows: u16, first_port: Option<u16>) -> (Handle, Log, Paths) {
    let mut options = Options::default();
    options.source_ports = first_port.and_then(NonZeroU16::new);
    probe_with(options, address, flows)
}

fn probe_with(options: Options, address: &str, flows: u16) -> (Handle, Log, Paths) {
    let session = SessionConfig::new(ms(10), ms(50)).unwrap();
    let target = Target::new(address.parse().unwrap(), session)
        .named("target")
        .with_flows(NonZeroU16::new(flows).unwrap());
    let (log, paths) = (Log::default(), Paths::default());
    let prober = Prober::builder()
        .options(options)
        .observer(log.clone())
        .paths(paths.clone())
        .targets(TargetSet::new([target]).unwrap())
        .start()
        .unwrap();
    (prober, log, paths)
}

async fn until(what: &str, mut seen: impl FnMut() -> bool) {
    let look = || seen().then_some(());
    until_async(what, ms(30_000), look).await.unwrap();
}

/// A peer that counts the connections of each port.
async fn counting(
    after: impl Fn(u16) -> Option<u32> + Clone + Send + Sync + 'static,
) -> (String, Connections) {
    let connections = Connections::default();
    let seen = connections.clone();
    let address = peer(move |mut stream, _| {
        let (seen, after) = (seen.clone(), after.clone());
        async move {
            let Ok(from) = stream.peer_addr() else { return };
            *seen.lock().unwrap().entry(from.port()).or_default() += 1;
            match after(from.port()) {
                None => echo(stream).await,
                Some(frames) => {
                    for n in 0.. {
                        let Some(frame) = frame(&mut stream).await else {
                            return;
                        };
                        if n < frames && stream.write_all(&frame).await.is_err() {
                            return;
                        }
                    }
                }
            }
        }
    })
    .await;
    (address.to_string(), connections)
}

#[tokio::test]
async fn each_flow_is_a_connection_and_keeps_its_port() {
    // Each connection stops to answer after 20 frames, stalls, and is replaced.
    let (address, connections) = counting(|_| Some(20)).await;
    let (prober, log, paths) = probe(&address, 3, None);
    until("three connections of each flow", || {
        let connections = connections.lock().unwrap();
        connections.len() == 3 && connections.values().all(|n| *n >= 3)
    })
    .await;
    let statuses = paths.flows("target").unwrap();
    let ports: BTreeSet<_> = statuses
        .iter()
        .filter_map(|flow| flow.source_port)
        .collect();
    let seen: BTreeSet<_> = connections.lock().unwrap().keys().copied().collect();
    assert_eq!(ports, seen);
    prober.stop().unwrap();
    log.see(|seen| assert_eq!((seen.attached, seen.detached), (3, 3)));
    assert!(paths.flows("target").is_none(), "they go with the target");
}

#[tokio::test]
async fn a_flow_that_is_not_answered_is_bad_until_it_is() {
    let base = ports::free_row(40).unwrap().port();
    let silent = Arc::new(Mutex::new(Some(base + 1)));
    let port = silent.clone();
    let (address, _) =
        counting(move |from| (*port.lock().unwrap() == Some(from)).then_some(0)).await;
    let (prober, log, paths) = probe(&address, 3, Some(base));
    let summary = || paths.summary("target").unwrap_or_default();
    until("a bad flow", || summary().bad == 1).await;
    log.until("replies of the others", |seen| {
        seen.count(|event| matches!(event, Event::Received { .. })) > 20
    })
    .await;
    until("the loss of its window", || {
        summary().worst_loss_ratio > 0.9
    })
    .await;
    let worst = summary();
    assert_eq!(
        (worst.flows, worst.bad, worst.worst_port),
        (3, 1, Some(base + 1))
    );
    let ports: Vec<_> = paths.flows("target").unwrap();
    let ports: Vec<_> = ports.iter().map(|flow| flow.source_port).collect();
    assert_eq!(ports, [Some(base), Some(base + 1), Some(base + 2)]);

    *silent.lock().unwrap() = None;
    until("no bad flow", || summary().bad == 0).await;
    prober.stop().unwrap();
}

#[tokio::test]
async fn a_quarter_of_the_flows_explores() {
    let (address, connections) = counting(|_| None).await;
    let (prober, log, paths) = probe(&address, 4, None);
    until("another port", || connections.lock().unwrap().len() >= 5).await;
    assert_eq!(paths.summary("target").unwrap().bad, 0);
    prober.stop().unwrap();
    let reconnected = connections.lock().unwrap().values().all(|n| *n == 1);
    assert!(reconnected, "no port is used twice");
    log.see(|seen| {
        let lost = seen.count(|event| matches!(event, Event::TimedOut { .. }));
        assert_eq!(lost, 0, "nothing is in flight when a flow moves");
    });
}

#[tokio::test]
async fn a_port_in_use_is_left() {
    let base = ports::free_row(40).unwrap().port();
    // A socket that shares its port with no other.
    let _taken = std::net::TcpListener::bind(("127.0.0.1", base)).unwrap();
    let (address, connections) = counting(|_| None).await;
    let (prober, _, paths) = probe(&address, 2, Some(base));
    until("two connections", || connections.lock().unwrap().len() == 2).await;
    until("answers of both", || {
        let flows = paths.flows("target").unwrap_or_default();
        flows.iter().all(|flow| flow.rtt.is_some())
    })
    .await;
    assert!(!connections.lock().unwrap().contains_key(&base));
    prober.stop().unwrap();
}

/// The paths of all flows of the target.
#[cfg(target_os = "linux")]
fn traced(paths: &Paths) -> Vec<tcp_echo_prober::Path> {
    let flows = paths.flows("target").unwrap_or_default();
    let paths = flows
        .iter()
        .filter_map(|flow| flow.path.as_deref().cloned());
    paths.collect()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn flows_are_traced_before_they_connect_if_that_is_asked_for() {
    for tries_left in (0..5).rev() {
        if the_last_handshake_of_a_trace_is_the_connection(tries_left > 0).await {
            return;
        }
    }
}

#[cfg(target_os = "linux")]
async fn the_last_handshake_of_a_trace_is_the_connection(is_retried: bool) -> bool {
    let (address, connections) = counting(|_| None).await;
    let mut options = Options::default();
    options.trace = Trace::Always;
    let (prober, _, paths) = probe_with(options, &address, 2);
    until("two traces", || traced(&paths).len() == 2).await;
    for path in traced(&paths) {
        assert!(path.is_complete);
        let hops: Vec<_> = path.hops.iter().map(|hop| (hop.ttl, hop.address)).collect();
        assert_eq!(hops, [(1, Some(path.destination.ip()))]);
    }
    until("answers of both", || {
        let flows = paths.flows("target").unwrap();
        flows.iter().all(|flow| flow.rtt.is_some())
    })
    .await;
    prober.stop().unwrap();
    let ports: Vec<_> = traced(&paths)
        .iter()
        .map(|path| path.source.port())
        .collect();
    assert!(ports.is_empty(), "paths go with the target");
    // A flow whose port is taken connects from another one, and is traced later.
    let connections = connections.lock().unwrap();
    let is_last_handshake = connections.len() == 2 && connections.values().all(|n| *n == 1);
    assert!(is_last_handshake || is_retried, "{connections:?}");
    is_last_handshake
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_stall_is_traced_from_the_port_of_the_connection() {
    for (flows, keeps_port) in [(2, true), (1, false)] {
        // A socket of another program may have the port by then.
        let mut from_its_port = false;
        for _ in 0..5 {
            let (address, connections) = counting(|_| Some(5)).await;
            let (prober, _, paths) = probe(&address, flows, None);
            until("a trace", || !traced(&paths).is_empty()).await;
            let path = traced(&paths).remove(0);
            let last_hop = path.last_hop().unwrap().address;
            assert_eq!(last_hop, Some(path.destination.ip()));
            until("replies after it", || {
                connections.lock().unwrap().values().sum::<u32>() > 4
            })
            .await;
            prober.stop().unwrap();
            let connections = connections.lock().unwrap();
            let is_of_connection = connections.contains_key(&path.source.port());
            let are_kept = connections.len() == usize::from(flows);
            if is_of_connection && are_kept == keeps_port {
                from_its_port = true;
                break;
            }
        }
        assert!(from_its_port, "{flows} flows");
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn no_trace_is_made_if_that_is_asked_for() {
    let (address, connections) = counting(|_| Some(5)).await;
    let mut options = Options::default();
    options.trace = Trace::Off;
    let (prober, _, paths) = probe_with(options, &address, 2);
    until("stalls", || {
        connections.lock().unwrap().values().all(|n| *n > 1)
    })
    .await;
    assert!(traced(&paths).is_empty());
    prober.stop().unwrap();
}

use std::{sync::Arc, time::SystemTime};

use tcp_echo_prober::{Observer as _, Path, SessionConfig, Target};

use super::*;
use crate::metrics::targets::TargetMetrics;

const MS: Duration = Duration::from_millis(1);

fn ip(host: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, host])
}

/// The hops of these hosts, of which `None` did not answer.
fn path(hosts: &[Option<u8>]) -> Arc<Path> {
    let hops = hosts.iter().zip(1..).map(|(host, ttl)| Hop {
        ttl,
        address: host.map(ip),
        rtt: host.map(|host| u32::from(host) * MS),
    });
    Arc::new(Path {
        source: (ip(1), 40_007).into(),
        destination: (ip(9), 4_000).into(),
        hops: hops.collect(),
        is_complete: false,
        ended: SystemTime::UNIX_EPOCH,
    })
}

fn flow(port: u16, is_bad: bool) -> FlowStatus {
    FlowStatus {
        source_port: Some(port),
        is_bad,
        loss_ratio: if is_bad { 0.25 } else { 0.0 },
        rtt: Some(3 * MS),
        path: None,
    }
}

/// What is returned for a target of so many flows, that was never answered.
fn list(known: Option<Vec<FlowStatus>>, flows: u16) -> FlowList {
    let metrics = TargetMetrics::new();
    let history = History::new(metrics.clone(), 0);
    let session = SessionConfig::new(MS, MS).unwrap();
    let target = Target::new("h:1".parse().unwrap(), session);
    let sensor = metrics.attach(&target.with_flows(flows.try_into().unwrap()));
    let snapshots = metrics.snapshot_of("h:1", true).unwrap();
    let status = TargetStatus::of(snapshots.iter().next().unwrap(), &history.tracks());
    let list = FlowList::of(known, &status, usize::from(flows));
    drop(sensor);
    list
}

#[test]
fn flows_have_the_fields_that_are_documented() {
    let mut bad = flow(40_001, true);
    bad.path = Some(path(&[Some(2), None, Some(3), None]));
    let json = serde_json::to_value(list(Some(vec![flow(40_000, false), bad]), 2)).unwrap();
    let expected = serde_json::json!({"flows": [
        {"source_port": 40_000, "bad": false, "loss_ratio": 0.0, "rtt_seconds": 0.003,
         "hops": [], "last_hop": null},
        {"source_port": 40_001, "bad": true, "loss_ratio": 0.25, "rtt_seconds": 0.003,
         "hops": [
            {"ttl": 1, "address": "10.0.0.2", "rtt_seconds": 0.002},
            {"ttl": 2, "address": null, "rtt_seconds": null},
            {"ttl": 3, "address": "10.0.0.3", "rtt_seconds": 0.003},
            {"ttl": 4, "address": null, "rtt_seconds": null},
         ],
         "last_hop": "10.0.0.3"},
    ]});
    assert_eq!(json, expected);
}

#[test]
fn a_flow_alone_is_as_its_target_is() {
    let alone = list(None, 1);
    assert_eq!(alone.flows.len(), 1);
    assert_eq!(alone.flows[0].source_port, None);
    assert_eq!(alone.table().into_string(), "");
    // Once it was traced, the path has the port.
    let traced = FlowStatus {
        source_port: None,
        rtt: None,
        path: Some(path(&[Some(2)])),
        ..flow(1, false)
    };
    let traced = list(Some(vec![traced]), 1);
    assert_eq!(traced.flows[0].source_port, Some(40_007));
    assert!(traced.table().into_string().contains("10.0.0.2"));
}

#[test]
fn bad_flows_come_first_and_say_so() {
    let mut bad = flow(40_001, true);
    bad.path = Some(path(&[Some(2), None]));
    let table = list(Some(vec![flow(40_000, false), bad]), 2);
    let table = table.table().into_string();
    let first = table.find("40001").unwrap();
    assert!(first < table.find("40000").unwrap(), "{table}");
    for part in [
        "2, of which 1 bad",
        ">bad<",
        "10.0.0.2 → *",
        "not traced",
        ">up<",
    ] {
        assert!(table.contains(part), "{part}: {table}");
    }
}

#[test]
fn the_links_with_most_votes_are_shown() {
    assert_eq!(links(Vec::new()).into_string(), "");
    let votes = |to: u8| LinkVotes {
        from: ip(1),
        to: ip(to),
        votes: f64::from(to) / 2.0,
    };
    let table = links((2..30).map(votes).collect()).into_string();
    assert!(
        table.contains("10.0.0.29") && table.contains("14.5"),
        "{table}"
    );
    assert!(
        table.contains("10.0.0.20") && !table.contains("10.0.0.19<"),
        "{table}"
    );
}

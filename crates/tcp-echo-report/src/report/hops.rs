//! The hops of a target by flow, and where loss begins.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use tcp_echo_prober::{FlowStatus, Path};

use super::table::percent;
use crate::format::{Charset, printable, short};

/// How many ports of flows with the same hops are listed.
const MAX_PORTS: usize = 4;
/// How many different paths of a target are shown.
const MAX_PATHS: usize = 16;

/// Flows with the same hops that are all bad, or none of them.
struct Group<'a> {
    path: &'a Path,
    is_bad: bool,
    flows: Vec<&'a FlowStatus>,
}

/// The hops to the target of this name, each path once; `None` if none is known.
pub(crate) fn render(name: &str, flows: &[FlowStatus], charset: Charset) -> Option<String> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for flow in flows {
        let Some(path) = flow.path.as_deref() else {
            continue;
        };
        let has_it =
            |group: &&mut Group<'_>| group.is_bad == flow.is_bad && same_hops(group.path, path);
        match groups.iter_mut().find(has_it) {
            Some(group) => group.flows.push(flow),
            None => groups.push(Group {
                path,
                is_bad: flow.is_bad,
                flows: vec![flow],
            }),
        }
    }
    let destination = groups.first()?.path.destination;
    let bad = flows.iter().filter(|flow| flow.is_bad).count();
    // Those of good flows are known to pass.
    let good = groups.iter().filter(|group| !group.is_bad);
    let good: HashSet<_> = good.flat_map(|group| group.path.links(None)).collect();
    // The bad ones first; otherwise the order of the flows.
    groups.sort_by_key(|group| !group.is_bad);

    let mut text = String::new();
    // Writing to a string can't fail.
    let _ = write!(text, "hops to {} ({destination})", printable(name));
    let _ = match (flows.len(), bad) {
        (1, _) => writeln!(text),
        (all, 0) => writeln!(text, ", {all} flows"),
        (all, bad) => writeln!(text, ", {all} flows, {bad} of them bad"),
    };
    for group in groups.iter().take(MAX_PATHS) {
        let _ = writeln!(text, "  {}", title(group, charset));
        for hop in &group.path.hops {
            let _ = match (hop.address, hop.rtt) {
                (Some(address), Some(rtt)) => {
                    writeln!(text, "  {:>4}  {address}  {}", hop.ttl, short(rtt, charset))
                }
                (Some(address), None) => writeln!(text, "  {:>4}  {address}", hop.ttl),
                (None, _) => writeln!(text, "  {:>4}  *", hop.ttl),
            };
        }
        if let Some(sentence) = fault(group, &good) {
            let _ = writeln!(text, "  {sentence}");
        }
    }
    match flows.iter().filter(|flow| flow.path.is_none()).count() {
        0 => {}
        1 => text.push_str("  (1 flow was not traced)\n"),
        others => {
            let _ = writeln!(text, "  ({others} flows were not traced)");
        }
    }
    if let Some(more @ 1..) = groups.len().checked_sub(MAX_PATHS) {
        let _ = writeln!(text, "  ({more} more paths)");
    }
    Some(text)
}

/// Whether two paths have the same hops, at whatever times.
fn same_hops(one: &Path, other: &Path) -> bool {
    let addresses = |path: &Path| {
        let hops = path.hops.iter();
        hops.map(|hop| hop.address).collect::<Vec<_>>()
    };
    one.is_complete == other.is_complete && addresses(one) == addresses(other)
}

/// `from ports 40000, 40003: 0% lost, p50 213us`.
fn title(group: &Group<'_>, charset: Charset) -> String {
    let flows = &group.flows;
    let ports = flows.iter().filter_map(|flow| flow.source_port);
    let ports: Vec<_> = ports.map(|port| port.to_string()).collect();
    let mut text = if ports.len() == 1 {
        format!("from port {}", ports[0])
    } else {
        let listed = &ports[..ports.len().min(MAX_PORTS)];
        format!("from ports {}", listed.join(", "))
    };
    if let Some(more @ 1..) = ports.len().checked_sub(MAX_PORTS) {
        let _ = write!(text, " and {more} more");
    }
    let loss: f64 = flows.iter().map(|flow| flow.loss_ratio).sum();
    let loss = percent(100.0 * loss / flows.len() as f64);
    let _ = write!(text, ": {loss} lost");
    let mut rtts: Vec<Duration> = flows.iter().filter_map(|flow| flow.rtt).collect();
    rtts.sort_unstable();
    if let Some(rtt) = rtts.get(rtts.len() / 2) {
        let _ = write!(text, ", p50 {}", short(*rtt, charset));
    }
    if group.is_bad {
        text.push_str(", bad");
    }
    text
}

/// Where the loss of these flows begins, if they have any and it is known.
fn fault(group: &Group<'_>, good: &HashSet<(IpAddr, IpAddr)>) -> Option<String> {
    let path = group.path;
    let has_loss = group.flows.iter().any(|flow| flow.loss_ratio > 0.0);
    if !path.is_complete {
        let what = if has_loss || group.is_bad {
            "loss begins"
        } else {
            // The destination may filter what a trace sends.
            "the trace ends"
        };
        return Some(match path.last_hop().and_then(|hop| hop.address) {
            Some(address) => format!("{what} after {address}: nothing answers beyond"),
            None => format!("{what} before the first hop: nothing answers"),
        });
    }
    if !group.is_bad {
        return None;
    }
    let links = path.links(None);
    Some(match links.iter().find(|link| !good.contains(link)) {
        Some((from, to)) => {
            format!("loss begins between {from} and {to}: no good flow has this link")
        }
        None => {
            "good flows have all of these links: lost on the way back, or now and then".to_owned()
        }
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::SystemTime;

    use tcp_echo_prober::Hop;

    use super::*;

    fn flow(port: u16, loss_ratio: f64, is_bad: bool, hops: &[Option<u8>]) -> FlowStatus {
        let destination = ip(9);
        let last = hops.last().copied().flatten().map(ip);
        let hops = hops.iter().zip(1..).map(|(host, ttl)| Hop {
            ttl,
            address: host.map(ip),
            rtt: host.map(|host| Duration::from_micros(100 * u64::from(host))),
        });
        let path = Path {
            source: (ip(1), port).into(),
            destination: (destination, 4000).into(),
            hops: hops.collect(),
            is_complete: last == Some(destination),
            ended: SystemTime::UNIX_EPOCH,
        };
        FlowStatus {
            source_port: Some(port),
            is_bad,
            loss_ratio,
            rtt: (loss_ratio < 1.0).then_some(Duration::from_micros(1234)),
            path: Some(Arc::new(path)),
        }
    }

    fn ip(host: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, host])
    }

    fn lines(flows: &[FlowStatus]) -> Vec<String> {
        let text = render("d\u{1b}b", flows, Charset::Ascii).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_path_is_shown_once_and_the_bad_ones_first() {
        let flows = [
            flow(50_000, 0.0, false, &[Some(2), Some(3), Some(9)]),
            flow(50_001, 0.5, true, &[Some(2), Some(4), Some(9)]),
            flow(50_002, 0.0, false, &[Some(2), Some(3), Some(9)]),
            flow(50_003, 1.0, true, &[Some(2), Some(5), None, None]),
            FlowStatus {
                path: None,
                ..flow(50_004, 0.0, false, &[])
            },
        ];
        let expected = [
            r"hops to d\u{1b}b (10.0.0.9:4000), 5 flows, 2 of them bad",
            "  from port 50001: 50.00% lost, p50 1.23ms, bad",
            "     1  10.0.0.2  200us",
            "     2  10.0.0.4  400us",
            "     3  10.0.0.9  900us",
            "  loss begins between 10.0.0.2 and 10.0.0.4: no good flow has this link",
            "  from port 50003: 100% lost, bad",
            "     1  10.0.0.2  200us",
            "     2  10.0.0.5  500us",
            "     3  *",
            "     4  *",
            "  loss begins after 10.0.0.5: nothing answers beyond",
            "  from ports 50000, 50002: 0% lost, p50 1.23ms",
            "     1  10.0.0.2  200us",
            "     2  10.0.0.3  300us",
            "     3  10.0.0.9  900us",
            "  (1 flow was not traced)",
        ];
        assert_eq!(lines(&flows), expected);
    }

    #[test]
    fn one_flow_has_one_path() {
        let whole = [flow(50_000, 0.0, false, &[None, Some(9)])];
        let expected = [
            r"hops to d\u{1b}b (10.0.0.9:4000)",
            "  from port 50000: 0% lost, p50 1.23ms",
            "     1  *",
            "     2  10.0.0.9  900us",
        ];
        assert_eq!(lines(&whole), expected);
        let last = |flow| lines(&[flow]).pop().unwrap();
        assert_eq!(
            last(flow(1, 0.0, false, &[Some(2), None])),
            "  the trace ends after 10.0.0.2: nothing answers beyond"
        );
        assert_eq!(
            last(flow(1, 1.0, false, &[None])),
            "  loss begins before the first hop: nothing answers"
        );
    }

    #[test]
    fn what_good_flows_pass_is_not_blamed() {
        let hops = [Some(2), Some(9)];
        let flows = [flow(1, 0.0, false, &hops), flow(2, 0.3, true, &hops)];
        let blamed = lines(&flows);
        assert!(blamed[4].contains("on the way back"), "{blamed:?}");
    }

    #[test]
    fn the_length_is_bounded_and_nothing_known_is_nothing() {
        let mut flows: Vec<_> = (0..40)
            .map(|n| flow(n, 0.0, false, &[Some(10 + u8::try_from(n).unwrap())]))
            .collect();
        let many = lines(&flows);
        assert_eq!(many.last().unwrap(), "  (24 more paths)");
        flows = (0..20).map(|n| flow(n, 0.0, false, &[Some(9)])).collect();
        assert!(lines(&flows)[1].contains("3 and 16 more"));
        for flow in &mut flows {
            flow.path = None;
        }
        assert_eq!(render("db", &flows, Charset::Ascii), None);
    }
}

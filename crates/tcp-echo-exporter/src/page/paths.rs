//! The flows of a target and the hops on their way, as `/api/v1/paths` and the page show them.

use std::{cmp::Ordering, net::IpAddr, time::Duration};

use maud::{Markup, html};
use serde::Serialize;
use tcp_echo_prober::{FlowStatus, Hop, LinkVotes};

use super::{history::History, status::TargetStatus, text};

/// How many links the page shows.
const MAX_LINKS: usize = 10;

/// The body of `/api/v1/paths`.
#[derive(Debug, Serialize)]
pub(super) struct FlowList {
    pub(super) flows: Vec<FlowView>,
}

/// One flow. The crate's documentation describes the fields.
#[derive(Debug, Serialize)]
pub(super) struct FlowView {
    source_port: Option<u16>,
    bad: bool,
    loss_ratio: f64,
    rtt_seconds: Option<f64>,
    hops: Vec<HopView>,
    last_hop: Option<IpAddr>,
}

/// One hop.
#[derive(Debug, Serialize)]
struct HopView {
    ttl: u8,
    address: Option<IpAddr>,
    rtt_seconds: Option<f64>,
}

impl FlowList {
    /// The flows of the target of this name; `None` if there is no such target.
    pub(super) fn find(history: &History, name: &str) -> Option<Self> {
        let tracks = history.tracks();
        let found = history.metrics().snapshot_of(name, true)?;
        let target = found.iter().next()?;
        let flows = target.flow_count();
        let status = TargetStatus::of(target, &tracks);
        drop(tracks);
        let known = history.metrics().flows(name);
        Some(Self::of(known, &status, flows))
    }

    /// The flows of a target with so many of them. What is not known of the only one is what is
    /// known of the target.
    pub(super) fn of(
        known: Option<Vec<FlowStatus>>,
        target: &TargetStatus<'_>,
        flows: usize,
    ) -> Self {
        let mut flows: Vec<_> = match known {
            Some(known) => known.iter().map(FlowView::new).collect(),
            None => (0..flows).map(|_| FlowView::unknown()).collect(),
        };
        if let [only] = &mut *flows
            && only.rtt_seconds.is_none()
        {
            only.loss_ratio = target.loss_ratio;
            only.rtt_seconds = target.p50_seconds.or(target.last_rtt_seconds);
        }
        Self { flows }
    }

    /// Whether there is more to say than of the target.
    fn has_more(&self) -> bool {
        match &*self.flows {
            [only] => only.source_port.is_some() || !only.hops.is_empty(),
            _ => true,
        }
    }

    /// A table of the flows, bad ones first; nothing where they would only repeat the target.
    pub(super) fn table(&self) -> Markup {
        if !self.has_more() {
            return Markup::default();
        }
        let mut flows: Vec<_> = self.flows.iter().collect();
        flows.sort_by_key(|flow| (!flow.bad, flow.source_port));
        let bad = flows.iter().filter(|flow| flow.bad).count();
        html! {
            div.wide #flows {
                table {
                    caption { "Flows: " (flows.len()) ", of which " (bad) " bad" }
                    thead {
                        tr {
                            th scope="col" { "Source port" }
                            th scope="col" { "State" }
                            th.n scope="col" { "p50" }
                            th.n scope="col" { "Loss" }
                            th scope="col" { "Last hop" }
                            th scope="col" { "Hops" }
                        }
                    }
                    tbody { @for flow in flows { (flow.row()) } }
                }
            }
        }
    }
}

impl FlowView {
    fn new(flow: &FlowStatus) -> Self {
        let path = flow.path.as_ref();
        let last_hop = path.and_then(|path| path.last_hop()?.address);
        Self {
            // The record of a flow alone has the port in its path.
            source_port: flow.source_port.or(path.map(|path| path.source.port())),
            bad: flow.is_bad,
            loss_ratio: flow.loss_ratio,
            rtt_seconds: flow.rtt.as_ref().map(Duration::as_secs_f64),
            hops: path.map_or_else(Vec::new, |path| {
                path.hops.iter().map(HopView::new).collect()
            }),
            last_hop,
        }
    }

    const fn unknown() -> Self {
        Self {
            source_port: None,
            bad: false,
            loss_ratio: 0.0,
            rtt_seconds: None,
            hops: Vec::new(),
            last_hop: None,
        }
    }

    /// The state, and the class that gives it its colour and its sign.
    fn state(&self) -> (&'static str, &'static str) {
        if self.bad {
            ("down", "bad")
        } else if self.loss_ratio >= 1.0 {
            ("down", "down")
        } else if self.loss_ratio > 0.0 {
            ("lossy", "lossy")
        } else if self.rtt_seconds.is_none() {
            ("untried", "untried")
        } else {
            ("up", "up")
        }
    }

    fn row(&self) -> Markup {
        let (class, state) = self.state();
        let port = self.source_port.map_or_else(dash, |port| port.to_string());
        let last_hop = self.last_hop.map_or_else(dash, |hop| hop.to_string());
        html! {
            tr class=(class) {
                th scope="row" { (port) }
                td.state { (state) }
                td.n { (text::duration(self.rtt_seconds)) }
                td.n.loss { (text::percent(self.loss_ratio)) }
                td { (last_hop) }
                td.hops { (self.line()) }
            }
        }
    }

    /// The hops in one line, with `*` for those that did not answer.
    fn line(&self) -> String {
        if self.hops.is_empty() {
            return "not traced".to_owned();
        }
        let hops = self.hops.iter().map(|hop| match hop.address {
            Some(address) => address.to_string(),
            None => "*".to_owned(),
        });
        hops.collect::<Vec<_>>().join(" → ")
    }
}

impl HopView {
    fn new(hop: &Hop) -> Self {
        Self {
            ttl: hop.ttl,
            address: hop.address,
            rtt_seconds: hop.rtt.as_ref().map(Duration::as_secs_f64),
        }
    }
}

fn dash() -> String {
    "–".to_owned()
}

/// A table of the links with most votes; nothing without any.
pub(super) fn links(mut links: Vec<LinkVotes>) -> Markup {
    if links.is_empty() {
        return Markup::default();
    }
    links.sort_by(most_votes);
    html! {
        div.wide #links {
            table {
                caption { "Links with most votes of flows that lose or stall, since the start" }
                thead {
                    tr {
                        th scope="col" { "From" }
                        th scope="col" { "To" }
                        th.n scope="col" { "Votes" }
                    }
                }
                tbody {
                    @for link in links.iter().take(MAX_LINKS) {
                        tr {
                            th scope="row" { (link.from) }
                            td { (link.to) }
                            td.n { (format!("{:.1}", link.votes)) }
                        }
                    }
                }
            }
        }
    }
}

fn most_votes(one: &LinkVotes, other: &LinkVotes) -> Ordering {
    let votes = other.votes.total_cmp(&one.votes);
    votes.then((one.from, one.to).cmp(&(other.from, other.to)))
}

#[cfg(test)]
mod tests;

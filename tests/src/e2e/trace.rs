//! Traces of a flow's path, without privileges.

mod chain;
mod equal_paths;
mod flow;
mod report;
mod routers;

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};
use tcp_echo_prober::TraceLimits;
use testkit::context::Context;
use testkit::echo::Echo;
use testkit::netns::{CLIENT, Namespace, SERVER};
use testkit::tools::Tool;

use self::chain::{Chain, FAMILIES, Family, ROUTERS};
use self::flow::traced;
use super::direction::Link;
use crate::runner::Scenario;

const TOOLS: &[Tool] = &[("ip", "iproute2"), ("nft", "nftables")];

const SCENARIO: Scenario = Scenario {
    name: "",
    tools: TOOLS,
    root: true,
    alone: true,
    run: hops,
};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "trace: all hops, again and again from one port",
        ..SCENARIO
    },
    Scenario {
        name: "trace: the last living hop of a dead path",
        run: dead_paths,
        ..SCENARIO
    },
    Scenario {
        name: "trace: routers that are silent, limit their answers, or reject",
        run: routers::run,
        ..SCENARIO
    },
    Scenario {
        name: "trace: a path that loses every other packet",
        run: lossy_path,
        ..SCENARIO
    },
    Scenario {
        name: "trace: a destination that is far away",
        tools: &[("ip", "iproute2"), ("python3", "python3")],
        run: far_away,
        ..SCENARIO
    },
    Scenario {
        name: "trace: the path of the probes among equal ones",
        run: equal_paths::run,
        ..SCENARIO
    },
    Scenario {
        name: "trace: a run in the foreground prints the hops",
        run: report::run,
        ..SCENARIO
    },
];

/// The port of the flow.
const PORT: u16 = 40_000;

/// How often a path is traced.
const TIMES: usize = 20;

fn hops(context: &Context) -> Result<()> {
    let chain = Chain::new(context)?;
    for family in FAMILIES {
        let mut times = Vec::new();
        for _ in 0..TIMES {
            let outcome = chain.trace(family, PORT, &TraceLimits::AT_CONNECT)?;
            ensure!(
                outcome.addresses() == Chain::hops(family),
                "{:?}",
                outcome.path
            );
            ensure!(outcome.path.is_complete, "not complete");
            for (hop, ttl) in outcome.path.hops.iter().zip(1..) {
                let is_plausible = hop
                    .rtt
                    .is_some_and(|rtt| !rtt.is_zero() && rtt < TraceLimits::MIN_WAIT);
                ensure!(hop.ttl == ttl && is_plausible, "{hop:?}");
            }
            times.push(outcome.took);
            let mut connection = outcome.connection()?;
            connection.probe(3)?;
            connection.reset()?;
        }
        times.sort();
        context.note(format!(
            "{family:?}: {} hops in {:?}, {:?} and {:?} (least, median, most of {TIMES})",
            ROUTERS + 1,
            times[0],
            times[TIMES / 2],
            times[TIMES - 1]
        ));
        let refused = chain.trace_to(4001, family, PORT, &TraceLimits::AT_CONNECT)?;
        ensure!(refused.end == "refused", "{}", refused.end);
        ensure!(
            refused.path.is_complete && refused.addresses() == Chain::hops(family),
            "{:?}",
            refused.path
        );
    }
    Ok(())
}

/// Breaks the path of a connection, whose reset is then lost, and repairs it.
fn dead_paths(context: &Context) -> Result<()> {
    let chain = Chain::new(context)?;
    for is_tracked in [false, true] {
        if is_tracked {
            track(&chain)?;
        }
        for family in FAMILIES {
            for last in 1..=ROUTERS {
                break_and_repair(context, &chain, family, last, is_tracked)?;
            }
        }
    }
    Ok(())
}

fn break_and_repair(
    context: &Context,
    chain: &Chain,
    family: Family,
    last: usize,
    is_tracked: bool,
) -> Result<()> {
    let before = chain.trace(family, PORT, &TraceLimits::AT_CONNECT)?;
    let known = before.path.clone();
    ensure!(before.addresses() == Chain::hops(family), "{known:?}");
    let mut connection = before.connection()?;
    connection.probe(3)?;
    let router = chain.router(last);
    router.nft(
        "add table inet hole; \
         add chain inet hole rules { type filter hook forward priority 0; }; \
         add rule inet hole rules tcp dport 4000 drop; \
         add rule inet hole rules tcp sport 4000 drop",
    )?;
    connection.reset()?;
    let dead = chain.trace(family, PORT, &TraceLimits::AFTER_STALL)?;
    ensure!(
        dead.end == "silent" && !dead.path.is_complete,
        "{}: {:?}",
        dead.end,
        dead.path
    );
    ensure!(dead.took < Duration::from_secs(1), "{:?}", dead.took);
    let hop = dead.path.last_hop().and_then(|hop| hop.address);
    let living = Chain::address(family, last);
    ensure!(hop == Some(living), "{:?}", dead.path);
    let link = dead.path.links(Some(&known)).last().copied();
    ensure!(
        link == Some((living, Chain::address(family, last + 1))),
        "{link:?}"
    );
    router.nft("delete table inet hole")?;

    let after = chain.trace(family, PORT, &TraceLimits::AT_CONNECT)?;
    let took = after.took;
    ensure!(after.addresses() == Chain::hops(family), "{:?}", after.path);
    ensure!(took < Duration::from_millis(1500), "{took:?}");
    let mut connection = after.connection()?;
    connection.probe(3)?;
    connection.reset()?;
    let tracked = if is_tracked { ", tracked" } else { "" };
    context.note(format!(
        "{family:?}, behind router {last}{tracked}: found in {:?}, connected after {took:?}",
        dead.took
    ));
    Ok(())
}

/// Drops what connection tracking does not understand, at the client and at the first router.
fn track(chain: &Chain) -> Result<()> {
    let hooks = [
        (chain.client(), "input"),
        (chain.client(), "output"),
        (chain.router(1), "forward"),
    ];
    for (node, hook) in hooks {
        node.nft(&format!(
            "add table inet tracked; \
             add chain inet tracked {hook} {{ type filter hook {hook} priority 0; }}; \
             add rule inet tracked {hook} ct state invalid counter drop"
        ))?;
    }
    Ok(())
}

fn lossy_path(context: &Context) -> Result<()> {
    let chain = Chain::new(context)?;
    chain.router(1).nft(
        "add table inet lossy; \
         add chain inet lossy rules { type filter hook prerouting priority 0; }; \
         add rule inet lossy rules tcp dport 4000 tcp flags & syn == syn \
             numgen inc mod 2 == 0 drop",
    )?;
    let limits = TraceLimits {
        is_lossy: true,
        ..TraceLimits::AT_CONNECT
    };
    for family in FAMILIES {
        let outcome = chain.trace(family, PORT, &limits)?;
        ensure!(
            outcome.addresses() == Chain::hops(family),
            "{:?}",
            outcome.path
        );
        context.note(format!("{family:?}: {:?}", outcome.took));
        outcome.connection()?.reset()?;
        let outcome = chain.trace(family, PORT, &TraceLimits::AT_CONNECT)?;
        ensure!(
            outcome.addresses() != Chain::hops(family),
            "no loss: {:?}",
            outcome.path
        );
        outcome.connection()?.reset()?;
    }
    Ok(())
}

/// The delay of each way to a destination that is further away than a trace waits.
const FAR: u32 = 200;

fn far_away(context: &Context) -> Result<()> {
    let (client, server) = (Namespace::new()?, Namespace::new()?);
    let mut link = Link::start(context, &client, &server)?;
    let _echo = Echo::start_in(
        context,
        &server.inside(),
        &["-mode=server", "-listen=:4000"],
    )?;
    link.set(FAR, FAR)?;
    let rtt = Duration::from_millis((2 * FAR).into());
    let source = SocketAddr::new(CLIENT.parse()?, PORT);
    let destination = SocketAddr::new(SERVER.parse()?, 4000);
    for smoothed_rtt in [None, Some(rtt)] {
        let limits = TraceLimits {
            smoothed_rtt,
            ..TraceLimits::AT_CONNECT
        };
        let outcome = traced(&client, source, destination, &limits)?;
        ensure!(
            outcome.end == "connected",
            "{}: {:?}",
            outcome.end,
            outcome.path
        );
        context.note(format!(
            "RTT of {rtt:?}, known {smoothed_rtt:?}: connected after {:?}, at hop {}",
            outcome.took,
            outcome.path.hops.len()
        ));
        let is_known = smoothed_rtt.is_some();
        ensure!(
            (outcome.path.hops.len() == 1) == is_known,
            "{:?}",
            outcome.path
        );
        ensure!(outcome.took < 4 * rtt, "{:?}", outcome.took);
        let mut connection = outcome.connection()?;
        connection.probe(1)?;
        connection.reset()?;
        // The reset has to arrive before the next SYN.
        thread::sleep(rtt);
    }
    Ok(())
}

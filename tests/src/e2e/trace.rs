//! Traces of a flow's path, without privileges.

mod chain;
mod equal_paths;
mod flow;

use std::time::Duration;

use anyhow::{Result, ensure};
use tcp_echo_prober::TraceLimits;
use testkit::context::Context;
use testkit::tools::Tool;

use crate::runner::Scenario;
use chain::{Chain, FAMILIES, Family, ROUTERS};

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
        run: silent_routers,
        ..SCENARIO
    },
    Scenario {
        name: "trace: the path of the probes among equal ones",
        run: equal_paths::run,
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
         add chain inet hole all { type filter hook forward priority 0; }; \
         add rule inet hole all tcp dport 4000 drop; \
         add rule inet hole all tcp sport 4000 drop",
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

fn silent_routers(context: &Context) -> Result<()> {
    let chain = Chain::new(context)?;
    let router = chain.router(2);
    router.nft(
        "add table inet silent; \
         add chain inet silent out { type filter hook output priority 0; }; \
         add rule inet silent out icmp type time-exceeded drop; \
         add rule inet silent out icmpv6 type time-exceeded drop",
    )?;
    for family in FAMILIES {
        let outcome = chain.trace(family, PORT, &TraceLimits::AT_CONNECT)?;
        let mut expected = Chain::hops(family);
        expected[1] = None;
        ensure!(outcome.addresses() == expected, "{:?}", outcome.path);
        ensure!(
            outcome.took < 2 * TraceLimits::MIN_WAIT,
            "{:?}",
            outcome.took
        );
        context.note(format!("{family:?}, one silent router: {:?}", outcome.took));
        outcome.connection()?.reset()?;
    }
    router.nft("delete table inet silent")?;

    // The kernel's default: an answer a second to each host, after six at once.
    router.set("ipv4/icmp_ratelimit", "1000")?;
    router.set("ipv6/icmp/ratelimit", "1000")?;
    for family in FAMILIES {
        let mut silent = 0;
        for port in (PORT..).take(12) {
            let outcome = chain.trace(family, port, &TraceLimits::AT_CONNECT)?;
            let mut expected = Chain::hops(family);
            if outcome.path.hops[1].address.is_none() {
                silent += 1;
                expected[1] = None;
            }
            ensure!(outcome.addresses() == expected, "{:?}", outcome.path);
            outcome.connection()?.reset()?;
        }
        context.note(format!("{family:?}: {silent} of 12 without an answer"));
        ensure!(
            (1..12).contains(&silent),
            "{silent} of 12 without an answer"
        );
    }
    router.set("ipv4/icmp_ratelimit", "0")?;
    router.set("ipv6/icmp/ratelimit", "0")?;

    router.nft(
        "add table inet closed; \
         add chain inet closed all { type filter hook forward priority 0; }; \
         add rule inet closed all tcp dport 4000 reject with icmpx type admin-prohibited",
    )?;
    for family in FAMILIES {
        let outcome = chain.trace(family, PORT, &TraceLimits::AT_CONNECT)?;
        ensure!(
            outcome.end == "unreachable" && !outcome.path.is_complete,
            "{}: {:?}",
            outcome.end,
            outcome.path
        );
        let hop = outcome.path.last_hop().and_then(|hop| hop.address);
        ensure!(hop == Some(Chain::address(family, 2)), "{:?}", outcome.path);
    }
    router.nft("delete table inet closed")?;
    // The destination's host says so itself.
    chain.server().nft(
        "add table inet closed; \
         add chain inet closed all { type filter hook input priority 0; }; \
         add rule inet closed all tcp dport 4000 reject with icmpx type port-unreachable",
    )?;
    for family in FAMILIES {
        let outcome = chain.trace(family, PORT, &TraceLimits::AT_CONNECT)?;
        ensure!(
            outcome.end == "unreachable" && outcome.path.is_complete,
            "{}: {:?}",
            outcome.end,
            outcome.path
        );
        ensure!(
            outcome.addresses() == Chain::hops(family),
            "{:?}",
            outcome.path
        );
    }
    Ok(())
}

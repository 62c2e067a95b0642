//! Routers that do not answer as a trace would like.

use anyhow::{Result, ensure};
use tcp_echo_prober::TraceLimits;
use testkit::context::Context;

use super::PORT;
use super::chain::{Chain, FAMILIES};

/// The router in question, by its number of hops.
const ROUTER: usize = 2;

pub(super) fn run(context: &Context) -> Result<()> {
    let chain = Chain::new(context)?;
    silent(context, &chain)?;
    limited(context, &chain)?;
    rejecting(&chain)
}

fn silent(context: &Context, chain: &Chain) -> Result<()> {
    let router = chain.router(ROUTER);
    router.nft(
        "add table inet silent; \
         add chain inet silent out { type filter hook output priority 0; }; \
         add rule inet silent out icmp type time-exceeded drop; \
         add rule inet silent out icmpv6 type time-exceeded drop",
    )?;
    for family in FAMILIES {
        let outcome = chain.trace(family, PORT, &TraceLimits::AT_CONNECT)?;
        let mut expected = Chain::hops(family);
        expected[ROUTER - 1] = None;
        ensure!(outcome.addresses() == expected, "{:?}", outcome.path);
        let took = outcome.took;
        ensure!(took < 2 * TraceLimits::MIN_WAIT, "{took:?}");
        context.note(format!("{family:?}, one silent router: {took:?}"));
        outcome.connection()?.reset()?;
    }
    router.nft("delete table inet silent")?;
    Ok(())
}

/// Limits answers as the kernel does by default: six at once to each host, and then one a second.
fn limited(context: &Context, chain: &Chain) -> Result<()> {
    const LIMITS: [&str; 2] = ["ipv4/icmp_ratelimit", "ipv6/icmp/ratelimit"];
    let router = chain.router(ROUTER);
    for limit in LIMITS {
        router.set(limit, "1000")?;
    }
    for family in FAMILIES {
        let mut silent = 0;
        for port in (PORT..).take(12) {
            let outcome = chain.trace(family, port, &TraceLimits::AT_CONNECT)?;
            let mut expected = Chain::hops(family);
            if outcome.path.hops[ROUTER - 1].address.is_none() {
                silent += 1;
                expected[ROUTER - 1] = None;
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
    for limit in LIMITS {
        router.set(limit, "0")?;
    }
    Ok(())
}

fn rejecting(chain: &Chain) -> Result<()> {
    chain.router(ROUTER).nft(
        "add table inet closed; \
         add chain inet closed rules { type filter hook forward priority 0; }; \
         add rule inet closed rules tcp dport 4000 reject with icmpx type admin-prohibited",
    )?;
    for family in FAMILIES {
        let outcome = chain.trace(family, PORT, &TraceLimits::AT_CONNECT)?;
        let (end, path) = (outcome.end, &outcome.path);
        ensure!(end == "unreachable" && !path.is_complete, "{end}: {path:?}");
        let hop = path.last_hop().and_then(|hop| hop.address);
        ensure!(hop == Some(Chain::address(family, ROUTER)), "{path:?}");
    }
    chain.router(ROUTER).nft("delete table inet closed")?;
    // The destination's host says so itself.
    chain.server().nft(
        "add table inet closed; \
         add chain inet closed rules { type filter hook input priority 0; }; \
         add rule inet closed rules tcp dport 4000 reject with icmpx type port-unreachable",
    )?;
    for family in FAMILIES {
        let outcome = chain.trace(family, PORT, &TraceLimits::AT_CONNECT)?;
        let (end, path) = (outcome.end, &outcome.path);
        ensure!(end == "unreachable" && path.is_complete, "{end}: {path:?}");
        ensure!(outcome.addresses() == Chain::hops(family), "{path:?}");
    }
    Ok(())
}

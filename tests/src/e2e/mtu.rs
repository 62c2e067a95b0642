//! Routers that drop large packets, and don't say so.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use testkit::context::Context;
use testkit::echo::Echo;
use testkit::netns::Namespace;
use testkit::wait;

use crate::runner::Scenario;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "mtu: a router drops large packets and does not say so",
        tools: TOOLS,
        root: true,
        alone: false,
        run: |context| dropping(context, &FORWARD),
    },
    Scenario {
        name: "mtu: large packets are dropped on the way back",
        tools: TOOLS,
        root: true,
        alone: false,
        run: |context| dropping(context, &REVERSE),
    },
    Scenario {
        name: "mtu: a router that says so is no fault",
        tools: TOOLS,
        root: true,
        alone: false,
        run: telling,
    },
];

const TOOLS: &[(&str, &str)] = &[("ip", "iproute2"), ("nft", "nftables")];

const TARGET: &str = "10.98.2.2:4000";
/// Within this time it must be said, and said to be over.
const LIMIT: Duration = Duration::from_secs(5);
/// As long as several checks take.
const CHECKS: Duration = Duration::from_secs(4);

/// A way on which large packets are dropped.
struct Way {
    /// What makes the router drop them, and what ends it: arguments of `ip`.
    begin: &'static [&'static str],
    end: &'static [&'static str],
    log: &'static str,
}

const FORWARD: Way = Way {
    begin: &["link", "set", "server", "mtu", "1400"],
    end: &["link", "set", "server", "mtu", "1500"],
    log: "large packets are dropped on the way there: segments of 1460 bytes don't pass, 1360 do",
};
const REVERSE: Way = Way {
    // The interface would drop large packets that come in, too.
    begin: &[
        "route",
        "add",
        "10.98.1.1",
        "dev",
        "client",
        "mtu",
        "lock",
        "1400",
    ],
    end: &["route", "delete", "10.98.1.1"],
    log: "large packets are dropped on the way back: segments of 1460 bytes don't pass, 1360 do",
};

/// A client and a server with a router between.
struct Routed {
    router: Namespace,
    // Keep all of them until this is dropped.
    _client: Namespace,
    _server: Namespace,
    echo: Echo,
    peer: Echo,
}

impl Routed {
    fn new(context: &Context) -> Result<Self> {
        let (client, router, server) = (Namespace::new()?, Namespace::new()?, Namespace::new()?);
        for (end, name, net) in [(&client, "client", 1), (&server, "server", 2)] {
            let peer = router.name();
            end.ip(&[
                "link", "add", "veth0", "type", "veth", "peer", "name", name, "netns", peer,
            ])?;
            let host = if net == 1 { 1 } else { 2 };
            let addresses = [host, 3 - host].map(|host| format!("10.98.{net}.{host}/24"));
            end.ip(&["address", "add", &addresses[0], "dev", "veth0"])?;
            end.ip(&["link", "set", "veth0", "up"])?;
            router.ip(&["address", "add", &addresses[1], "dev", name])?;
            router.ip(&["link", "set", name, "up"])?;
            let via = format!("10.98.{net}.{}", 3 - host);
            end.ip(&["route", "add", "default", "via", &via])?;
        }
        let forward = || std::fs::write("/proc/sys/net/ipv4/ip_forward", "1");
        router.inside().run(forward)??;
        let peer = Echo::start_in(context, &server.inside(), &["-mode=server"])?;
        let flags = [
            "-mode=client",
            &format!("-target=it={TARGET}"),
            "-interval=20ms",
            "-mtu-probe=1s",
        ];
        let echo = Echo::start_in(context, &client.inside(), &flags)?;
        Ok(Self {
            router,
            _client: client,
            _server: server,
            echo,
            peer,
        })
    }

    /// The number of probes that were answered.
    fn received(&self) -> Result<f64> {
        Ok(self.echo.scrape()?.sum("tcp_echo_received_total", &[]))
    }
}

/// Waits until the log has so many of a text.
fn until(context: &Context, text: &str, count: usize) -> Result<Duration> {
    let seen = || (context.logs().matches(text).count() >= count).then_some(());
    Ok(wait::until(text, LIMIT, seen)?.1)
}

fn dropping(context: &Context, way: &Way) -> Result<()> {
    let routed = Routed::new(context)?;
    routed.router.nft(
        "add table ip quiet; \
         add chain ip quiet out { type filter hook output priority 0; policy accept; }; \
         add rule ip quiet out icmp type destination-unreachable drop",
    )?;
    thread::sleep(CHECKS);
    quiet(context, &routed)?;

    let before = routed.received()?;
    let began = Instant::now();
    routed.router.ip(way.begin)?;
    let said = until(context, way.log, 1)?;
    // Small packets pass all the time.
    let seconds = began.elapsed().as_secs_f64();
    let received = routed.received()? - before;
    ensure!(
        received > 50.0 * seconds * 0.8,
        "{received} replies in {seconds} s"
    );
    thread::sleep(CHECKS);
    let lines = context.logs().matches("large packets").count();
    ensure!(lines == 1, "{lines} lines about one fault");

    routed.router.ip(way.end)?;
    let over = until(context, "large packets pass again", 1)?;
    context.note(format!(
        "said after {} ms; over after {} ms",
        said.as_millis(),
        over.as_millis()
    ));
    Ok(())
}

/// The kernel sends smaller packets when a router says that they are too large.
fn telling(context: &Context) -> Result<()> {
    let routed = Routed::new(context)?;
    routed.router.ip(FORWARD.begin)?;
    thread::sleep(CHECKS);
    quiet(context, &routed)?;
    ensure!(routed.received()? > 0.0, "nothing is answered");
    Ok(())
}

/// Nothing is said, though checks are made.
fn quiet(context: &Context, routed: &Routed) -> Result<()> {
    let accepted = routed.peer.scrape()?;
    let accepted = accepted.sum("tcp_echo_server_accepted_total", &[]);
    ensure!(accepted >= 4.0, "{accepted} connections");
    let logs = context.logs();
    ensure!(!logs.contains("large packets"), "a false alarm: {logs}");
    Ok(())
}

//! Ten thousand clients that flood, beside one that measures.

use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};
use testkit::context::Context;
use testkit::echo::{Echo, EchoServer};
use testkit::exposition::Scrape;
use testkit::watch;

use crate::runner::{PLAIN, Scenario};

mod closed_loop;
mod connections;

use closed_loop::ClosedLoop;
use connections::Connections;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "flood",
        alone: true,
        run,
        ..PLAIN
    },
    Scenario {
        name: "busy client",
        alone: true,
        run: busy_client,
        ..PLAIN
    },
];

const CLIENTS: usize = 10_000;
/// For how long a p99 is taken: of eight hundred probes.
const SPAN: Duration = Duration::from_secs(4);
/// How often in each state. What else the machine does only ever adds to it, so the least counts.
const SPANS: usize = 3;
const INTERVAL: &str = "-interval=5ms";
const SLOW_READER: Duration = Duration::from_secs(2);

const MAX_MEMORY_KIB: u64 = 64 * 1024;
/// What the others may do to the measuring client's p99: times what it is without them, on a machine
/// that is as busy.
const MAX_SLOWER: f64 = 2.0;

fn run(context: &Context) -> Result<()> {
    let server = server_without_address_limit(context)?;
    let prober = Echo::start(
        context,
        &[
            "-mode=client",
            &format!("-target=measured={}", server.address),
            INTERVAL,
            &format!("-buckets={}", buckets()),
        ],
    )?;
    prober.until("connected", Duration::from_secs(5), |scrape| {
        scrape.sum("tcp_echo_connected", &[]) == 1.0
    })?;
    let at_rest = p99(context, &prober, "at rest")?;
    let same_load = beside_flood_of_another_server(context, &prober)?;

    let clients = Connections::connect(server.address, CLIENTS)?;
    server
        .echo
        .until("all of them served", Duration::from_secs(10), |scrape| {
            scrape.sum("tcp_echo_server_connections", &[]) > CLIENTS as f64
        })?;
    let beside_silent = p99(context, &prober, "beside ten thousand silent clients")?;
    ensure!(
        server
            .echo
            .scrape()?
            .get("tcp_echo_server_connections", &[])?
            > CLIENTS as f64,
        "some were closed meanwhile"
    );

    let flooding = clients.flood()?;
    let beside_flood = p99(
        context,
        &prober,
        "beside ten thousand clients that flood, half of which don't read",
    )?;
    // Those who send and don't read end; the others stay for as long as they do.
    let (scrape, _) =
        server
            .echo
            .until("slow readers closed", Duration::from_secs(30), |scrape| {
                scrape.sum("tcp_echo_server_closed_total", &[("reason", "slow_reader")]) > 0.0
            })?;
    drop(flooding);
    let memory = server.echo.process.memory_kib("VmHWM")?;
    let slow = scrape.get("tcp_echo_server_closed_total", &[("reason", "slow_reader")])?;
    let echoed = scrape.get("tcp_echo_server_echoed_bytes_total", &[])?;
    context.note(format!(
        "flood: {} MB echoed, {slow} slow readers closed, the server's memory never above {memory} KiB",
        (echoed / 1e6).round(),
    ));

    ensure!(memory <= MAX_MEMORY_KIB, "{memory} KiB");
    ensure!(echoed > 100e6, "no flood: {echoed} bytes");
    for (state, measured, usual) in [
        ("silent", beside_silent, at_rest),
        ("flooding", beside_flood, at_rest.max(same_load)),
    ] {
        ensure!(
            measured <= MAX_SLOWER * usual,
            "beside {state} clients p99 is {measured} s, without them {usual} s"
        );
    }
    let scrape = prober.scrape()?;
    watch::check(&scrape)?;
    for (name, expected) in [
        ("connects", 1.0),
        ("timeouts", 0.0),
        ("unexpected", 0.0),
        ("disconnects", 0.0),
    ] {
        let found = scrape.sum(&format!("tcp_echo_{name}_total"), &[]);
        ensure!(found == expected, "the measuring client: {found} {name}");
    }
    server
        .echo
        .until("no other clients", Duration::from_secs(20), |scrape| {
            scrape.sum("tcp_echo_server_connections", &[]) == 1.0
        })?;
    Ok(())
}

fn server_without_address_limit(context: &Context) -> Result<EchoServer> {
    EchoServer::start(
        context,
        &[
            &format!("-max-connections={}", CLIENTS + 1),
            "-max-connections-per-ip=0",
            &format!("-slow-reader-timeout={}s", SLOW_READER.as_secs()),
        ],
    )
}

/// The measuring client's p99 while the machine carries the same flood, but its server does not: what
/// both ends of a flood take of two processors is no matter of the server's.
fn beside_flood_of_another_server(context: &Context, prober: &Echo) -> Result<f64> {
    let other = server_without_address_limit(context)?;
    let _flooding = Connections::connect(other.address, CLIENTS)?.flood()?;
    p99(
        context,
        prober,
        "beside ten thousand clients that flood another server",
    )
}

/// Connections of one client, each in a closed loop.
const BUSY: usize = 900;
const BUSY_CLIENT: [u8; 4] = [127, 0, 0, 2];
/// What they may do to the mean RTT of another client.
const MAX_SLOWER_BESIDE_BUSY: f64 = 3.0;
/// Fewer are not a load.
const MIN_ECHOES: u64 = 20_000;

/// A client with hundreds of busy connections, beside one with a single probe now and then.
fn busy_client(context: &Context) -> Result<()> {
    let server = EchoServer::start(context, &[])?;
    let prober = Echo::start(
        context,
        &[
            "-mode=client",
            &format!("-target=measured={}", server.address),
            "-interval=10ms",
        ],
    )?;
    prober.until("connected", Duration::from_secs(5), |scrape| {
        scrape.sum("tcp_echo_connected", &[]) == 1.0
    })?;
    let at_rest = mean_rtt(context, &prober, "at rest")?;
    let busy = ClosedLoop::start(server.address, BUSY_CLIENT, BUSY)?;
    server
        .echo
        .until("all of them served", Duration::from_secs(10), |scrape| {
            scrape.sum("tcp_echo_server_connections", &[]) > BUSY as f64
        })?;
    let before = busy.echoes();
    let beside = mean_rtt(context, &prober, "beside a busy client")?;
    let echoes = busy.echoes() - before;
    context.note(format!("busy client: {echoes} echoes meanwhile"));
    drop(busy);

    ensure!(echoes >= MIN_ECHOES, "no load: {echoes} echoes");
    ensure!(
        beside <= MAX_SLOWER_BESIDE_BUSY * at_rest,
        "beside a busy client the mean RTT is {beside} s, at rest {at_rest} s"
    );
    let scrape = prober.scrape()?;
    watch::check(&scrape)?;
    for name in ["timeouts", "disconnects"] {
        let found = scrape.sum(&format!("tcp_echo_{name}_total"), &[]);
        ensure!(found == 0.0, "the measuring client: {found} {name}");
    }
    Ok(())
}

/// The measuring client's mean RTT in a state, in seconds: the least of some spans.
fn mean_rtt(context: &Context, prober: &Echo, state: &str) -> Result<f64> {
    let mut found = Vec::new();
    for _ in 0..SPANS {
        let before = prober.scrape()?;
        thread::sleep(SPAN);
        let after = prober.scrape()?;
        let grown = |name: &str| after.sum(name, &[]) - before.sum(name, &[]);
        let count = grown("tcp_echo_rtt_seconds_count");
        ensure!(count > 0.0, "no reply came");
        found.push(grown("tcp_echo_rtt_seconds_sum") / count);
    }
    let microseconds = found.iter().map(|mean| format!("{:.0}", mean * 1e6));
    context.note(format!(
        "{state}: mean RTT {} µs",
        microseconds.collect::<Vec<_>>().join(", ")
    ));
    Ok(found.into_iter().fold(f64::INFINITY, f64::min))
}

/// Bounds in steps of a twelfth, so that what lies between two of them hardly matters.
fn buckets() -> String {
    let bounds = (0..100).map(|n| format!("{:.0}ns", 10e3 * 1.08_f64.powi(n)));
    bounds.collect::<Vec<_>>().join(",")
}

/// The measuring client's p99 in a state, in seconds.
fn p99(context: &Context, prober: &Echo, state: &str) -> Result<f64> {
    let mut found = Vec::new();
    for _ in 0..SPANS {
        let before = prober.scrape()?;
        thread::sleep(SPAN);
        found.push(quantile(&before, &prober.scrape()?, 0.99)?);
    }
    let microseconds = found.iter().map(|p99| format!("{:.0}", p99 * 1e6));
    context.note(format!(
        "{state}: RTT p99 {} µs",
        microseconds.collect::<Vec<_>>().join(", ")
    ));
    Ok(found.into_iter().fold(f64::INFINITY, f64::min))
}

/// The upper bound of the bucket in which this share of the RTTs between two scrapes is reached.
fn quantile(before: &Scrape, after: &Scrape, share: f64) -> Result<f64> {
    const RTT: &str = "tcp_echo_rtt_seconds";
    let count = after.sum(&format!("{RTT}_count"), &[]) - before.sum(&format!("{RTT}_count"), &[]);
    ensure!(count > 0.0, "no reply came");
    let bucket = format!("{RTT}_bucket");
    let mut reached = Vec::new();
    for (labels, value) in after.matching(&bucket, &[]) {
        let bound = labels.get("le").map_or("", String::as_str);
        let grown = value - before.get(&bucket, &[("le", bound)])?;
        if grown >= share * count {
            reached.push(bound.parse::<f64>()?);
        }
    }
    Ok(reached.into_iter().fold(f64::INFINITY, f64::min))
}

//! The effect of ten thousand flooding clients, and of a busy client, on a prober's measurements.

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
/// The duration of a measurement: eight hundred probes for a p99.
const SPAN: Duration = Duration::from_secs(4);
/// The number of measurements in each state. Other load only adds to the RTT, so the minimum
/// counts.
const SPANS: usize = 3;
const INTERVAL: &str = "-interval=5ms";
const SLOW_READER: Duration = Duration::from_secs(2);

const MAX_MEMORY_KIB: u64 = 64 * 1024;
/// The maximum increase of the prober's p99, relative to a machine under the same load whose
/// server is not flooded.
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
    let idle = p99(context, &prober, "idle")?;
    let same_load = with_flood_of_another_server(context, &prober)?;

    let clients = Connections::connect(server.address, CLIENTS)?;
    server
        .echo
        .until("all clients connected", Duration::from_secs(10), |scrape| {
            scrape.sum("tcp_echo_server_connections", &[]) > CLIENTS as f64
        })?;
    let with_silent = p99(context, &prober, "with ten thousand silent clients")?;
    ensure!(
        server
            .echo
            .scrape()?
            .get("tcp_echo_server_connections", &[])?
            > CLIENTS as f64,
        "some clients were disconnected"
    );

    let flooding = clients.flood()?;
    let with_flood = p99(
        context,
        &prober,
        "with ten thousand flooding clients, half of which don't read",
    )?;
    // The server closes clients that don't read; the others stay.
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
        "flood: {} MB echoed, {slow} slow readers closed, the server's peak memory is {memory} KiB",
        (echoed / 1e6).round(),
    ));

    ensure!(memory <= MAX_MEMORY_KIB, "{memory} KiB");
    ensure!(echoed > 100e6, "no flood: {echoed} bytes");
    for (state, measured, baseline) in [
        ("silent", with_silent, idle),
        ("flooding", with_flood, idle.max(same_load)),
    ] {
        ensure!(
            measured <= MAX_SLOWER * baseline,
            "with {state} clients the p99 is {measured} s, without them {baseline} s"
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
        ensure!(found == expected, "the prober has {found} {name}");
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

/// Returns the prober's p99 while another server on the same machine is flooded: the CPU time that
/// both ends of a flood use must not be attributed to the server.
fn with_flood_of_another_server(context: &Context, prober: &Echo) -> Result<f64> {
    let other = server_without_address_limit(context)?;
    let _flooding = Connections::connect(other.address, CLIENTS)?.flood()?;
    p99(
        context,
        prober,
        "with ten thousand clients flooding another server",
    )
}

/// The number of connections of the busy client, each in a closed loop.
const BUSY: usize = 900;
const BUSY_CLIENT: [u8; 4] = [127, 0, 0, 2];
/// The maximum increase of the prober's mean RTT.
const MAX_SLOWER_WITH_BUSY: f64 = 3.0;
/// The shortest idle RTT, in seconds, to compare with. Where a processor that is idle does not sleep, a
/// round trip takes less, and the wait for three echoes of the busy client is more than thrice that.
const MIN_IDLE: f64 = 20e-6;
/// The minimum number of echoes that counts as load.
const MIN_ECHOES: u64 = 20_000;

/// Measures the RTT of a prober while another client has hundreds of busy connections.
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
    let idle = mean_rtt(context, &prober, "idle")?;
    let busy = ClosedLoop::start(server.address, BUSY_CLIENT, BUSY)?;
    server
        .echo
        .until("all clients connected", Duration::from_secs(10), |scrape| {
            scrape.sum("tcp_echo_server_connections", &[]) > BUSY as f64
        })?;
    let before = busy.echoes();
    let with_busy = mean_rtt(context, &prober, "with a busy client")?;
    let echoes = busy.echoes() - before;
    context.note(format!("busy client: {echoes} echoes"));
    drop(busy);

    ensure!(echoes >= MIN_ECHOES, "no load: {echoes} echoes");
    ensure!(
        with_busy <= MAX_SLOWER_WITH_BUSY * idle.max(MIN_IDLE),
        "the mean RTT is {with_busy} s with a busy client, {idle} s without"
    );
    let scrape = prober.scrape()?;
    watch::check(&scrape)?;
    for name in ["timeouts", "disconnects"] {
        let found = scrape.sum(&format!("tcp_echo_{name}_total"), &[]);
        ensure!(found == 0.0, "the prober has {found} {name}");
    }
    Ok(())
}

/// Returns the prober's mean RTT in seconds: the minimum of several measurements.
fn mean_rtt(context: &Context, prober: &Echo, state: &str) -> Result<f64> {
    let what = format!("{state}: mean RTT");
    minimum(context, prober, &what, |before, after| {
        let increase = |name: &str| after.sum(name, &[]) - before.sum(name, &[]);
        let count = increase("tcp_echo_rtt_seconds_count");
        ensure!(count > 0.0, "no reply");
        Ok(increase("tcp_echo_rtt_seconds_sum") / count)
    })
}

/// Returns the prober's p99 in seconds: the minimum of several measurements.
fn p99(context: &Context, prober: &Echo, state: &str) -> Result<f64> {
    let what = format!("{state}: RTT p99");
    minimum(context, prober, &what, |before, after| {
        quantile(before, after, 0.99)
    })
}

/// Measures several times between two scrapes, notes the results and returns the minimum, in
/// seconds.
fn minimum(
    context: &Context,
    prober: &Echo,
    what: &str,
    measure: impl Fn(&Scrape, &Scrape) -> Result<f64>,
) -> Result<f64> {
    let mut found = Vec::new();
    for _ in 0..SPANS {
        let before = prober.scrape()?;
        thread::sleep(SPAN);
        found.push(measure(&before, &prober.scrape()?)?);
    }
    let microseconds = found.iter().map(|seconds| format!("{:.0}", seconds * 1e6));
    context.note(format!(
        "{what} {} µs",
        microseconds.collect::<Vec<_>>().join(", ")
    ));
    Ok(found.into_iter().fold(f64::INFINITY, f64::min))
}

/// Returns bucket bounds in steps of 8 %, so that a quantile's error is small.
fn buckets() -> String {
    let bounds = (0..100).map(|n| format!("{:.0}ns", 10e3 * 1.08_f64.powi(n)));
    bounds.collect::<Vec<_>>().join(",")
}

/// Returns the upper bound of the bucket with the quantile `share` of the RTTs between two scrapes.
fn quantile(before: &Scrape, after: &Scrape, share: f64) -> Result<f64> {
    const RTT: &str = "tcp_echo_rtt_seconds";
    let count = after.sum(&format!("{RTT}_count"), &[]) - before.sum(&format!("{RTT}_count"), &[]);
    ensure!(count > 0.0, "no reply");
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

//! Overload: more targets than file descriptors, more probes than the CPUs can send, and many
//! targets removed at once.

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;
use serde_json::json;
use testkit::context::Context;
use testkit::echo::{Echo, EchoServer};
use testkit::exposition::Scrape;
use testkit::{files, wait};

use crate::runner::{PLAIN, Scenario};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "more targets than descriptors",
        alone: true,
        run: few_descriptors,
        ..PLAIN
    },
    Scenario {
        name: "reload and signal under full load",
        alone: true,
        run: full_load,
        ..PLAIN
    },
    Scenario {
        name: "signal after many targets were removed",
        alone: true,
        run: many_removed,
        ..PLAIN
    },
];

const DESCRIPTORS: usize = 1024;
const TARGETS: usize = 1100;
/// The number of targets after a reload, for which the descriptors suffice.
const REDUCED_TARGETS: usize = 700;
/// The number of sockets: three quarters of the descriptors, the rest is reserved.
const SOCKETS: usize = 768;
const SPAN: Duration = Duration::from_secs(10);
const SLOWEST_SCRAPE: Duration = Duration::from_secs(1);

/// The time limit for all targets to be probed.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(60);
/// The maximum duration of a reload and of a shutdown, at any load.
const MAX_TIME: Duration = Duration::from_secs(2);
/// The time limit, much longer than [`MAX_TIME`], so that a failure shows the actual time.
const LIMIT: Duration = Duration::from_secs(30);

const WITHOUT_SOCKET: &str = "tcp_echo_targets_without_socket";

fn few_descriptors(context: &Context) -> Result<()> {
    let list = List::new(context)?;
    list.write(TARGETS, 0)?;
    let flags = ["-mode=client", "-interval=200ms", &list.flag()];
    let echo = Echo::start_with_file_limit(context, DESCRIPTORS, &flags)?;
    let served = |scrape: &Scrape, connected: usize, without: usize| {
        scrape.sum("tcp_echo_connected", &[]) == connected as f64
            && scrape.sum(WITHOUT_SOCKET, &[]) == without as f64
    };
    wait::until("all sockets connected", SETTLE_TIMEOUT, || {
        let (scrape, _) = scrape(&echo).ok()?;
        served(&scrape, SOCKETS, TARGETS - SOCKETS).then_some(())
    })?;

    let start = Instant::now();
    let (mut scrapes, mut longest) = (0, Duration::ZERO);
    let mut latest = Scrape::default();
    while start.elapsed() < SPAN {
        let (found, took) = scrape(&echo).with_context(|| format!("scrape {scrapes}"))?;
        ensure!(took <= SLOWEST_SCRAPE, "scrape {scrapes} took {took:?}");
        ensure!(
            served(&found, SOCKETS, TARGETS - SOCKETS),
            "{} connected, {} without a socket",
            found.sum("tcp_echo_connected", &[]),
            found.sum(WITHOUT_SOCKET, &[])
        );
        (scrapes, longest, latest) = (scrapes + 1, longest.max(took), found);
        thread::sleep(Duration::from_millis(100));
    }
    let resources = [("reason", "resources")];
    let unsent = latest.matching("tcp_echo_unsent_total", &resources);
    // The last scrape was some time before the end of the span.
    let min = 0.8 * SPAN.as_secs_f64() / 0.2;
    let unsent = unsent.filter(|(_, slots)| *slots >= min).count();
    let failures = latest.sum("tcp_echo_connect_failures_total", &[]);
    let open = echo.process.open_files()?;
    context.note(format!(
        "{TARGETS} targets, {DESCRIPTORS} descriptors, {open} of them open: {scrapes} scrapes, the \
         slowest {} ms; {unsent} targets unsent because of resources, {failures} connect failures",
        longest.as_millis()
    ));
    ensure!(unsent == TARGETS - SOCKETS, "{unsent} targets unsent");
    ensure!(failures == 0.0, "{failures} connect failures");
    let logged = |text: &str| echo.process.log().matches(text).count();
    ensure!(logged("ulimit -n") == 1, "the shortage is not logged once");
    // Slots without a socket are an episode of their target.
    let warnings = logged(" WARN ") - logged(" WARN episode ");
    ensure!(warnings == 1, "{warnings} warnings about the shortage");

    list.write(REDUCED_TARGETS, 0)?;
    echo.metrics.reload()?;
    wait::until("the remaining targets connected", SETTLE_TIMEOUT, || {
        let (scrape, _) = scrape(&echo).ok()?;
        served(&scrape, REDUCED_TARGETS, 0).then_some(())
    })?;
    ensure!(
        logged("every target has a socket again") == 1,
        "the recovery is not logged once"
    );
    list.write(TARGETS, 0)?;
    echo.metrics.reload()?;
    wait::until("the added targets wait for sockets", SETTLE_TIMEOUT, || {
        let (scrape, _) = scrape(&echo).ok()?;
        served(&scrape, SOCKETS, TARGETS - SOCKETS).then_some(())
    })?;
    let took = echo.end_by(Signal::TERM)?;
    context.note(format!("exit after SIGTERM: {} ms", took.as_millis()));
    Ok(())
}

const BUSY_TARGETS: usize = 4000;

fn full_load(context: &Context) -> Result<()> {
    let list = List::new(context)?;
    list.write(BUSY_TARGETS, 0)?;
    let mut echo = list.probe(context, "-interval=10ms")?;
    list.server
        .echo
        .until("all connected", SETTLE_TIMEOUT, |scrape| {
            scrape.sum("tcp_echo_server_connections", &[]) >= BUSY_TARGETS as f64
        })?;
    thread::sleep(Duration::from_secs(3));
    let ticks = echo.process.cpu_ticks()?;
    let start = Instant::now();
    thread::sleep(Duration::from_secs(2));
    let ticks = (echo.process.cpu_ticks()? - ticks) as f64;
    let cores = ticks / 100.0 / start.elapsed().as_secs_f64();

    // With another label, every target is a new one.
    list.write(BUSY_TARGETS, 1)?;
    let start = Instant::now();
    echo.metrics.reload()?;
    let answered = start.elapsed();
    // From the server, since a scrape of the prober takes half a second.
    let all = 2.0 * BUSY_TARGETS as f64;
    list.server.echo.until("all reconnected", LIMIT, |scrape| {
        scrape.sum("tcp_echo_server_accepted_total", &[]) >= all
    })?;
    let connected = start.elapsed();
    // Only the new targets are left, and each has sent.
    wait::until("all new targets probed", LIMIT, || {
        thread::sleep(Duration::from_millis(50));
        let (new, all) = sending(&echo.metrics.get("/metrics").ok()?);
        ((new, all) == (BUSY_TARGETS, BUSY_TARGETS)).then_some(())
    })?;
    let probed = start.elapsed();

    let (success, took) = terminate(&mut echo)?;
    context.note(format!(
        "{BUSY_TARGETS} targets every 10 ms, {cores:.2} cores: reload response after {} ms, all \
         new targets connected after {} ms, all probed after {} ms, exit after SIGTERM {} ms",
        answered.as_millis(),
        connected.as_millis(),
        probed.as_millis(),
        took.as_millis()
    ));
    ensure!(probed <= MAX_TIME, "the reload took {probed:?}");
    ensure!(success, "the exit status is not 0");
    ensure!(took <= MAX_TIME, "the exit took {took:?}");
    Ok(())
}

const MANY: usize = 100_000;

fn many_removed(context: &Context) -> Result<()> {
    let list = List::new(context)?;
    list.write(MANY, 0)?;
    let mut echo = list.probe(context, "-interval=5s")?;
    let (_, ready) = wait::until("ready", SETTLE_TIMEOUT, || {
        let answer = echo.metrics.get("/-/ready").ok();
        if answer.is_none() {
            // Checking all targets takes a while.
            thread::sleep(Duration::from_millis(500));
        }
        answer
    })?;
    let connections = || -> Result<f64> {
        let scrape = list.server.echo.scrape()?;
        scrape.get("tcp_echo_server_connections", &[])
    };
    let connected = connections()?;
    let memory = echo.process.memory_kib("VmRSS")? / 1024;

    list.write(1, 0)?;
    let start = Instant::now();
    echo.metrics.reload()?;
    let answered = start.elapsed();
    let (success, took) = terminate(&mut echo)?;
    context.note(format!(
        "{MANY} targets, {connected} of them connected after {} ms, {memory} MiB; a reload that \
         removed all but one took {} ms, then exit after SIGTERM {} ms",
        ready.as_millis(),
        answered.as_millis(),
        took.as_millis()
    ));
    ensure!(success, "the exit status is not 0");
    ensure!(took <= MAX_TIME, "the exit took {took:?}");
    Ok(())
}

/// Returns how many targets of generation 1 have sent, and the number of all targets. Parsing a
/// scrape of all targets would take longer than [`MAX_TIME`].
fn sending(text: &str) -> (usize, usize) {
    let sent = text
        .lines()
        .filter(|line| line.starts_with("tcp_echo_sent_total{"));
    let (mut new, mut all) = (0, 0);
    for line in sent {
        all += 1;
        new += usize::from(line.contains("generation=\"1\"") && !line.ends_with(" 0"));
    }
    (new, all)
}

/// Sends SIGTERM; returns whether the exit status is 0, and the time until the exit.
fn terminate(echo: &mut Echo) -> Result<(bool, Duration)> {
    ensure!(echo.process.ended().is_none(), "exited before the signal");
    echo.process.signal(Signal::TERM)?;
    let (status, took) = echo.process.wait(LIMIT)?;
    Ok((status.success(), took))
}

/// A targets file, and the server at the address of all targets.
struct List {
    server: EchoServer,
    path: PathBuf,
}

/// The number of the server's addresses. Connections to one address would exhaust the ephemeral
/// ports, and the kernel is slow at finding the last free ones.
const ADDRESSES: usize = 50;

impl List {
    fn new(context: &Context) -> Result<Self> {
        Ok(Self {
            server: EchoServer::start_unlimited(context)?,
            path: context.folder().join("targets.json"),
        })
    }

    fn flag(&self) -> String {
        format!("-targets={}", self.path.display())
    }

    /// Starts a prober of the targets, with few series per target.
    fn probe(&self, context: &Context, interval: &str) -> Result<Echo> {
        let flags = ["-mode=client", interval, &self.flag(), "-buckets=1ms"];
        Echo::start(context, &flags)
    }

    /// Writes a list of this many targets.
    fn write(&self, targets: usize, generation: usize) -> Result<()> {
        let entry = |n| {
            json!({
                "name": format!("t{n}"),
                "address": format!("127.0.1.{}:{}", n % ADDRESSES, self.server.address.port()),
                "labels": {"generation": generation.to_string()},
            })
        };
        let entries = (0..targets).map(entry).collect::<Vec<_>>();
        files::replace(&self.path, &serde_json::to_string(&entries)?)
    }
}

/// Scrapes; returns the metrics needed here, and the duration of the scrape.
fn scrape(echo: &Echo) -> Result<(Scrape, Duration)> {
    const WANTED: [&str; 5] = [
        "tcp_echo_connected",
        "tcp_echo_connect_failures_total",
        "tcp_echo_sent_total",
        "tcp_echo_unsent_total",
        WITHOUT_SOCKET,
    ];
    let start = Instant::now();
    let text = echo.metrics.get("/metrics")?;
    let took = start.elapsed();
    let is_wanted = |line: &&str| WANTED.iter().any(|name| line.starts_with(name));
    let lines = text.lines().filter(is_wanted).collect::<Vec<_>>();
    Ok((Scrape::parse(&lines.join("\n"))?, took))
}

//! As many targets as a process can't carry: with fewer descriptors than targets, with more
//! probes than processors, and many that go at once.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;
use serde_json::json;
use testkit::context::Context;
use testkit::echo::Echo;
use testkit::exposition::Scrape;
use testkit::netns::Inside;
use testkit::{ports, wait};

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
        name: "signal after many targets went",
        alone: true,
        run: many_went,
        ..PLAIN
    },
];

const DESCRIPTORS: usize = 1024;
const TARGETS: usize = 1100;
/// What a reload leaves of them: they fit.
const FEWER: usize = 700;
/// Three quarters of the descriptors; the others are the reserve.
const SOCKETS: usize = 768;
const SPAN: Duration = Duration::from_secs(10);
const SLOWEST_SCRAPE: Duration = Duration::from_secs(1);

/// Until what was started or changed is at work.
const SETTLED: Duration = Duration::from_secs(60);
/// The goal of a change and of an end, whatever the load.
const TARGET_TIME: Duration = Duration::from_secs(2);
/// Far above it, so that a failure says by how much the target was missed.
const LIMIT: Duration = Duration::from_secs(30);

const WITHOUT_SOCKET: &str = "tcp_echo_targets_without_socket";

fn few_descriptors(context: &Context) -> Result<()> {
    let list = List::new(context)?;
    list.write(TARGETS, 0)?;
    let mut command = Command::new("sh");
    command
        .args([
            "-c",
            &format!("ulimit -n {DESCRIPTORS} && exec \"$@\""),
            "sh",
        ])
        .arg(context.binary())
        .args(["-mode=client", "-interval=200ms", &list.flag()]);
    let echo = Echo::start_by(context, &Inside::default(), &mut command)?;
    let served = |scrape: &Scrape, connected: usize, without: usize| {
        scrape.sum("tcp_echo_connected", &[]) == connected as f64
            && scrape.sum(WITHOUT_SOCKET, &[]) == without as f64
    };
    wait::until("as many as may be are connected", SETTLED, || {
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
    // The last scrape was a while before the end of the span.
    let least = 0.8 * SPAN.as_secs_f64() / 0.2;
    let unsent = unsent.filter(|(_, slots)| *slots >= least).count();
    let failures = latest.sum("tcp_echo_connect_failures_total", &[]);
    let open = echo.process.open_files()?;
    context.note(format!(
        "{TARGETS} targets, {DESCRIPTORS} descriptors, {open} of them open: {scrapes} scrapes, the \
         longest {} ms; {unsent} targets unsent for want of resources, {failures} connect failures",
        longest.as_millis()
    ));
    ensure!(unsent == TARGETS - SOCKETS, "{unsent} targets unsent");
    ensure!(failures == 0.0, "{failures} connect failures");
    let logged = |text: &str| echo.process.log().matches(text).count();
    ensure!(logged("raise the limit") == 1, "it is said once");
    ensure!(logged(" WARN ") == 1, "there is one warning");

    list.write(FEWER, 0)?;
    reload(&echo)?;
    wait::until("all that are left are connected", SETTLED, || {
        let (scrape, _) = scrape(&echo).ok()?;
        served(&scrape, FEWER, 0).then_some(())
    })?;
    ensure!(
        logged("a socket for every target again") == 1,
        "it is said once that it is over"
    );
    list.write(TARGETS, 0)?;
    reload(&echo)?;
    wait::until("those that came back wait", SETTLED, || {
        let (scrape, _) = scrape(&echo).ok()?;
        served(&scrape, SOCKETS, TARGETS - SOCKETS).then_some(())
    })?;
    let took = echo.end_by(Signal::TERM)?;
    context.note(format!("SIGTERM to its end: {} ms", took.as_millis()));
    Ok(())
}

const BUSY_TARGETS: usize = 4000;

fn full_load(context: &Context) -> Result<()> {
    let list = List::new(context)?;
    list.write(BUSY_TARGETS, 0)?;
    let mut echo = list.probe(context, "-interval=10ms")?;
    list.server.until("all are connected", SETTLED, |scrape| {
        scrape.sum("tcp_echo_server_connections", &[]) >= BUSY_TARGETS as f64
    })?;
    thread::sleep(Duration::from_secs(3));
    let ticks = echo.process.cpu_ticks()?;
    let start = Instant::now();
    thread::sleep(Duration::from_secs(2));
    let ticks = (echo.process.cpu_ticks()? - ticks) as f64;
    let cores = ticks / 100.0 / start.elapsed().as_secs_f64();

    // Every target has another label, and so is another one.
    list.write(BUSY_TARGETS, 1)?;
    let start = Instant::now();
    reload(&echo)?;
    let answered = start.elapsed();
    // The server says it at once, while a scrape of the targets takes half a second.
    let all = 2.0 * BUSY_TARGETS as f64;
    list.server.until("all connected anew", LIMIT, |scrape| {
        scrape.sum("tcp_echo_server_accepted_total", &[]) >= all
    })?;
    let connected = start.elapsed();
    // The new ones, and no other: each has sent.
    wait::until("all of the new list are probed", LIMIT, || {
        thread::sleep(Duration::from_millis(50));
        let (new, all) = sending(&echo.metrics.get("/metrics").ok()?);
        ((new, all) == (BUSY_TARGETS, BUSY_TARGETS)).then_some(())
    })?;
    let probed = start.elapsed();

    let (status, ended) = end(&mut echo)?;
    context.note(format!(
        "{BUSY_TARGETS} targets every 10 ms, {cores:.2} cores: reload answered after {} ms, all \
         of the new list connected after {} ms, a scrape of all probed after {} ms, SIGTERM to its \
         end {} ms",
        answered.as_millis(),
        connected.as_millis(),
        probed.as_millis(),
        ended.as_millis()
    ));
    ensure!(probed <= TARGET_TIME, "the reload took {probed:?}");
    ensure!(status, "it has failed");
    ensure!(ended <= TARGET_TIME, "the end took {ended:?}");
    Ok(())
}

const MANY: usize = 100_000;

fn many_went(context: &Context) -> Result<()> {
    let list = List::new(context)?;
    list.write(MANY, 0)?;
    let mut echo = list.probe(context, "-interval=5s")?;
    let (_, ready) = wait::until("every target was tried", SETTLED, || {
        let answer = echo.metrics.get("/-/ready").ok();
        if answer.is_none() {
            // To look at all of them takes a while.
            thread::sleep(Duration::from_millis(500));
        }
        answer
    })?;
    let connections = || -> Result<f64> {
        let scrape = list.server.scrape()?;
        scrape.get("tcp_echo_server_connections", &[])
    };
    let connected = connections()?;
    let memory = echo.process.memory_kib("VmRSS")? / 1024;

    list.write(1, 0)?;
    let start = Instant::now();
    reload(&echo)?;
    let answered = start.elapsed();
    let (status, ended) = end(&mut echo)?;
    context.note(format!(
        "{MANY} targets, {connected} of them connected after {} ms, {memory} MiB; all but one gone \
         by a reload that took {} ms, then SIGTERM to its end {} ms",
        ready.as_millis(),
        answered.as_millis(),
        ended.as_millis()
    ));
    ensure!(status, "it has failed");
    ensure!(ended <= TARGET_TIME, "the end took {ended:?}");
    Ok(())
}

/// How many targets of the first generation after the start have sent, and how many targets
/// there are. A scrape of them all takes longer to read as a whole than the change may.
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

/// Tells it to end, and gives whether it has done so with success, and in what time.
fn end(echo: &mut Echo) -> Result<(bool, Duration)> {
    ensure!(echo.process.ended().is_none(), "it has ended by itself");
    echo.process.signal(Signal::TERM)?;
    let (status, took) = echo.process.wait(LIMIT)?;
    Ok((status.success(), took))
}

fn reload(echo: &Echo) -> Result<()> {
    let answer = echo.metrics.request("POST", "/-/reload", &[])?;
    ensure!(answer.status == 200, "reload: {}", answer.text()?);
    Ok(())
}

/// A list of targets that live, and the server that they all are.
struct List {
    server: Echo,
    port: u16,
    path: PathBuf,
}

/// Addresses of the server: of connections from one address to one port there are fewer than
/// are wanted here, and the kernel is long in finding the last ones.
const ADDRESSES: usize = 50;

impl List {
    fn new(context: &Context) -> Result<Self> {
        let port = ports::free()?.port();
        let listen = format!("-listen=0.0.0.0:{port}");
        let lifted = ["-max-connections=0", "-max-connections-per-ip=0"];
        let flags = [&["-mode=server", &listen], &lifted[..]].concat();
        Ok(Self {
            server: Echo::start(context, &flags)?,
            port,
            path: context.folder().join("targets.json"),
        })
    }

    fn flag(&self) -> String {
        format!("-targets={}", self.path.display())
    }

    /// Starts a prober of them, with little to write and to read of each.
    fn probe(&self, context: &Context, interval: &str) -> Result<Echo> {
        let flags = ["-mode=client", interval, &self.flag(), "-buckets=1ms"];
        Echo::start(context, &flags)
    }

    /// It has so many targets from now on.
    fn write(&self, targets: usize, generation: usize) -> Result<()> {
        let entry = |n| {
            json!({
                "name": format!("t{n}"),
                "address": format!("127.0.1.{}:{}", n % ADDRESSES, self.port),
                "labels": {"generation": generation.to_string()},
            })
        };
        let entries = (0..targets).map(entry).collect::<Vec<_>>();
        replace(&self.path, &serde_json::to_string(&entries)?)
    }
}

/// It is looked at by itself too, and must never be half written.
fn replace(path: &Path, text: &str) -> Result<()> {
    let new = path.with_extension("new");
    fs::write(&new, text)?;
    fs::rename(&new, path).context("targets")
}

/// What is looked at of a scrape, and how long the whole of it took.
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

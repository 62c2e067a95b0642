//! Many targets, of which half refuse connections and a tenth never reply.
//!
//! The default is 2,000 targets; `TCP_ECHO_MANY=10000` in the environment sets another number.

use std::collections::{BTreeMap, VecDeque};
use std::env;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use testkit::context::Context;
use testkit::echo::{Echo, EchoServer};
use testkit::{ports, wait};

use crate::runner::{PLAIN, Scenario};

pub(super) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "many targets, most of them dead",
    alone: true,
    run,
    ..PLAIN
}];

const DEFAULT_TARGETS: usize = 2000;
/// The environment variable with the number of targets.
const VARIABLE: &str = "TCP_ECHO_MANY";

const START: Duration = Duration::from_secs(60);
/// The time until the reconnect delays of unreachable targets reach their maximum.
const SETTLE_TIME: Duration = Duration::from_secs(8);
const SPAN: Duration = Duration::from_secs(12);
const SCRAPES: Duration = Duration::from_secs(2);

const MIN_SENT: f64 = 0.99;
/// The maximum CPU usage in cores.
const MAX_CPU: f64 = 1.0;
/// The burst of log lines about single targets; after it, the limit is one line per second.
const BURST: u64 = 50;
/// The maximum number of other log lines.
const OTHER_LINES: u64 = 12;

/// The sums over all targets of a kind.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    targets: f64,
    connected: f64,
    connects: f64,
    sent: f64,
    received: f64,
    timeouts: f64,
    unsent: f64,
    loss: f64,
}

fn run(context: &Context) -> Result<()> {
    let targets = match env::var(VARIABLE) {
        Ok(number) => number
            .parse()
            .with_context(|| format!("{VARIABLE}={number}"))?,
        Err(_) => DEFAULT_TARGETS,
    };
    let (refusing, silent) = (targets / 2, targets / 10);
    let healthy = targets - refusing - silent;
    let unlimited = ["-max-connections=0", "-max-connections-per-ip=0"];
    let server = EchoServer::start(context, &unlimited)?;
    // Nothing listens on this port.
    let closed = ports::free()?;
    let silent_peer = Silent::start(2 * silent)?;
    let kinds = [
        ("healthy", healthy, server.address),
        ("refusing", refusing, closed),
        ("silent", silent, silent_peer.address),
    ];
    let entries = kinds.iter().flat_map(|(kind, number, address)| {
        let name = move |n| json!({"name": format!("{kind}-{n}"), "address": address.to_string()});
        (0..*number).map(name)
    });
    let list = serde_json::to_string(&entries.collect::<Vec<_>>())?;
    let list = context.file("targets.json", &list)?;

    let started = Instant::now();
    let echo = Echo::start(
        context,
        &[
            "-mode=client",
            &format!("-targets={}", list.display()),
            "-interval=1s",
        ],
    )?;
    wait::until("all healthy targets connected", START, || {
        let counts = scrape(&echo).ok()?.0;
        (counts.get("healthy")?.connected == healthy as f64).then_some(())
    })?;
    thread::sleep(SETTLE_TIME);

    let (before, cpu) = (scrape(&echo)?.0, echo.process.cpu_ticks()?);
    let start = Instant::now();
    let mut longest = Duration::ZERO;
    while start.elapsed() < SPAN {
        thread::sleep(SCRAPES);
        longest = longest.max(scrape(&echo)?.1);
    }
    // Ticks are hundredths of a second.
    let cpu = (echo.process.cpu_ticks()? - cpu) as f64 / 100.0 / start.elapsed().as_secs_f64();
    let after = scrape(&echo)?.0;
    let lines = echo.process.log().lines().count() as u64;
    let of = |counts: &BTreeMap<String, Counts>, kind: &str| {
        counts
            .get(kind)
            .copied()
            .with_context(|| format!("no {kind} target"))
    };
    let (was, is) = (of(&before, "healthy")?, of(&after, "healthy")?);
    let (sent, unsent) = (is.sent - was.sent, is.unsent - was.unsent);
    let share = sent / (sent + unsent);
    let timeouts = is.timeouts - was.timeouts;
    context.note(format!(
        "{targets} targets, {refusing} refusing, {silent} silent: {share:.4} of the healthy targets' slots sent, \
         {timeouts} timeouts, {cpu:.2} cores, {} MiB, slowest scrape {} ms, {lines} log lines",
        echo.process.memory_kib("VmRSS")? / 1024,
        longest.as_millis(),
    ));
    ensure!(
        share >= MIN_SENT,
        "only {share} of the healthy targets' slots sent"
    );
    ensure!(
        sent >= 0.9 * healthy as f64 * SPAN.as_secs_f64(),
        "only {sent} sent"
    );
    ensure!(timeouts == 0.0, "{timeouts} false timeouts");
    ensure!(
        is.connects == healthy as f64,
        "{} connections of {healthy}",
        is.connects
    );
    for (kind, number) in [("refusing", refusing), ("silent", silent)] {
        let dead = of(&after, kind)?;
        ensure!(dead.targets == number as f64, "{kind}: {dead:?}");
        ensure!(dead.received == 0.0, "{kind}: {dead:?}");
        ensure!(
            dead.loss == number as f64,
            "{kind}: loss is not 100 %: {dead:?}"
        );
    }
    ensure!(cpu <= MAX_CPU, "{cpu} cores");
    // Lines about episodes have the same limit beside that of lines about connections.
    let max = 2 * (BURST + started.elapsed().as_secs()) + OTHER_LINES;
    ensure!(lines <= max, "{lines} log lines, more than {max}");
    Ok(())
}

/// Scrapes; returns the sums by the prefix of the targets' names, and the time of the scrape. A
/// parsed scrape of ten thousand targets would be too large to keep.
fn scrape(echo: &Echo) -> Result<(BTreeMap<String, Counts>, Duration)> {
    let start = Instant::now();
    let text = echo.metrics.get("/metrics")?;
    let took = start.elapsed();
    let mut counts: BTreeMap<String, Counts> = BTreeMap::new();
    for line in text.lines() {
        let Some((name, rest)) = line.split_once("{target=\"") else {
            continue;
        };
        let (Some((kind, _)), Some((_, value))) = (rest.split_once('-'), line.rsplit_once(' '))
        else {
            continue;
        };
        if !counts.contains_key(kind) {
            counts.insert(kind.to_owned(), Counts::default());
        }
        let Some(counts) = counts.get_mut(kind) else {
            continue;
        };
        let field = match name {
            "tcp_echo_connected" => {
                counts.targets += 1.0;
                &mut counts.connected
            }
            "tcp_echo_connects_total" => &mut counts.connects,
            "tcp_echo_sent_total" => &mut counts.sent,
            "tcp_echo_received_total" => &mut counts.received,
            "tcp_echo_timeouts_total" => &mut counts.timeouts,
            "tcp_echo_unsent_total" => &mut counts.unsent,
            "tcp_echo_loss_ratio" => &mut counts.loss,
            _ => continue,
        };
        *field += value.parse::<f64>()?;
    }
    Ok((counts, took))
}

/// A peer that accepts connections and never sends anything.
struct Silent {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Silent {
    /// Keeps the newest `connections` open. The prober has given up older ones.
    fn start(connections: usize) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut open = VecDeque::new();
            while let Ok((stream, _)) = listener.accept() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                open.push_back(stream);
                if open.len() > connections {
                    open.pop_front();
                }
            }
        });
        Ok(Self {
            address,
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Wake up the accept call with a connection.
        if TcpStream::connect(self.address).is_ok()
            && let Some(thread) = self.thread.take()
        {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn silent_peer_keeps_only_the_newest_connections() {
        let silent = Silent::start(1).unwrap();
        let mut streams = [(); 2].map(|()| TcpStream::connect(silent.address).unwrap());
        let limit = Some(Duration::from_secs(10));
        streams[0].set_read_timeout(limit).unwrap();
        // The second connection replaced the first.
        assert_eq!(streams[0].read(&mut [0; 1]).unwrap(), 0);
        drop(silent);
    }
}

//! Runs the load and takes the samples.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use testkit::context::Context;
use testkit::echo::{Echo, EchoServer};
use testkit::exposition::Scrape;
use testkit::shell::root;
use testkit::{files, wait};

use super::growth::{self, Sample, Slack};
use super::peer::Peer;
use super::plot::{self, Line};
use super::{Amounts, SHORT};
use crate::runner::{PLAIN, Scenario};

const PLOT: &str = "docs/images/soak.svg";

const STEADY_TARGETS: usize = 100;
const BRIEF_TARGETS: usize = 30;
const CHANGED_TARGETS: usize = 20;
const INTERVAL: u64 = 40;

/// Operations per second. The slowest determines the duration of a run.
const PROBES: u64 = STEADY_TARGETS as u64 * 1000 / INTERVAL;
const RECONNECTS: u64 = 250;
const SCRAPES: u64 = 25;
const RELOADS: u64 = 25;

const SAMPLES: u32 = 300;
const SETTLE_TIMEOUT: Duration = Duration::from_secs(15);

/// The allowed memory growth. In the short form, one-time allocations fall into the second third.
const SHORT_SLACK_KIB: u64 = 4096;
const LONG_SLACK_KIB: u64 = 512;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "soak",
    alone: true,
    run,
    ..PLAIN
};

fn run(context: &Context) -> Result<()> {
    match Amounts::from_env()? {
        None => soak(context, SHORT, SHORT_SLACK_KIB).map(drop),
        Some(amounts) => {
            let plot = soak(context, amounts, LONG_SLACK_KIB)?;
            fs::write(root().join(PLOT), plot)?;
            context.note(PLOT);
            Ok(())
        }
    }
}

/// The operations besides probing.
struct Work<'a> {
    echo: &'a Echo,
    server: &'a Echo,
    targets: &'a Path,
    ports: [u16; 2],
    scraped: u64,
    reloaded: u64,
    generation: u64,
}

fn soak(context: &Context, amounts: Amounts, slack: u64) -> Result<String> {
    let server = EchoServer::start_unlimited(context)?;
    let peer = Peer::start()?;
    let targets = context.folder().join("targets.json");
    let ports = [server.address.port(), peer.port];
    write(&targets, ports, 0, BRIEF_TARGETS)?;
    let list = format!("-targets={}", targets.display());
    let flags = ["-mode=client", &list, "-timeout=1s", "-log-level=warn"];
    let interval = format!("-interval={INTERVAL}ms");
    let echo = Echo::start(context, &[&flags[..], &[&interval]].concat())?;

    let seconds = [
        amounts.probes / PROBES,
        amounts.reconnects / RECONNECTS,
        amounts.scrapes / SCRAPES,
        amounts.reloads / RELOADS,
    ];
    let length = Duration::from_secs(seconds.into_iter().max().unwrap_or(0).max(10));
    let mut work = Work {
        echo: &echo,
        server: &server.echo,
        targets: &targets,
        ports,
        scraped: 0,
        reloaded: 0,
        generation: 0,
    };
    let before = work.at_rest()?;
    let (start, ended) = (Instant::now(), peer.ended());
    let (mut client, mut echoing) = (Vec::new(), Vec::new());
    for number in 1..=SAMPLES {
        let share = f64::from(number) / f64::from(SAMPLES);
        work.catch_up(&amounts, share)?;
        // If this is late, the next sample is not earlier.
        thread::sleep((length.mul_f64(share)).saturating_sub(start.elapsed()));
        let (one, two) = work.sample(start)?;
        client.push(one);
        echoing.push(two);
    }
    // A busy machine may need a little longer.
    wait::until("the remaining probes and reconnects", length, || {
        let probes = sent(&echo).ok()?;
        let reconnects = peer.ended() - ended;
        (probes >= amounts.probes && reconnects >= amounts.reconnects).then_some(())
    })?;
    let took = start.elapsed();
    let probes = sent(&echo)?;
    let ended = peer.ended() - ended;
    let after = work.at_rest()?;
    context.note(format!(
        "{} probes to permanent targets, {} reconnects, {} scrapes and {} reloads in {:.0} s",
        probes,
        ended,
        work.scraped,
        work.reloaded,
        took.as_secs_f64()
    ));
    context.note(format!("files at rest: {before:?} before, {after:?} after"));
    let lines = [("prober", &client), ("server", &echoing)];
    let slack = Slack {
        memory_kib: slack,
        files: BRIEF_TARGETS + CHANGED_TARGETS + 8,
    };
    let mut failed = Vec::new();
    for (name, samples) in lines {
        match growth::check(samples, &slack) {
            Ok(figures) => context.note(format!("{name}: {figures}")),
            Err(error) => failed.push(format!("{name}: {error:#}")),
        }
    }
    ensure!(failed.is_empty(), "{}", failed.join("; "));
    ensure!(before == after, "files at rest: {before:?}, {after:?}");
    let title = format!(
        "{} probes, {} reconnects, {} scrapes, {} reloads",
        amounts.probes, amounts.reconnects, amounts.scrapes, amounts.reloads
    );
    let lines = lines.map(|(name, samples)| Line { name, samples });
    Ok(plot::draw(&title, &lines))
}

impl Work<'_> {
    /// Scrapes and reloads alternately until this share of the amounts is done.
    fn catch_up(&mut self, amounts: &Amounts, share: f64) -> Result<()> {
        let due = |all: u64, done: u64| (done as f64) < (all as f64 * share).round();
        loop {
            let scrape = due(amounts.scrapes, self.scraped);
            let reload = due(amounts.reloads, self.reloaded);
            if scrape {
                self.echo.metrics.get("/metrics")?;
                self.scraped += 1;
            }
            if reload {
                self.reload(BRIEF_TARGETS)?;
                self.reloaded += 1;
            }
            if !scrape && !reload {
                return Ok(());
            }
        }
    }

    /// Returns the open files of both processes with only permanent connections.
    fn at_rest(&mut self) -> Result<(usize, usize)> {
        self.reload(0)?;
        let all = (STEADY_TARGETS + CHANGED_TARGETS) as f64;
        let is_equal = |scrape: &Scrape, name: &str| (scrape.sum(name, &[]) - all).abs() < 0.5;
        self.echo.until("all connected", SETTLE_TIMEOUT, |scrape| {
            is_equal(scrape, "tcp_echo_connected")
        })?;
        self.server
            .until("no other connections", SETTLE_TIMEOUT, |scrape| {
                is_equal(scrape, "tcp_echo_server_connections")
            })?;
        let mut min = (usize::MAX, usize::MAX);
        // The connection of a request is closed shortly after the response.
        for _ in 0..100 {
            thread::sleep(Duration::from_millis(5));
            min.0 = min.0.min(self.echo.process.open_files()?);
            min.1 = min.1.min(self.server.process.open_files()?);
        }
        self.reload(BRIEF_TARGETS)?;
        Ok(min)
    }

    /// Reloads with new changed targets and this number of brief targets.
    fn reload(&mut self, brief: usize) -> Result<()> {
        self.generation += 1;
        write(self.targets, self.ports, self.generation, brief)?;
        self.echo.metrics.reload()
    }

    fn sample(&self, start: Instant) -> Result<(Sample, Sample)> {
        let probes = sent(self.echo)?;
        let of = |echo: &Echo| -> Result<Sample> {
            Ok(Sample {
                seconds: start.elapsed().as_secs_f64(),
                memory_kib: echo.process.memory_kib("VmRSS")?,
                files: echo.process.open_files()?,
                cpu: echo.process.cpu_ticks()?,
                probes,
            })
        };
        Ok((of(self.echo)?, of(self.server)?))
    }
}

/// Returns the number of probes sent to the permanent targets.
fn sent(echo: &Echo) -> Result<u64> {
    let text = echo.metrics.get("/metrics")?;
    let mut sum = 0;
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("tcp_echo_sent_total{target=\"steady-") {
            let (_, value) = rest.rsplit_once(' ').context("no value")?;
            sum += value.parse::<u64>()?;
        }
    }
    Ok(sum)
}

/// Writes the targets file. Changed targets have new names in each generation.
fn write(path: &Path, ports: [u16; 2], generation: u64, brief: usize) -> Result<()> {
    let [server, peer] = ports;
    let of = |kind: &str, number: usize, port: u16| {
        // Several addresses, since the ephemeral ports for one would run out.
        let address = format!("127.0.1.{}:{port}", number % 50 + 1);
        json!({"name": format!("{kind}-{number}"), "address": address})
    };
    let steady = (0..STEADY_TARGETS).map(|number| of("steady", number, server));
    let brief = (0..brief).map(|number| of("brief", number, peer));
    let changed = format!("changed-{generation}");
    let changed = (0..CHANGED_TARGETS).map(|number| of(&changed, number, server));
    let list: Vec<_> = steady.chain(brief).chain(changed).collect();
    files::replace(path, &serde_json::to_string(&list)?)
}

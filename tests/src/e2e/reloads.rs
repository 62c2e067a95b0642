//! A thousand reloads, each of which changes a tenth of a thousand targets.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use testkit::context::Context;
use testkit::echo::{Echo, EchoServer};
use testkit::exposition::Scrape;
use testkit::{files, wait};

use crate::runner::{PLAIN, Scenario};

pub(super) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "a thousand reloads",
    // It opens and closes a thousand connections per second.
    alone: true,
    run,
    ..PLAIN
}];

const RELOADS: usize = 1000;
/// The number of reloads before the measurement, in which the allocator reaches its steady
/// size.
const WARM_UP: usize = 800;
/// The time until the status page's history has allocated its memory.
const HISTORY: Duration = Duration::from_secs(13);
const FIXED: usize = 500;
/// The other targets are changed in turn, this many per reload.
const CHANGED: usize = 100;
const BLOCKS: usize = 5;
const TARGETS: usize = FIXED + CHANGED * BLOCKS;

const INTERVAL: Duration = Duration::from_millis(500);
/// The time limit for connecting after the last change.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(10);
/// The time limit of the scenario; it takes about 40 seconds on an idle machine.
const LIMIT: Duration = Duration::from_secs(180);

/// The maximum memory growth after the warm-up: 123 bytes for each of the 100,000 targets added and
/// removed.
const GROWTH_KIB: u64 = 12 * 1024;
/// The allowed difference of open files, for connections of requests.
const FILES: usize = 8;

/// The resources of the process.
#[derive(Debug)]
struct Usage {
    memory_kib: u64,
    files: usize,
    series: usize,
}

fn run(context: &Context) -> Result<()> {
    let server = EchoServer::start_unlimited(context)?;
    let port = server.address.port();
    let path = context.folder().join("targets.json");
    let mut generations = [0; BLOCKS];
    write(&path, port, &generations)?;
    let echo = Echo::start(
        context,
        &[
            "-mode=client",
            &format!("-targets={}", path.display()),
            &format!("-interval={}ms", INTERVAL.as_millis()),
            "-timeout=2s",
            "-log-level=warn",
        ],
    )?;
    settled(&server.echo, &echo)?;
    // A scrape shows some moment between its start and its end.
    let start = Instant::now();
    let (first, began) = (fixed(&echo.scrape()?)?, Instant::now());

    let mut warm = None;
    for reload in 1..=WARM_UP + RELOADS {
        generations[reload % BLOCKS] = reload;
        write(&path, port, &generations)?;
        echo.metrics
            .reload()
            .with_context(|| format!("reload {reload}"))?;
        ensure!(
            start.elapsed() < LIMIT,
            "only {reload} reloads in {LIMIT:?}"
        );
        if reload == WARM_UP {
            thread::sleep(HISTORY.saturating_sub(start.elapsed()));
            settled(&server.echo, &echo)?;
            warm = Some(usage(&echo)?);
        }
    }
    let took = start.elapsed();
    settled(&server.echo, &echo)?;
    let warm = warm.context("no warm-up")?;
    let shortest = began.elapsed();
    let scrape = echo.scrape()?;
    let (last, longest) = (fixed(&scrape)?, start.elapsed());
    let now = usage(&echo)?;
    context.note(format!(
        "{WARM_UP} reloads and {RELOADS} more in {:.1} s: {warm:?}, then {now:?}",
        took.as_secs_f64()
    ));

    let grown = now.memory_kib.saturating_sub(warm.memory_kib);
    ensure!(
        grown <= GROWTH_KIB,
        "memory grew by {grown} KiB: {warm:?}, {now:?}"
    );
    ensure!(
        now.files.abs_diff(warm.files) <= FILES,
        "files: {warm:?}, {now:?}"
    );
    ensure!(now.series == warm.series, "series: {warm:?}, {now:?}");
    let present: BTreeSet<&str> = names(&scrape).collect();
    let expected = list(&generations);
    ensure!(present.len() == TARGETS, "{} targets", present.len());
    let missing = expected.iter().find(|(name, _)| !present.contains(&**name));
    ensure!(missing.is_none(), "{missing:?} is missing");

    for (name, now) in &last {
        let before = first.get(name).context("no earlier counts")?;
        ensure!(
            now.connects == 1.0,
            "{name} was connected {} times",
            now.connects
        );
        ensure!(now.loss == 0.0, "{name} has a loss of {}", now.loss);
        let slots = now.slots - before.slots;
        let due = [shortest, longest].map(|span| span.as_secs_f64() / INTERVAL.as_secs_f64());
        ensure!(
            slots >= due[0] - 2.0 && slots <= due[1] + 2.0,
            "{name} has {slots} slots, not {due:?}: its schedule was interrupted"
        );
        let sent = now.sent - before.sent;
        ensure!(
            sent >= slots * 0.99 - 1.0,
            "{name} sent in {sent} of {slots} slots"
        );
    }
    ensure!(last.len() == FIXED, "{} fixed targets", last.len());
    Ok(())
}

/// Returns the names and label values for these generations of the blocks. In a block, half of the
/// targets get a new name, the other half a new label value.
fn list(generations: &[usize; BLOCKS]) -> Vec<(String, usize)> {
    let fixed = (0..FIXED).map(|n| (format!("fixed-{n}"), 0));
    let changed = generations
        .iter()
        .enumerate()
        .flat_map(|(block, generation)| {
            (0..CHANGED).map(move |n| {
                if n % 2 == 0 {
                    (format!("new-{block}-{n}-{generation}"), 0)
                } else {
                    (format!("other-{block}-{n}"), *generation)
                }
            })
        });
    fixed.chain(changed).collect()
}

fn write(path: &Path, port: u16, generations: &[usize; BLOCKS]) -> Result<()> {
    let entries = list(generations)
        .into_iter()
        .enumerate()
        .map(|(n, (name, label))| {
            // Several addresses, since the ephemeral ports for one would run out.
            let address = format!("127.0.1.{}:{port}", n % 50);
            json!({"name": name, "address": address, "labels": {"generation": label.to_string()}})
        });
    // The prober also watches the file.
    files::replace(path, &serde_json::to_string(&entries.collect::<Vec<_>>())?)
}

/// Waits until both sides have one connection per target.
fn settled(server: &Echo, echo: &Echo) -> Result<()> {
    let all = TARGETS as f64;
    echo.until("all connected", SETTLE_TIMEOUT, |scrape| {
        scrape.sum("tcp_echo_connected", &[]) == all
    })?;
    server.until("no other connections", SETTLE_TIMEOUT, |scrape| {
        scrape.sum("tcp_echo_server_connections", &[]) == all
    })?;
    Ok(())
}

fn usage(echo: &Echo) -> Result<Usage> {
    let (files, _) = wait::until("files of requests closed", SETTLE_TIMEOUT, || {
        let files = echo.process.open_files().ok()?;
        (files < TARGETS + 100).then_some(files)
    })?;
    Ok(Usage {
        memory_kib: echo.process.memory_kib("VmRSS")?,
        files,
        series: echo.scrape()?.all().count(),
    })
}

fn names(scrape: &Scrape) -> impl Iterator<Item = &str> {
    let connected = scrape.matching("tcp_echo_connected", &[]);
    connected.filter_map(|(labels, _)| Some(labels.get("target")?.as_str()))
}

#[derive(Default)]
struct Fixed {
    connects: f64,
    loss: f64,
    sent: f64,
    slots: f64,
}

/// Returns the counts of the targets that are never changed, by name.
fn fixed(scrape: &Scrape) -> Result<BTreeMap<String, Fixed>> {
    let mut fixed: BTreeMap<String, Fixed> = BTreeMap::new();
    for (name, labels, value) in scrape.all() {
        let target = labels
            .get("target")
            .filter(|name| name.starts_with("fixed-"));
        let Some(target) = target else { continue };
        let one = fixed.entry(target.clone()).or_default();
        match name {
            "tcp_echo_connects_total" => one.connects = value,
            "tcp_echo_loss_ratio" => one.loss = value,
            "tcp_echo_sent_total" => {
                one.sent = value;
                one.slots += value;
            }
            "tcp_echo_unsent_total" => one.slots += value,
            _ => {}
        }
    }
    ensure!(!fixed.is_empty(), "no targets in a scrape");
    Ok(fixed)
}

//! Runs the scenario: before, during and after the faults.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use signal_hook::consts::{SIGINT, SIGTERM};
use testkit::context::Context;
use testkit::wait;

use super::cluster::Cluster;
use super::schedule::{Event, Fault, Host, draw};
use super::scrapes::{Scraper, Scrapes};
use super::traffic::Traffic;
use super::{
    MS, Options, Outage, PROBER_COUNT, PROBERS, SERVER_COUNT, prober_counts, resources,
    server_counts,
};
use crate::runner::Scenario;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "chaos",
    tools: &[
        ("ip", "iproute2"),
        ("nft", "nftables"),
        ("tcpdump", "tcpdump"),
        ("faketime", "faketime"),
    ],
    root: true,
    alone: true,
    run: |context| run(context, &Options::from_env()?),
};

/// Runs the scenario; on SIGINT and SIGTERM it stops and cleans up.
fn run(context: &Context, options: &Options) -> Result<()> {
    let stop = Arc::new(AtomicBool::new(false));
    let handlers =
        [SIGINT, SIGTERM].map(|signal| signal_hook::flag::register(signal, stop.clone()));
    let result = run_until(context, options, &stop);
    for handler in handlers.into_iter().flatten() {
        signal_hook::low_level::unregister(handler);
    }
    if result.is_err() {
        context.note(format!("to repeat: {}", options.command()));
    }
    result
}

fn run_until(context: &Context, options: &Options, stop: &AtomicBool) -> Result<()> {
    let rest = options.rest();
    let events = draw(options.seed, options.length);
    eprintln!("    seed {}, {} events:", options.seed, events.len());
    for event in &events {
        eprintln!("    {event}");
    }
    let mut cluster = Cluster::new(context, rest)?;
    let capture = cluster.network.capture()?;
    pause(Duration::from_secs(1), stop)?;
    cluster.start_probers()?;
    wait_until_healthy(&cluster, stop)?;
    let before = usage(&cluster, rest)?;
    inject(&mut cluster, &events, stop)?;
    cluster.check_logs()?;
    wait_until_healthy(&cluster, stop)?;
    // Servers close connections whose clients disappeared.
    pause(rest + Duration::from_secs(2), stop)?;
    let after = usage(&cluster, rest)?;
    wait_until_healthy(&cluster, stop)?;
    cluster.check_logs()?;

    let readings = end(&mut cluster, rest, stop)?;
    let traffic = capture.finish()?;
    context.note(format!(
        "{} segments captured; events: {:?}",
        traffic.segments, cluster.done
    ));
    let mut violations: Vec<String> = (before.iter().zip(&after))
        .zip(Host::all())
        .filter_map(|((before, after), host)| resources::growth(&host.to_string(), *before, *after))
        .collect();
    for (host, after) in Host::all().zip(&after) {
        context.note(format!("{host} at the end: {after:?}"));
    }
    compare(context, &cluster, &traffic, &readings, &mut violations);
    let shown = violations
        .iter()
        .take(40)
        .map(|text| format!("\n      {text}"));
    ensure!(
        violations.is_empty(),
        "{} violations:{}",
        violations.len(),
        shown.collect::<String>()
    );
    Ok(())
}

/// Resets all senders, so that the counts stop changing; returns the probers' scrapes.
fn end(cluster: &mut Cluster<'_>, rest: Duration, stop: &AtomicBool) -> Result<Vec<Scrapes>> {
    for prober in 0..PROBER_COUNT {
        for server in 0..SERVER_COUNT {
            let fault = Fault::ResetProber { prober, server };
            cluster
                .network
                .inject(&format!("last{prober}x{server}"), fault)?;
        }
    }
    pause(rest + Duration::from_secs(3), stop)?;
    let readings: Vec<Scrapes> = cluster
        .scrapers
        .drain(..)
        .map(|watch| watch.finish(true))
        .collect();
    for instance in &mut cluster.instances {
        if let Some(scraper) = instance.scraper.take() {
            instance.scrapes = Scraper::finish(scraper, true);
        }
    }
    // tcpdump flushes the last packets within a second.
    pause(Duration::from_millis(1500), stop)?;
    Ok(readings)
}

/// Compares every series with the capture.
fn compare(
    context: &Context,
    cluster: &Cluster<'_>,
    traffic: &Traffic,
    readings: &[Scrapes],
    violations: &mut Vec<String>,
) {
    for (index, (prober, scrapes)) in PROBERS.iter().zip(readings).enumerate() {
        let host = Host::Prober(index);
        let stops = outages(cluster, host);
        check_scrapes(host, scrapes, &stops, violations);
        for server in 0..SERVER_COUNT {
            let (name, mut found) = (format!("s{server}"), Vec::new());
            let between = traffic.between(host, Host::Server(server));
            prober_counts::slots(prober, &name, &scrapes.readings, &stops, &mut found);
            let tally = prober_counts::compare(
                prober,
                &name,
                &between,
                &scrapes.readings,
                &stops,
                &mut found,
            );
            let counted: Vec<_> = tally
                .counted
                .iter()
                .map(|(name, count)| format!("{name} {count}"))
                .collect();
            context.note(format!(
                "{host}×{name}: {}; captured: {} probes ({} never left), {} replies ({} doubtful), {} connections; {} scrapes",
                counted.join(", "),
                tally.probes,
                tally.never_left,
                tally.replies,
                tally.doubtful,
                tally.connections,
                scrapes.readings.len(),
            ));
            violations.extend(
                found
                    .into_iter()
                    .map(|text| format!("{host}×{name}: {text}")),
            );
        }
    }
    for instance in &cluster.instances {
        let host = Host::Server(instance.server);
        check_scrapes(host, &instance.scrapes, &outages(cluster, host), violations);
        let ends: Vec<_> = (0..PROBER_COUNT)
            .flat_map(|prober| traffic.between(host, Host::Prober(prober)))
            .collect();
        let mut found = Vec::new();
        let tally = server_counts::compare(
            &ends,
            instance.started,
            &instance.scrapes.readings,
            instance.runs,
            &mut found,
        );
        context.note(format!(
            "{host}{}: accepted {} of {}; {} bytes in, {} echoed, {} out",
            if instance.runs { "" } else { ", killed" },
            tally.accepted,
            tally.made,
            tally.bytes_in,
            tally.echoed,
            tally.bytes_out,
        ));
        violations.extend(found.into_iter().map(|text| format!("{host}: {text}")));
    }
}

fn inject(cluster: &mut Cluster<'_>, events: &[Event], stop: &AtomicBool) -> Result<()> {
    let mut steps: Vec<(Duration, usize, bool)> = Vec::new();
    for (index, event) in events.iter().enumerate() {
        steps.push((event.from, index, true));
        steps.push((event.until, index, false));
    }
    // An event begins before it ends, even if both are at the same time.
    steps.sort_by_key(|(at, index, begins)| (*at, *index, !begins));
    let start = Instant::now();
    for (at, index, begins) in steps {
        pause(at.saturating_sub(start.elapsed()), stop)?;
        if begins {
            cluster.begin(index, &events[index])?;
        } else {
            cluster.end(index, &events[index])?;
        }
    }
    Ok(())
}

fn outages(cluster: &Cluster<'_>, host: Host) -> Vec<Outage> {
    let of = cluster.outages.iter().filter(|one| one.host == host);
    of.copied().collect()
}

/// Adds the violations found at scrapes, and scrapes that failed although the process could respond.
fn check_scrapes(host: Host, scrapes: &Scrapes, outages: &[Outage], violations: &mut Vec<String>) {
    violations.extend(
        scrapes
            .violations
            .iter()
            .map(|text| format!("{host}: {text}")),
    );
    for (from, until) in &scrapes.failed {
        let overlaps = |one: &Outage| one.from < *until && one.until + 500 * MS > *from;
        if !outages.iter().any(overlaps) {
            violations.push(format!("{host}: a scrape failed"));
        }
    }
    if scrapes.readings.is_empty() && outages.is_empty() {
        violations.push(format!("{host}: no scrapes"));
    }
}

fn usage(cluster: &Cluster<'_>, time: Duration) -> Result<Vec<resources::Usage>> {
    let servers = cluster.servers.iter().flatten();
    let all: Vec<_> = cluster
        .probers
        .iter()
        .chain(servers)
        .map(|echo| &echo.process)
        .collect();
    resources::measure(&all, time)
}

/// Waits until all targets are connected and the loss windows have no loss.
fn wait_until_healthy(cluster: &Cluster<'_>, stop: &AtomicBool) -> Result<()> {
    for (index, prober) in cluster.probers.iter().enumerate() {
        wait::until(
            &format!("p{index} without loss"),
            Duration::from_secs(30),
            || {
                let scrape = prober.scrape().ok()?;
                let of = |name: &str| -> f64 {
                    (0..SERVER_COUNT)
                        .map(|server| scrape.sum(name, &[("target", &*format!("s{server}"))]))
                        .sum()
                };
                let connected = of("tcp_echo_connected") - of("tcp_echo_loss_ratio");
                let is_healthy = (connected - SERVER_COUNT as f64).abs() < 1e-9;
                (is_healthy || stop.load(Ordering::Relaxed)).then_some(())
            },
        )?;
    }
    Ok(())
}

fn pause(time: Duration, stop: &AtomicBool) -> Result<()> {
    let until = Instant::now() + time;
    loop {
        if stop.load(Ordering::Relaxed) {
            bail!("interrupted");
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        sleep(left.min(Duration::from_millis(50)));
    }
}

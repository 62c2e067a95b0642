//! The run: before, during and after the faults.

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

/// Everything is made here and removed when this ends, also by a signal.
fn run(context: &Context, options: &Options) -> Result<()> {
    let stop = Arc::new(AtomicBool::new(false));
    let handlers =
        [SIGINT, SIGTERM].map(|signal| signal_hook::flag::register(signal, stop.clone()));
    let result = run_until(context, options, &stop);
    for handler in handlers.into_iter().flatten() {
        signal_hook::low_level::unregister(handler);
    }
    if result.is_err() {
        context.note(format!("again: {}", options.command()));
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
    cluster.probe()?;
    healthy(&cluster, stop)?;
    let before = usage(&cluster, rest)?;
    inject(&mut cluster, &events, stop)?;
    cluster.check_logs()?;
    healthy(&cluster, stop)?;
    // Servers let go of what was cut off without a word.
    pause(rest + Duration::from_secs(2), stop)?;
    let after = usage(&cluster, rest)?;
    healthy(&cluster, stop)?;
    cluster.check_logs()?;

    let readings = end(&mut cluster, rest, stop)?;
    let traffic = capture.finish()?;
    context.note(format!(
        "{} segments noted; events: {:?}",
        traffic.segments, cluster.done
    ));
    let mut wrong: Vec<String> = (before.iter().zip(&after))
        .zip(Host::all())
        .filter_map(|((before, after), host)| {
            resources::differs(&host.to_string(), *before, *after)
        })
        .collect();
    for (host, after) in Host::all().zip(&after) {
        context.note(format!("{host} in the end: {after:?}"));
    }
    compare(context, &cluster, &traffic, &readings, &mut wrong);
    let shown = wrong.iter().take(40).map(|text| format!("\n      {text}"));
    ensure!(
        wrong.is_empty(),
        "{} things are wrong:{}",
        wrong.len(),
        shown.collect::<String>()
    );
    Ok(())
}

/// Resets all senders, so that nothing moves, and returns the probers' scrapes.
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
    // What was seen last is handed over within a second.
    pause(Duration::from_millis(1500), stop)?;
    Ok(readings)
}

/// Every series with what passed.
fn compare(
    context: &Context,
    cluster: &Cluster<'_>,
    traffic: &Traffic,
    readings: &[Scrapes],
    wrong: &mut Vec<String>,
) {
    for (index, (prober, scrapes)) in PROBERS.iter().zip(readings).enumerate() {
        let host = Host::Prober(index);
        let stops = outages(cluster, host);
        excused(host, scrapes, &stops, wrong);
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
                "{host}×{name}: {}; passed: {} probes ({} never left), {} replies ({} doubtful), {} connections; {} scrapes",
                counted.join(", "),
                tally.probes,
                tally.never_left,
                tally.replies,
                tally.doubtful,
                tally.connections,
                scrapes.readings.len(),
            ));
            wrong.extend(
                found
                    .into_iter()
                    .map(|text| format!("{host}×{name}: {text}")),
            );
        }
    }
    for instance in &cluster.instances {
        let host = Host::Server(instance.server);
        excused(host, &instance.scrapes, &outages(cluster, host), wrong);
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
            tally.went_in,
            tally.echoed,
            tally.came_out,
        ));
        wrong.extend(found.into_iter().map(|text| format!("{host}: {text}")));
    }
}

fn inject(cluster: &mut Cluster<'_>, events: &[Event], stop: &AtomicBool) -> Result<()> {
    let mut steps: Vec<(Duration, usize, bool)> = Vec::new();
    for (index, event) in events.iter().enumerate() {
        steps.push((event.from, index, true));
        steps.push((event.until, index, false));
    }
    // An event begins before it ends, also where both are at once.
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

/// A scrape may go unanswered while a process is stopped or out of files, and then only.
fn excused(host: Host, scrapes: &Scrapes, outages: &[Outage], wrong: &mut Vec<String>) {
    wrong.extend(scrapes.wrong.iter().map(|text| format!("{host}: {text}")));
    for (from, until) in &scrapes.missed {
        let excuse = |one: &Outage| one.from < *until && one.until + 500 * MS > *from;
        if !outages.iter().any(excuse) {
            wrong.push(format!("{host}: a scrape was not answered"));
        }
    }
    if scrapes.readings.is_empty() && outages.is_empty() {
        wrong.push(format!("{host}: no scrape at all"));
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

/// All are connected and nobody has lost anything lately.
fn healthy(cluster: &Cluster<'_>, stop: &AtomicBool) -> Result<()> {
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
                let whole = of("tcp_echo_connected") - of("tcp_echo_loss_ratio");
                let whole = (whole - SERVER_COUNT as f64).abs() < 1e-9;
                (whole || stop.load(Ordering::Relaxed)).then_some(())
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

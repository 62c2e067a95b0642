//! The play: before, during and after the chaos.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use signal_hook::consts::{SIGINT, SIGTERM};
use testkit::context::Context;
use testkit::wait;

use super::ledger::Ledger;
use super::readings::{Scraper, Taken};
use super::schedule::{Event, Fault, Place, draw};
use super::stage::Stage;
use super::{MS, Options, Outage, PROBERS, PROBERS_ARE, SERVERS, health, judge, servers};
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
    run: |context| play(context, &Options::from_env()?),
};

/// Everything is made here and removed when this ends, also by a signal.
fn play(context: &Context, options: &Options) -> Result<()> {
    let stop = Arc::new(AtomicBool::new(false));
    let handlers =
        [SIGINT, SIGTERM].map(|signal| signal_hook::flag::register(signal, stop.clone()));
    let result = acts(context, options, &stop);
    for handler in handlers.into_iter().flatten() {
        signal_hook::low_level::unregister(handler);
    }
    if result.is_err() {
        context.note(format!("again: {}", options.command()));
    }
    result
}

fn acts(context: &Context, options: &Options, stop: &AtomicBool) -> Result<()> {
    let rest = options.rest();
    let events = draw(options.seed, options.length);
    eprintln!("    seed {}, {} events:", options.seed, events.len());
    for event in &events {
        eprintln!("    {event}");
    }
    let mut stage = Stage::new(context, rest)?;
    let capture = stage.network.capture()?;
    pause(Duration::from_secs(1), stop)?;
    stage.probe()?;
    healthy(&stage, stop)?;
    let before = look(&stage, rest)?;
    perform(&mut stage, &events, stop)?;
    stage.sound()?;
    healthy(&stage, stop)?;
    // Servers let go of what was cut off without a word.
    pause(rest + Duration::from_secs(2), stop)?;
    let after = look(&stage, rest)?;
    healthy(&stage, stop)?;
    stage.sound()?;

    let readings = end(&mut stage, rest, stop)?;
    let ledger = capture.finish()?;
    context.note(format!(
        "{} segments noted; events: {:?}",
        ledger.segments, stage.done
    ));
    let mut wrong: Vec<String> = (before.iter().zip(&after))
        .zip(Place::all())
        .filter_map(|((before, after), place)| health::differs(&place.to_string(), *before, *after))
        .collect();
    for (place, after) in Place::all().zip(&after) {
        context.note(format!("{place} in the end: {after:?}"));
    }
    compare(context, &stage, &ledger, &readings, &mut wrong);
    let shown = wrong.iter().take(40).map(|text| format!("\n      {text}"));
    ensure!(
        wrong.is_empty(),
        "{} things are wrong:{}",
        wrong.len(),
        shown.collect::<String>()
    );
    Ok(())
}

/// Resets whoever sends, so that nothing moves, and gives the probers' scrapes.
fn end(stage: &mut Stage<'_>, rest: Duration, stop: &AtomicBool) -> Result<Vec<Taken>> {
    for prober in 0..PROBERS {
        for server in 0..SERVERS {
            let fault = Fault::ResetProber { prober, server };
            stage
                .network
                .disturb(&format!("last{prober}x{server}"), fault)?;
        }
    }
    pause(rest + Duration::from_secs(3), stop)?;
    let readings: Vec<Taken> = stage
        .watches
        .drain(..)
        .map(|watch| watch.finish(true))
        .collect();
    for life in &mut stage.lives {
        if let Some(scraper) = life.scraper.take() {
            life.taken = Scraper::finish(scraper, true);
        }
    }
    // What was seen last is handed over within a second.
    pause(Duration::from_millis(1500), stop)?;
    Ok(readings)
}

/// Every series with what passed.
fn compare(
    context: &Context,
    stage: &Stage<'_>,
    ledger: &Ledger,
    readings: &[Taken],
    wrong: &mut Vec<String>,
) {
    for (index, (prober, taken)) in PROBERS_ARE.iter().zip(readings).enumerate() {
        let place = Place::Prober(index);
        let stops = outages(stage, place);
        excused(place, taken, &stops, wrong);
        for server in 0..SERVERS {
            let (name, mut found) = (format!("s{server}"), Vec::new());
            let between = ledger.between(place, Place::Server(server));
            judge::slots(prober, &name, &taken.readings, &stops, &mut found);
            let tally = judge::judge(prober, &name, &between, &taken.readings, &stops, &mut found);
            let counted: Vec<_> = tally
                .counted
                .iter()
                .map(|(name, count)| format!("{name} {count}"))
                .collect();
            context.note(format!(
                "{place}×{name}: {}; passed: {} probes ({} never left), {} replies ({} doubtful), {} connections; {} scrapes",
                counted.join(", "),
                tally.probes,
                tally.never_left,
                tally.replies,
                tally.doubtful,
                tally.connections,
                taken.readings.len(),
            ));
            wrong.extend(
                found
                    .into_iter()
                    .map(|text| format!("{place}×{name}: {text}")),
            );
        }
    }
    for life in &stage.lives {
        let place = Place::Server(life.server);
        excused(place, &life.taken, &outages(stage, place), wrong);
        let ends: Vec<_> = (0..PROBERS)
            .flat_map(|prober| ledger.between(place, Place::Prober(prober)))
            .collect();
        let mut found = Vec::new();
        let tally = servers::judge(
            &ends,
            life.born,
            &life.taken.readings,
            life.runs,
            &mut found,
        );
        context.note(format!(
            "{place}{}: accepted {} of {}; {} bytes in, {} echoed, {} out",
            if life.runs { "" } else { ", killed" },
            tally.accepted,
            tally.made,
            tally.went_in,
            tally.echoed,
            tally.came_out,
        ));
        wrong.extend(found.into_iter().map(|text| format!("{place}: {text}")));
    }
}

fn perform(stage: &mut Stage<'_>, events: &[Event], stop: &AtomicBool) -> Result<()> {
    let mut acts: Vec<(Duration, usize, bool)> = Vec::new();
    for (index, event) in events.iter().enumerate() {
        acts.push((event.from, index, true));
        acts.push((event.until, index, false));
    }
    // An event begins before it ends, also where both are at once.
    acts.sort_by_key(|(at, index, begins)| (*at, *index, !begins));
    let start = Instant::now();
    for (at, index, begins) in acts {
        pause(at.saturating_sub(start.elapsed()), stop)?;
        if begins {
            stage.begin(index, &events[index])?;
        } else {
            stage.end(index, &events[index])?;
        }
    }
    Ok(())
}

fn outages(stage: &Stage<'_>, place: Place) -> Vec<Outage> {
    let of = stage.outages.iter().filter(|one| one.place == place);
    of.copied().collect()
}

/// A scrape may go unanswered while a process is stopped or out of files, and then only.
fn excused(place: Place, taken: &Taken, outages: &[Outage], wrong: &mut Vec<String>) {
    wrong.extend(taken.wrong.iter().map(|text| format!("{place}: {text}")));
    for (from, until) in &taken.missed {
        let excuse = |one: &Outage| one.from < *until && one.until + 500 * MS > *from;
        if !outages.iter().any(excuse) {
            wrong.push(format!("{place}: a scrape was not answered"));
        }
    }
    if taken.readings.is_empty() && outages.is_empty() {
        wrong.push(format!("{place}: no scrape at all"));
    }
}

fn look(stage: &Stage<'_>, time: Duration) -> Result<Vec<health::Taken>> {
    let servers = stage.servers.iter().flatten();
    let all: Vec<_> = stage
        .probers
        .iter()
        .chain(servers)
        .map(|echo| &echo.process)
        .collect();
    health::look(&all, time)
}

/// All are connected and nobody has lost anything lately.
fn healthy(stage: &Stage<'_>, stop: &AtomicBool) -> Result<()> {
    for (index, prober) in stage.probers.iter().enumerate() {
        wait::until(
            &format!("p{index} without loss"),
            Duration::from_secs(30),
            || {
                let scrape = prober.scrape().ok()?;
                let of = |name: &str| -> f64 {
                    (0..SERVERS)
                        .map(|server| scrape.sum(name, &[("target", &*format!("s{server}"))]))
                        .sum()
                };
                let whole = of("tcp_echo_connected") - of("tcp_echo_loss_ratio");
                let whole = (whole - SERVERS as f64).abs() < 1e-9;
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

//! The prober with and without its grid of wake-ups, beside an event loop.

use anyhow::{Context as _, Result};
use serde::Deserialize;

use super::plot::{Line, Plot};
use super::program::json;
use super::results::{Group, Picture};

/// The figures of all variants at one number of probes a second.
#[derive(Deserialize)]
struct AtLoad {
    targets: u64,
    interval_us: u64,
    per_second: f64,
    variants: Vec<Variant>,
}

#[derive(Deserialize)]
struct Variant {
    name: String,
    cpu: f64,
    cpu_us_per_probe: f64,
    share_sent: f64,
    rtt_p50_us: f64,
    rtt_p90_us: f64,
    lateness_p50_us: f64,
    lateness_p99_us: f64,
    host_delay_p50_us: f64,
}

const NO_GRID: &str = "prober, no grid";
const GRID: &str = "prober, automatic";

/// Probes per second, the maximum of CPU in cores with the grid, and the minimum of the share of slots
/// sent.
const BOUNDS: [(f64, f64, f64); 3] = [
    (10_000.0, 0.30, 0.999),
    (50_000.0, 0.55, 0.999),
    (100_000.0, 0.90, 0.99),
];
/// RTT p90 with the grid, relative to that without.
const MAX_RTT_RATIO: f64 = 1.25;

pub(super) fn compare(quick: bool) -> Result<(Group, Vec<Picture>)> {
    let arguments: &[&str] = if quick {
        &[
            "--json",
            "--rounds=1",
            "--duration=0.2",
            "--loads=200x20000",
            "--floors-us=0,1000",
        ]
    } else {
        &["--json"]
    };
    let (command, said) = json("compare-coalescing", arguments)?;
    let loads: Vec<AtLoad> = serde_json::from_value(said)?;
    let mut group = Group {
        title: "The grid of wake-ups",
        text: "The prober on one thread, at many probes per second to a server on the other \
               processor, waking for each slot and each reply (no grid) or on its automatic grid. \
               The event loop is a minimal one in the same run, with windows as named. Medians of \
               alternating turns.",
        command,
        ..Group::default()
    };
    for load in &loads {
        rows(&mut group, load)?;
    }
    Ok((group, pictures(&loads)?))
}

impl AtLoad {
    fn variant(&self, name: &str) -> Result<&Variant> {
        let mut all = self.variants.iter();
        all.find(|at| at.name == name)
            .with_context(|| format!("no figures of {name}"))
    }
}

fn rows(group: &mut Group, load: &AtLoad) -> Result<()> {
    let every = load.interval_us / 1000;
    let of = |what: &str| format!("{} targets every {every} ms, {what}", load.targets);
    let mut bounds = BOUNDS.iter();
    let bounds = bounds.find(|bounds| (bounds.0 - load.per_second).abs() < 1.0);
    for at in &load.variants {
        let what = |what: &str| of(&format!("{}: {what}", at.name));
        let bounds = bounds.filter(|_| at.name == GRID);
        match bounds {
            Some((_, cpu, _)) => group.at_most(what("CPU"), at.cpu, "cores", *cpu),
            None => group.add(what("CPU"), at.cpu, "cores"),
        }
        group.add(what("RTT p90"), at.rtt_p90_us, "µs");
        if ![NO_GRID, GRID].contains(&at.name.as_str()) {
            continue;
        }
        if let Some((_, _, sent)) = bounds {
            group.at_least(what("share of slots sent"), at.share_sent, "", *sent);
        }
        group.add(what("CPU a probe"), at.cpu_us_per_probe, "µs");
        group.add(what("RTT p50"), at.rtt_p50_us, "µs");
        group.add(what("lateness p50"), at.lateness_p50_us, "µs");
        group.add(what("lateness p99"), at.lateness_p99_us, "µs");
        group.add(what("host delay p50"), at.host_delay_p50_us, "µs");
    }
    let ratio = load.variant(GRID)?.rtt_p90_us / load.variant(NO_GRID)?.rtt_p90_us;
    group.at_most(of("RTT p90 by the grid, ratio"), ratio, "", MAX_RTT_RATIO);
    Ok(())
}

fn pictures(loads: &[AtLoad]) -> Result<Vec<Picture>> {
    let line = |name, variant: &str, value: fn(&Variant) -> f64| {
        let point = |load: &AtLoad| Ok((load.per_second, value(load.variant(variant)?)));
        let points: Result<_> = loads.iter().map(point).collect();
        anyhow::Ok(Line {
            name,
            points: points?,
        })
    };
    Ok(vec![
        Picture {
            file: "coalescing-cpu.svg",
            plot: Plot {
                title: "CPU of the prober, in cores",
                x: "probes a second",
                lines: vec![
                    line("no grid", NO_GRID, |at| at.cpu)?,
                    line("grid", GRID, |at| at.cpu)?,
                ],
            },
        },
        Picture {
            file: "coalescing-times.svg",
            plot: Plot {
                title: "RTT and lateness, medians in µs",
                x: "probes a second",
                lines: vec![
                    line("RTT, no grid", NO_GRID, |at| at.rtt_p50_us)?,
                    line("RTT, grid", GRID, |at| at.rtt_p50_us)?,
                    line("lateness, no grid", NO_GRID, |at| at.lateness_p50_us)?,
                    line("lateness, grid", GRID, |at| at.lateness_p50_us)?,
                ],
            },
        },
    ])
}

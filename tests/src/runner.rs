//! Runs scenarios: most of them side by side, those that time things alone.

use std::any::Any;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};
use std::{fs, panic, thread};

use anyhow::{Context as _, Result, anyhow};
use tempfile::TempDir;

use super::harness::context::Context;
use super::harness::{limits, netns, tools};
use super::scenarios;
use crate::report::{Outcome, Report};
use crate::shell::{LONG, cargo, run as run_command, target_dir};

/// One scenario: it returns an error where something is not as it should be.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// Programs that it needs, as (program, Debian's package).
    pub(crate) tools: &'static [(&'static str, &'static str)],
    /// Whether it makes network namespaces.
    pub(crate) root: bool,
    /// Whether others beside it would spoil its figures, or it theirs.
    pub(crate) alone: bool,
    pub(crate) run: fn(&Context) -> Result<()>,
}

/// A scenario that needs nothing and disturbs nobody.
pub(crate) const PLAIN: Scenario = Scenario {
    name: "",
    tools: &[],
    root: false,
    alone: false,
    run: |_| Ok(()),
};

/// They sleep most of the time, so more than there are cores.
const SIDE_BY_SIDE: usize = 4;

pub(super) fn run(report: &mut Report, word: &str) {
    let chosen: Vec<&Scenario> = scenarios::all()
        .filter(|scenario| scenario.name.contains(word))
        .collect();
    if chosen.is_empty() {
        report.step("end to end", || {
            Err(anyhow!("no scenario is named like {word:?}"))
        });
        return;
    }
    run_these(report, chosen);
}

pub(super) fn run_these(report: &mut Report, chosen: Vec<&Scenario>) {
    let Some((_folder, binary)) = prepare(report, &chosen) else {
        return;
    };
    run_all(report, chosen, &binary);
}

/// Runs those that are chosen by name, with a binary that is there already.
pub(super) fn run_with(report: &mut Report, binary: &Path, choose: impl Fn(&str) -> bool) {
    let chosen = scenarios::all().filter(|scenario| choose(scenario.name));
    let chosen = chosen.collect::<Vec<_>>();
    equip(report, &chosen);
    run_all(report, chosen, binary);
}

fn run_all(report: &mut Report, chosen: Vec<&Scenario>, binary: &Path) {
    println!("\n==> end to end");
    let (alone, together): (Vec<_>, Vec<_>) = chosen.into_iter().partition(|s| s.alone);
    let report = Mutex::new(report);
    side_by_side(&together, SIDE_BY_SIDE, binary, &report);
    side_by_side(&alone, 1, binary, &report);
}

/// Runs one with more to say than a scenario can, in place of what it would do.
pub(crate) fn run_as(
    report: &mut Report,
    scenario: &Scenario,
    run: &dyn Fn(&Context) -> Result<()>,
) {
    let Some((_folder, binary)) = prepare(report, &[scenario]) else {
        return;
    };
    println!("\n==> {}", scenario.name);
    let (outcome, took, told) = one(scenario, run, &binary);
    println!("{told}");
    report.add(scenario.name, outcome, took);
}

/// The binary in a folder, and the programs and limits that the scenarios need.
fn prepare(report: &mut Report, chosen: &[&Scenario]) -> Option<(TempDir, PathBuf)> {
    let mut built = None;
    report.step("release build", || {
        built = Some(build()?);
        Ok(())
    });
    let built = built?;
    equip(report, chosen);
    Some(built)
}

/// Makes ready what the scenarios run in.
fn equip(report: &mut Report, chosen: &[&Scenario]) {
    report.step("tools for the end-to-end tests", || {
        tools::install(chosen.iter().flat_map(|scenario| scenario.tools))
    });
    limits::raise_open_files();
    netns::sweep();
}

/// Builds the binary and copies it to a folder of its own: another build may
/// replace it while the scenarios run.
fn build() -> Result<(TempDir, PathBuf)> {
    run_command(
        &mut cargo(&["build", "--locked", "--release", "-p", "tcp-echo-metrics"]),
        LONG,
    )?;
    let built = target_dir().join("release/tcp-echo-metrics");
    let folder = TempDir::with_prefix("tcp-echo-e2e-")?;
    let binary = folder.path().join("tcp-echo-metrics");
    fs::copy(&built, &binary).with_context(|| built.display().to_string())?;
    Ok((folder, binary))
}

fn side_by_side(
    scenarios: &[&Scenario],
    threads: usize,
    binary: &Path,
    report: &Mutex<&mut Report>,
) {
    let queue = Mutex::new(scenarios.iter());
    thread::scope(|scope| {
        for _ in 0..threads.min(scenarios.len()) {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().ok().and_then(|mut queue| queue.next());
                    let Some(scenario) = next else { return };
                    let (outcome, took, told) = one(scenario, &scenario.run, binary);
                    if let Ok(mut report) = report.lock() {
                        println!("{told}");
                        report.add(&format!("e2e: {}", scenario.name), outcome, took);
                    }
                }
            });
        }
    });
}

/// Runs one, whatever it does, and gives what there is to tell besides.
fn one(
    scenario: &Scenario,
    run: &dyn Fn(&Context) -> Result<()>,
    binary: &Path,
) -> (Outcome, Duration, String) {
    let start = Instant::now();
    if let Err(why) = tools::usable(scenario.tools, scenario.root) {
        return (Outcome::Skipped(why), start.elapsed(), String::new());
    }
    let context = match Context::new(binary) {
        Ok(context) => context,
        Err(error) => return (Err(error).into(), start.elapsed(), String::new()),
    };
    let run = panic::AssertUnwindSafe(|| run(&context));
    let result = panic::catch_unwind(run)
        .unwrap_or_else(|panic| Err(anyhow!("panicked: {}", panic_text(&*panic))));
    let mut told = context.notes();
    if let Err(error) = &result {
        told = format!("{told}{}    {}: {error:#}\n", context.logs(), scenario.name);
    }
    (result.into(), start.elapsed(), told)
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no text")
        .to_owned()
}

//! Parts of the program alone, by criterion.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::program::number;
use super::results::Group;
use testkit::shell::{LONG, cargo, run, target_dir};
use testkit::skip::skip;

const ARGUMENTS: &[&str] = &[
    "bench",
    "--locked",
    "-p",
    "tcp-echo-benches",
    // By name: the package's binaries have a harness that refuses criterion's arguments.
    "--bench=codec",
    "--bench=loss_window",
    "--bench=session",
    "--bench=metrics",
    "--",
    "--noplot",
    "--warm-up-time=0.3",
    "--measurement-time=0.7",
    "--sample-size=20",
];

/// What a part may take at most, in nanoseconds.
const MAX_NS: &[(&str, f64)] = &[
    ("codec/encode", 2.0),
    ("codec/decode", 2.0),
    ("loss window/100", 5.0),
    ("loss window/100000", 5.0),
];

pub(super) fn all(quick: bool) -> Result<Group> {
    if quick {
        return skip("criterion needs its time; that the benches run is a check of its own");
    }
    let start = SystemTime::now();
    run(&mut cargo(ARGUMENTS), LONG)?;
    let mut found = Vec::new();
    estimates(&target_dir().join("criterion"), start, &mut found)?;
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    let mut group = Group {
        title: "Parts alone",
        text: "Medians by criterion, of one call.",
        command: format!("cargo {}", ARGUMENTS.join(" ")),
        ..Group::default()
    };
    for (name, ns) in found {
        match MAX_NS.iter().find(|(of, _)| *of == name) {
            Some((_, max)) => group.at_most(name, ns, "ns", *max),
            None if ns >= 1e5 => group.add(name, ns / 1e6, "ms"),
            None => group.add(name, ns, "ns"),
        }
    }
    Ok(group)
}

/// The medians that were written since `start`, in nanoseconds, with the names of their benches.
fn estimates(folder: &Path, start: SystemTime, found: &mut Vec<(String, f64)>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if !path.is_dir() {
            continue;
        }
        let file = path.join("estimates.json");
        if path.ends_with("new") && file.exists() {
            if fs::metadata(&file)?.modified()? >= start {
                let name = read(&path.join("benchmark.json"))?;
                let name = name["full_id"].as_str().context("no full_id")?.to_owned();
                found.push((name, number(&read(&file)?, "/median/point_estimate")?));
            }
        } else {
            estimates(&path, start, found)?;
        }
    }
    Ok(())
}

fn read(file: &PathBuf) -> Result<Value> {
    Ok(serde_json::from_str(&fs::read_to_string(file)?)?)
}

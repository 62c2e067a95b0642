//! `cargo xtask dashboards`: what Grafana and Prometheus are given.
//!
//! The dashboards are generated, so that both name, colour and explain things
//! alike; the rules are written by hand. The end-to-end scenario "dashboards" runs
//! every query of all of them against a real Prometheus.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::report::Report;
use crate::shell::root;

mod board;
mod expr;
mod names;
mod overview;
mod panel;
pub(crate) mod rules;
mod target;
mod validate;

use testkit::queries;

use target::UIDS;

/// Writes the dashboards, or with `--check` runs all checks on what is there.
pub(crate) fn run(arguments: &[&str]) -> ExitCode {
    let mut report = Report::new();
    match arguments {
        [] => report.step("write the dashboards", write),
        ["--check"] => {
            report.step("dashboards", check);
            report.step("rules", rules::check);
        }
        _ => report.step("dashboards", || {
            anyhow::bail!("usage: cargo xtask dashboards [--check]")
        }),
    }
    report.finish()
}

/// All dashboards, each with its file.
pub(crate) fn boards() -> Vec<(PathBuf, Value)> {
    [overview::board(), target::board()]
        .map(|board| {
            let file = format!("dashboards/grafana/{}.json", board.uid);
            (root().join(file), board.json())
        })
        .into()
}

fn write() -> Result<()> {
    for (file, board) in boards() {
        let text = serde_json::to_string_pretty(&board)? + "\n";
        fs::create_dir_all(file.parent().context("a file without a folder")?)?;
        fs::write(&file, text).with_context(|| file.display().to_string())?;
        println!("    wrote {}", file.display());
    }
    Ok(())
}

/// The files are what would be written now and hold what Grafana needs, and the
/// program has every metric that they, the rules and the documentation name.
pub(crate) fn check() -> Result<()> {
    for (file, board) in boards() {
        let name = file.display().to_string();
        let text = fs::read_to_string(&file).with_context(|| name.clone())?;
        // Not the texts: the order of keys is the JSON library's matter.
        let found: Value = serde_json::from_str(&text).with_context(|| name.clone())?;
        ensure!(
            found == board,
            "{name} is not what `cargo xtask dashboards` writes"
        );
        validate::board(&found, &UIDS).with_context(|| name.clone())?;
    }
    names::check()
}

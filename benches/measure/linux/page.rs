//! What was measured, as a page, as JSON and as pictures.

use std::fmt::Write as _;
use std::fs;

use anyhow::Result;

use super::plot::draw;
use super::results::{Group, Results};
use testkit::shell::root;

const INTRODUCTION: &str = "\
# Benchmarks

Written by `cargo xtask bench`, which measures everything here in one run of some minutes; the
figures are also in [results.json](results.json). Edit neither: run it again.

Compare ratios, not figures: on a shared machine a median can double from one minute to the next,
and both sides of a ratio were measured in turn in short turns. The load average stands beside
every table, since a busy machine shows in lateness and round-trip times first. What the figures
mean for round-trip times is in [latency](../latency.md), and for many targets in
[scaling](../scaling.md).
";

pub(super) fn write(results: &Results) -> Result<()> {
    let folder = root().join("docs/benchmarks");
    fs::create_dir_all(&folder)?;
    let json = serde_json::to_string_pretty(&results.json())?;
    fs::write(folder.join("results.json"), json + "\n")?;
    for picture in &results.pictures {
        fs::write(folder.join(picture.file), draw(&picture.plot))?;
    }
    fs::write(folder.join("README.md"), page(results)?)?;
    println!("    in {}", folder.display());
    Ok(())
}

fn page(results: &Results) -> Result<String> {
    let mut page = INTRODUCTION.to_owned();
    writeln!(page, "\nMachine: {}.", results.machine)?;
    let missed: Vec<_> = results.missed().collect();
    if missed.is_empty() {
        writeln!(page, "\nEvery target was met.")?;
    } else {
        writeln!(page, "\nMissed in this run: {}.", missed.join("; "))?;
    }
    for group in &results.groups {
        table(&mut page, group)?;
    }
    writeln!(page)?;
    for picture in &results.pictures {
        writeln!(page, "![{}]({})", picture.plot.title, picture.file)?;
    }
    Ok(page)
}

fn table(page: &mut String, group: &Group) -> std::fmt::Result {
    let Group {
        title,
        text,
        command,
        load,
        rows,
    } = group;
    writeln!(
        page,
        "\n## {title}\n\n{text}\n\n`{command}`, load average {load}.\n"
    )?;
    writeln!(page, "| what | measured | target | |\n|---|---:|---:|---|")?;
    for row in rows {
        let target = row.bound.map(|bound| bound.to_string()).unwrap_or_default();
        let verdict = match row.met() {
            Some(true) => "met",
            Some(false) => "**missed**",
            None => "",
        };
        let (what, shown) = (&row.what, row.shown());
        writeln!(page, "| {what} | {shown} | {target} | {verdict} |")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Group, table};

    #[test]
    fn a_table_says_what_was_missed() {
        let mut group = Group::default();
        group.at_most("ratio", 1.6, "", 1.5);
        group.add("RTT", 40.0, "µs");
        let mut page = String::new();
        table(&mut page, &group).unwrap();
        assert!(
            page.contains("| ratio | 1.600 | ≤ 1.5 | **missed** |\n"),
            "{page}"
        );
        assert!(page.contains("| RTT | 40.00 µs |  |  |\n"), "{page}");
    }
}

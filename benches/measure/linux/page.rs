//! What was measured, as a page, as JSON and as pictures.

use std::fmt::Write as _;
use std::fs;

use anyhow::Result;

use super::curve::Point;
use super::plot::{Line, draw};
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
    for (file, title, lines) in pictures(&results.curve) {
        fs::write(folder.join(file), draw(title, &lines))?;
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
    for (file, title, _) in pictures(&results.curve) {
        writeln!(page, "![{title}]({file})")?;
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

type Picture = (&'static str, &'static str, Vec<Line>);

fn pictures(curve: &[Point]) -> Vec<Picture> {
    let line = |name, value: fn(&Point) -> f64| Line {
        name,
        points: curve
            .iter()
            .map(|point| (f64::from(point.targets), value(point)))
            .collect(),
    };
    if curve.is_empty() {
        return Vec::new();
    }
    vec![
        (
            "cpu.svg",
            "CPU a probe, in µs",
            vec![
                line("client", |point| point.cpu_us_per_probe),
                line("server", |point| point.server_cpu_us_per_probe),
            ],
        ),
        (
            "memory.svg",
            "Resident memory, in MB",
            vec![
                line("client", |point| point.resident_bytes / 1e6),
                line("server", |point| point.server_resident_bytes / 1e6),
            ],
        ),
        (
            "scrape.svg",
            "A scrape",
            vec![
                line("time in ms", |point| point.scrape_ms),
                line("size in kB", |point| point.scrape_bytes / 1e3),
            ],
        ),
    ]
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

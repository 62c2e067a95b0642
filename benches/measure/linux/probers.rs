//! The prober against the bare blocking one.

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::program::{json, number};
use super::results::Group;

pub(super) fn compare(quick: bool) -> Result<Group> {
    let arguments: &[&str] = if quick {
        &[
            "--json",
            "--rounds",
            "1",
            "--duration",
            "0.3",
            "--targets",
            "1",
        ]
    } else {
        &["--json"]
    };
    let (command, said) = json("compare-probers", arguments)?;
    let mut group = Group {
        title: "The prober",
        text: "The floor is a blocking socket that sleeps until its slot, writes and reads. \
               Ratios are to it, medians of those of neighbouring turns. Under busy loops it runs \
               at real-time priority beside the prober, and sees the truth.",
        command,
        ..Group::default()
    };
    for at in said["intervals"].as_array().context("no intervals")? {
        interval(&mut group, at)?;
    }
    if let Some(loaded) = said.get("loaded").filter(|loaded| !loaded.is_null()) {
        let figure = |name: &str| number(loaded, name);
        let ratio = figure("/rtt_p50_ratio")?;
        group.at_most("six busy loops: RTT p50 against the truth", ratio, "", 1.25);
        group.add(
            "six busy loops: RTT p50",
            figure("/prober/rtt_p50_us")?,
            "µs",
        );
        group.add(
            "six busy loops: RTT p50, the truth",
            figure("/floor/rtt_p50_us")?,
            "µs",
        );
        group.add(
            "six busy loops: lateness p99",
            figure("/prober/lateness_p99_us")?,
            "µs",
        );
        let delay = number(loaded, "/prober/host_delay_p50_us");
        if let Ok(delay) = delay {
            group.add("six busy loops: host delay p50", delay, "µs");
        }
    }
    for calls in said["system_calls"].as_array().into_iter().flatten() {
        let per_probe = calls["per_probe"].as_object().context("no calls")?;
        for (name, count) in per_probe {
            let what = format!("{} targets: {name} a probe", calls["targets"]);
            group.add(what, count.as_f64().unwrap_or(f64::NAN), "");
        }
    }
    Ok(group)
}

fn interval(group: &mut Group, at: &Value) -> Result<()> {
    let figure = |name: &str| number(at, name);
    let interval_us = figure("/interval_us")?;
    let every = if interval_us < 1000.0 {
        format!("every {interval_us} µs")
    } else {
        format!("every {} ms", interval_us / 1000.0)
    };
    // What is asked for at which interval.
    let (cpu, sent) = match interval_us {
        us if us >= 10_000.0 => (Some(1.5), 0.999),
        us if us >= 1000.0 => (None, 0.999),
        _ => (None, 0.98),
    };
    let ratio = figure("/cpu_ratio")?;
    match cpu {
        Some(max) => group.at_most(format!("{every}: CPU a probe, ratio"), ratio, "", max),
        None => group.add(format!("{every}: CPU a probe, ratio"), ratio, ""),
    }
    group.add(
        format!("{every}: CPU a probe"),
        figure("/prober/cpu_us_per_probe")?,
        "µs",
    );
    group.add(
        format!("{every}: CPU a probe, floor"),
        figure("/floor/cpu_us_per_probe")?,
        "µs",
    );
    let ratio = figure("/rtt_p50_ratio")?;
    group.at_most(
        format!("{every}: RTT p50 as reported, ratio"),
        ratio,
        "",
        1.0,
    );
    group.add(
        format!("{every}: RTT p50 as reported"),
        figure("/prober/rtt_p50_us")?,
        "µs",
    );
    group.add(
        format!("{every}: RTT p50, floor"),
        figure("/floor/rtt_p50_us")?,
        "µs",
    );
    let share = figure("/prober/share_sent")?;
    group.at_least(format!("{every}: share of slots sent"), share, "", sent);
    group.add(
        format!("{every}: share of slots sent, floor"),
        figure("/floor/share_sent")?,
        "",
    );
    let late = figure("/prober/lateness_p99_us")?;
    group.at_most(format!("{every}: lateness p99"), late, "µs", 250.0);
    group.add(
        format!("{every}: lateness p99, floor"),
        figure("/floor/lateness_p99_us")?,
        "µs",
    );
    group.add(
        format!("{every}: share stamped by the kernel"),
        figure("/prober/share_stamped")?,
        "",
    );
    if let Ok(delay) = figure("/prober/host_delay_p50_us") {
        group.add(format!("{every}: host delay p50"), delay, "µs");
    }
    Ok(())
}

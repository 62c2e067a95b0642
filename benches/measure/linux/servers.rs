//! The echo server against the bare epoll loop.

use anyhow::Result;

use super::program::{json, number};
use super::results::Group;

pub(super) fn compare(quick: bool) -> Result<Group> {
    let arguments: &[&str] = if quick {
        &[
            "--json",
            "--rounds",
            "3",
            "--duration",
            "0.02",
            "--hold",
            "100",
        ]
    } else {
        &["--json"]
    };
    let (command, said) = json("compare-servers", arguments)?;
    let mut group = Group {
        title: "The echo server",
        text: "Ratios are to a bare epoll loop on the same processor, medians of those of \
               neighbouring turns.",
        command,
        ..Group::default()
    };
    for (at, what) in [
        ("rate", "64 connections"),
        ("rate_of_many", "1,000 connections"),
        ("rtt", "1 connection"),
        ("rtt_same_cpu", "1 connection, load on the same processor"),
    ] {
        let figure = |name: &str| number(&said, &format!("/1/{at}/{name}"));
        group.add(format!("{what}: echoes"), figure("per_second")?, "/s");
        group.add(
            format!("{what}: rate, ratio"),
            figure("per_second_ratio")?,
            "",
        );
        group.add(format!("{what}: RTT p50"), figure("rtt_p50_us")?, "µs");
        group.add(
            format!("{what}: RTT p50, ratio"),
            figure("rtt_p50_ratio")?,
            "",
        );
        group.add(
            format!("{what}: CPU an echo"),
            figure("cpu_us_per_echo")?,
            "µs",
        );
        group.add(format!("{what}: CPU, ratio"), figure("cpu_ratio")?, "");
    }
    for (at, what) in [
        ("rate", "64 connections, stamped"),
        ("rate_of_many", "1,000 connections, stamped"),
        (
            "rtt_same_cpu",
            "1 connection, load on the same processor, stamped",
        ),
    ] {
        let figure = |name: &str| number(&said, &format!("/2/{at}/{name}"));
        for (name, of) in [
            ("per_second_ratio", "rate"),
            ("rtt_p50_ratio", "RTT p50"),
            ("cpu_ratio", "CPU"),
        ] {
            group.add(format!("{what}: {of}, ratio"), figure(name)?, "");
        }
    }
    let bytes = number(&said, "/1/memory/bytes_per_connection")?;
    group.add("memory a connection", bytes, "bytes");
    Ok(group)
}

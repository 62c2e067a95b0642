//! Target lists: errors, file patterns, link-local addresses.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;
use testkit::context::Context;
use testkit::echo::{Echo, EchoServer, run_to_exit};
use testkit::exposition::Scrape;
use testkit::netns::{LINK, Pair};
use testkit::{files, wait};

use crate::runner::{PLAIN, Scenario};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "errors in targets",
        run: errors,
        ..PLAIN
    },
    Scenario {
        name: "targets files added and removed",
        run: patterns,
        ..PLAIN
    },
    Scenario {
        name: "link-local targets",
        tools: &[("ip", "iproute2")],
        root: true,
        run: link_local,
        ..PLAIN
    },
];

const LIMIT: Duration = Duration::from_secs(20);

/// Targets files, and the expected error.
const FILES: &[(&str, &str)] = &[
    (
        "- targets:\n  - a:4000\n  - 'b:4000 '\n",
        "line 3, column 5 (entry 1, target 2): \"b:4000 \": there is white space in it: remove that",
    ),
    (
        "- targets: [a:4000, b:70000]\n",
        "line 1, column 21 (entry 1, target 2): \"b:70000\": a target's port must be from 1 to 65535",
    ),
    (
        "- targets: [a:0]\n",
        "line 1, column 13 (entry 1, target 1): \"a:0\": a target's port must be from 1 to 65535",
    ),
    (
        "- targets: [a:4000]\n---\n- targets: [b:4000]\n",
        "a second list begins here: a file has one, with all entries",
    ),
    (
        "- targets: [a:4000]\n- targets: [b:4000, a:4000]\n",
        "line 2, column 21 (entry 2, target 2): there is a target \"a:4000\" already, ",
    ),
    (
        "- targets: ['a b:4000']\n",
        "line 1, column 13 (entry 1, target 1): \"a b:4000\": there is white space in it",
    ),
    (
        "- targets: [a;b:4000]\n",
        "no host name has ';': it has letters, digits, '-', '_' and '.'",
    ),
    (
        "- targets: ['[fe80::1]:4000']\n",
        "a link-local address needs the interface that it is on, as in [fe80::1%eth0]:4000",
    ),
];

/// Flags, and the expected error.
const FLAGS: &[(&str, &str)] = &[
    (
        "-target=a:70000",
        "invalid value \"a:70000\" for -target: a target's port must be from 1 to 65535",
    ),
    (
        "-target=a:4000 ",
        "invalid value \"a:4000 \" for -target: there is white space in it: remove that",
    ),
    (
        "-target=a;b:4000",
        "invalid value \"a;b:4000\" for -target: no host name has ';'",
    ),
    (
        "-target=[fe80::1]:4000",
        "for -target: a link-local address needs the interface that it is on",
    ),
    (
        "-targets=/etc/*/a.json",
        "for -targets: '*' and '?' go in the last part of the path alone",
    ),
];

/// Runs a client with `flag` until it exits; returns its exit code and output.
fn run_client(context: &Context, flag: &str) -> Result<(Option<i32>, String)> {
    let flags = ["-mode=client", "-metrics=127.0.0.1:0", flag];
    run_to_exit(context, &flags, LIMIT)
}

fn errors(context: &Context) -> Result<()> {
    for (text, expected) in FILES {
        let file = context.file("targets.yml", text)?;
        let (code, output) = run_client(context, &format!("-targets={}", file.display()))?;
        ensure!(code == Some(1), "{text:?}: status {code:?}: {output}");
        let line = output.lines().find(|line| line.contains(expected));
        let line = line.with_context(|| format!("{text:?}: not {expected:?}: {output}"))?;
        ensure!(line.contains("targets.yml: "), "{line}");
    }
    let labels: Vec<_> = (0..100_001).map(|n| format!("l{n}: x")).collect();
    let labels = labels.join(", ");
    let text = format!("- targets: [a:4000]\n  labels: {{{labels}}}\n");
    let file = context.file("targets.yml", &text)?;
    let (code, output) = run_client(context, &format!("-targets={}", file.display()))?;
    let expected = "(entry 1): it has 100001 labels: a target may have 64";
    ensure!(
        code == Some(1) && output.contains(expected),
        "{code:?}: {output}"
    );
    for (flag, expected) in FLAGS {
        let (code, output) = run_client(context, flag)?;
        ensure!(
            code == Some(2) && output.contains(expected),
            "{flag}: status {code:?}: {output}"
        );
    }
    Ok(())
}

fn targets(scrape: &Scrape) -> Vec<(String, String)> {
    let label = |labels: &std::collections::BTreeMap<String, String>, name: &str| {
        labels.get(name).cloned().unwrap_or_default()
    };
    let series = scrape.matching("tcp_echo_sent_total", &[]);
    let mut all: Vec<_> = series
        .map(|(labels, _)| (label(labels, "target"), label(labels, "team")))
        .collect();
    all.sort();
    all
}

fn patterns(context: &Context) -> Result<()> {
    let server = EchoServer::start(context, &[])?;
    let address = server.address;
    let folder = context.folder().join("lists");
    let echo = Echo::start(
        context,
        &[
            "-mode=client",
            &format!("-targets={}/*.json", folder.display()),
            "-interval=10ms",
        ],
    )?;
    let until = |what: &str, expected: &[(&str, &str)]| {
        let expected: Vec<_> = expected
            .iter()
            .map(|(name, team)| ((*name).to_owned(), (*team).to_owned()))
            .collect();
        echo.until(what, LIMIT, |scrape| targets(scrape) == expected)
            .with_context(|| format!("{:?}", echo.scrape().map(|scrape| targets(&scrape))))
    };
    ensure!(
        targets(&echo.scrape()?).is_empty(),
        "targets without a file"
    );
    fs::create_dir(&folder)?;
    let list = |name: &str| format!(r#"[{{"name": "{name}", "address": "{address}"}}]"#);
    files::replace(&folder.join("a.json"), &list("a"))?;
    // The same address twice, distinguished by a label.
    let teams = format!(
        r#"[{{"targets": ["{address}"], "labels": {{"team": "x"}}}},
            {{"targets": ["{address}"], "labels": {{"team": "y"}}}}]"#
    );
    files::replace(&folder.join("b.json"), &teams)?;
    let written = address.to_string();
    until(
        "three targets",
        &[(&written, "x"), (&written, "y"), ("a", "")],
    )?;
    files::replace(&folder.join("broken.json"), "[{]")?;
    wait::until("the error in the log", LIMIT, || {
        echo.process
            .log()
            .contains("broken.json: line 1")
            .then_some(())
    })?;
    let failed = [("tcp_echo_config_last_reload_successful", 0.0)];
    for (name, value) in failed {
        echo.until("the failed reload in the metrics", LIMIT, |scrape| {
            scrape.sum(name, &[]) == value
        })?;
    }
    files::replace(&folder.join("a.json"), &list("c"))?;
    until(
        "a change in another file",
        &[(&written, "x"), (&written, "y"), ("c", "")],
    )?;
    fs::remove_file(folder.join("b.json"))?;
    let (scrape, _) = until("no targets of the removed file", &[("c", "")])?;
    ensure!(
        scrape.sum("tcp_echo_connects_total", &[]) >= 1.0,
        "no connection"
    );
    fs::remove_dir_all(&folder)?;
    until("no targets", &[])?;
    echo.end_by(Signal::TERM)?;
    Ok(())
}

/// Probes a link-local address.
fn link_local(context: &Context) -> Result<()> {
    let pair = Pair::new()?;
    for (end, address) in [(&pair.client, "fe80::c"), (&pair.server, "fe80::5")] {
        let address = format!("{address}/64");
        end.ip(&["-6", "address", "add", &address, "dev", LINK, "nodad"])?;
    }
    let listen = format!("-listen=[fe80::5%{LINK}]:4000");
    let _server = Echo::start_in(context, &pair.server.inside(), &["-mode=server", &listen])?;
    let echo = Echo::start_in(
        context,
        &pair.client.inside(),
        &[
            "-mode=client",
            &format!("-target=there=[fe80::5%{LINK}]:4000"),
            "-target=nowhere=[fe80::5%none0]:4000",
            "-interval=10ms",
        ],
    )?;
    let nowhere = [("target", "nowhere"), ("reason", "unreachable")];
    echo.until(
        "replies, and failures without an interface",
        LIMIT,
        |scrape| {
            scrape.sum("tcp_echo_received_total", &[("target", "there")]) >= 10.0
                && scrape.sum("tcp_echo_connect_failures_total", &nowhere) >= 1.0
        },
    )?;
    let output = echo.process.log();
    ensure!(
        output.contains("there is no network interface \\\"none0\\\""),
        "{output}"
    );
    // The interface appears later.
    pair.client.ip(&["link", "set", LINK, "down"])?;
    pair.client.ip(&["link", "set", LINK, "name", "none0"])?;
    pair.client.ip(&["link", "set", "none0", "up"])?;
    let address = [
        "-6",
        "address",
        "replace",
        "fe80::c/64",
        "dev",
        "none0",
        "nodad",
    ];
    pair.client.ip(&address)?;
    echo.until("replies over the new interface", LIMIT, |scrape| {
        scrape.sum("tcp_echo_received_total", &[("target", "nowhere")]) >= 10.0
    })?;
    echo.end_by(Signal::TERM)?;
    Ok(())
}

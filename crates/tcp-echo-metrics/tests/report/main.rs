//! Reports as a user or a script gets them.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper of tests fails as a test does"
)]

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

#[cfg(target_os = "linux")]
mod directions;
mod hosts;
#[cfg(target_os = "linux")]
mod paused;
mod peers;
mod unprobed;

use peers::{Behavior, Nobody, Peer};

/// No run of these tests takes as long as this.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The binary in mode client.
fn client(args: &[&str]) -> Command {
    binary(&[&["-mode", "client"][..], args].concat())
}

/// The binary, without whatever the environment of the tests may say.
fn binary(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tcp-echo-metrics"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("TCP_ECHO_") {
            command.env_remove(name);
        }
    }
    command
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// A run, killed where it does not end.
fn finish(child: Child) -> Output {
    let id = Pid::from_child(&child);
    let (ended, end) = std::sync::mpsc::channel::<()>();
    let guard = thread::spawn(move || {
        if end.recv_timeout(TIMEOUT) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            let _ = kill_process(id, Signal::KILL);
        }
    });
    let output = child.wait_with_output().unwrap();
    drop(ended);
    guard.join().unwrap();
    output
}

fn run(args: &[&str]) -> Output {
    finish(client(args).spawn().unwrap())
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

/// The report of a run with `-output json`, which fits its schema.
fn report(output: &Output) -> Value {
    let text = stdout(output);
    assert_eq!(text.matches('\n').count(), 1, "one line: {text}");
    let report: Value = serde_json::from_str(text).unwrap_or_else(|error| {
        panic!("{error}: {text:?}, {}", stderr(output));
    });
    let schema = include_str!("../../../../docs/report.schema.json");
    let schema: Value = serde_json::from_str(schema).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<_> = schema
        .iter_errors(&report)
        .map(|error| error.to_string())
        .collect();
    assert!(errors.is_empty(), "{errors:?}");
    report
}

/// The report of the target of that name.
fn target<'a>(report: &'a Value, name: &str) -> &'a Value {
    let targets = report["targets"].as_array().unwrap();
    targets
        .iter()
        .find(|target| target["name"] == name)
        .unwrap()
}

fn count(target: &Value, name: &str) -> u64 {
    target[name]
        .as_u64()
        .unwrap_or_else(|| panic!("{name} in {target}"))
}

/// The slots of which lines tell. A busy host may miss several at once.
fn slots(output: &Output) -> u64 {
    let slots = |line: &str| {
        if line.contains(" rtt=") || line.ends_with(" timeout") {
            return 1;
        }
        let unsent = line.split_once(" unsent: ").map(|(_, reason)| reason);
        let slots = unsent.and_then(|reason| reason.split_once(", "));
        let slots = slots.map(|(_, slots)| slots.trim_end_matches(" slots").parse().unwrap());
        slots.unwrap_or(u64::from(unsent.is_some()))
    };
    stdout(output).lines().map(slots).sum()
}

/// Every target has exactly so many slots, and each slot one outcome.
fn assert_slots(report: &Value, slots: u64) {
    for target in report["targets"].as_array().unwrap() {
        let count = |name| count(target, name);
        assert_eq!(count("slots"), slots, "{target}");
        assert_eq!(count("sent") + count("unsent"), slots, "{target}");
        assert_eq!(
            count("received") + count("timeouts"),
            count("sent"),
            "{target}"
        );
        assert_eq!(
            count("lost"),
            count("timeouts") + count("unsent"),
            "{target}"
        );
        assert_eq!(count("in_flight"), 0, "{target}");
        let loss = 100.0 * count("lost") as f64 / slots as f64;
        assert!((target["loss_percent"].as_f64().unwrap() - loss).abs() < 1e-9);
        let buckets = target["rtt_histogram"].as_array().unwrap().iter();
        let counted: u64 = buckets
            .map(|bucket| bucket["count"].as_u64().unwrap())
            .sum();
        assert_eq!(counted, count("received"), "{target}");
    }
}

/// The hello is a frame besides the probes, and no count includes it.
#[test]
fn a_hello_goes_ahead_unless_it_is_off() {
    let peer = Peer::new(Behavior::Echo);
    let address = peer.address.to_string();
    // The first probe is the last one: no other comes while the report is made.
    let args = ["-count=1", "-interval=1s", "-output=json", "-target"];
    for (hello, frames) in [("auto", 2), ("off", 1)] {
        let output = run(&[&args[..], &[&address, "-hello", hello]].concat());
        assert!(output.status.success(), "{}", stderr(&output));
        assert_slots(&report(&output), 1);
        assert_eq!(peer.frames(), frames, "-hello {hello}");
    }
}

#[test]
fn a_count_is_exact_whatever_the_targets_do() {
    let (echo, silent) = (Peer::new(Behavior::Echo), Peer::new(Behavior::Silent));
    let (late, nobody) = (
        Peer::new(Behavior::After(Duration::from_millis(300))),
        Nobody::new(),
    );
    let twice = Peer::new(Behavior::Twice);
    let targets = [
        format!("echo={}", echo.address),
        format!("silent={}", silent.address),
        format!("late={}", late.address),
        format!("nobody={}", nobody.address()),
        format!("twice={}", twice.address),
    ];
    let mut args = vec![
        "-interval",
        "5ms",
        "-timeout",
        "250ms",
        "-count",
        "50",
        "-output",
        "json",
        "-stall",
        "10s",
    ];
    args.extend(
        targets
            .iter()
            .flat_map(|target| ["-target", target.as_str()]),
    );
    let output = run(&args);
    // Some of them never reply.
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let report = report(&output);
    assert_eq!(report["ended_by"], "count");
    assert_eq!(report["within_max_loss"], false);
    assert_eq!(report["nothing_probed"], Value::Null);
    assert_eq!(report["targets"].as_array().unwrap().len(), 5);
    assert_slots(&report, 50);

    // A busy host may miss slots, but sends none of them twice.
    let echo = target(&report, "echo");
    assert!(count(echo, "received") > 0);
    assert_eq!((count(echo, "late"), count(echo, "connects")), (0, 1));
    let rtts: Vec<_> = ["min", "p50", "p90", "p99", "p99_9", "max"]
        .iter()
        .map(|name| echo["rtt_seconds"][name].as_f64().unwrap())
        .collect();
    assert!(
        rtts.is_sorted() && rtts[0] > 0.0 && rtts[5] <= 0.25,
        "{rtts:?}"
    );

    let silent = target(&report, "silent");
    assert!(count(silent, "timeouts") > 0 && count(silent, "received") == 0);
    assert_eq!(silent["rtt_seconds"], Value::Null);
    assert_eq!(silent["within_max_loss"], false);
    assert_eq!(echo["within_max_loss"], true);
    assert_eq!(silent["loss_percent"], 100.0);

    let late = target(&report, "late");
    assert!(count(late, "late") > 0 && count(late, "late") <= count(late, "timeouts"));
    assert_eq!(count(late, "received"), 0);

    let nobody = target(&report, "nobody");
    assert_eq!((count(nobody, "sent"), count(nobody, "connects")), (0, 0));
    assert_eq!(nobody["unsent_by_reason"]["disconnected"], 50);
    assert!(nobody["connect_failures_by_reason"]["refused"].as_u64() > Some(0));
    assert_eq!(nobody["loss_percent"], 100.0);

    let twice = target(&report, "twice");
    assert!(count(twice, "unexpected") > 0);
}

#[test]
fn every_property_is_in_the_schema_and_in_the_documentation() {
    let peer = Peer::new(Behavior::Echo);
    let address = peer.address.to_string();
    let report = report(&run(&[
        "-target", &address, "-count", "1", "-output", "json",
    ]));
    let schema = include_str!("../../../../docs/report.schema.json");
    let schema: Value = serde_json::from_str(schema).unwrap();
    let manual = include_str!("../../../../docs/report.md");
    let target = &report["targets"][0];
    for (object, schema) in [(&report, &schema), (target, &schema["$defs"]["target"])] {
        for name in object.as_object().unwrap().keys() {
            assert!(
                schema["properties"][name].is_object(),
                "{name} in the schema"
            );
            assert!(
                manual.contains(&format!("`{name}`")),
                "{name} in the manual"
            );
        }
    }
}

#[test]
fn the_exit_status_is_that_of_the_worst_target() {
    let (echo, nobody) = (Peer::new(Behavior::Echo), Nobody::new());
    let (echo, nobody) = (echo.address.to_string(), nobody.address().to_string());
    let few = ["-count", "2", "-interval", "100ms", "-timeout", "20s"];
    let status = |args: &[&str]| run(&[&few[..], args].concat()).status.code();
    assert_eq!(status(&["-target", &echo, "-max-loss", "99"]), Some(0));
    assert_eq!(status(&["-target", &echo]), Some(0));
    // A target without one reply is beyond any limit.
    assert_eq!(status(&["-target", &nobody]), Some(1));
    assert_eq!(status(&["-target", &echo, "-target", &nobody]), Some(1));
    let worst = ["-target", &echo, "-target", &nobody, "-max-loss", "99"];
    assert_eq!(status(&worst), Some(1));
    let never = ["-target", &nobody, "-max-loss", "99.9", "-output", "json"];
    assert_eq!(status(&never), Some(1));
    assert_eq!(status(&["-target", &echo, "-max-loss", "101"]), Some(2));
}

#[test]
fn a_duration_ends_the_run_and_what_is_in_flight_is_awaited() {
    let peer = Peer::new(Behavior::After(Duration::from_millis(300)));
    let address = peer.address.to_string();
    let began = Instant::now();
    let output = run(&[
        "-target",
        &address,
        "-duration",
        "400ms",
        "-interval",
        "10ms",
        "-timeout",
        "20s",
        "-output",
        "json",
    ]);
    assert!(began.elapsed() >= Duration::from_millis(400));
    let report = report(&output);
    assert_eq!(report["ended_by"], "duration");
    let slots = count(&report["targets"][0], "slots");
    assert!((1..=41).contains(&slots), "{slots} slots of 10ms in 400ms");
    assert_slots(&report, slots);
    // Thirty of them were in flight when the time was over.
    assert_eq!(count(&report["targets"][0], "timeouts"), 0);
}

#[test]
fn a_signal_ends_the_run_with_the_report_and_its_status() {
    for signal in [Signal::INT, Signal::TERM] {
        let (echo, nobody) = (Peer::new(Behavior::Echo), Nobody::new());
        let (address, dead) = (echo.address.to_string(), nobody.address().to_string());
        let mut command = client(&[
            "-target",
            &address,
            "-target",
            &dead,
            "-interval",
            "10ms",
            "-timeout",
            "20s",
            "-output",
            "json",
            "-max-loss",
            "50",
        ]);
        let child = command.spawn().unwrap();
        // A hello and five probes.
        echo.wait_for(6);
        kill_process(Pid::from_child(&child), signal).unwrap();
        let output = finish(child);
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        let report = report(&output);
        assert_eq!(report["ended_by"], "signal");
        let target = target(&report, &address);
        // The fifth may have come to the peer before it was counted as sent.
        assert!(count(target, "received") >= 4);
        assert_eq!(count(target, "received"), count(target, "sent"));
    }
}

#[test]
fn a_second_signal_ends_the_wait_for_replies() {
    let peer = Peer::new(Behavior::Silent);
    let address = peer.address.to_string();
    let mut command = client(&[
        "-target",
        &address,
        "-interval",
        "10ms",
        "-timeout",
        "1h",
        "-output",
        "json",
    ]);
    let began = Instant::now();
    let child = command.spawn().unwrap();
    peer.wait_for(5);
    let id = Pid::from_child(&child);
    // How soon the first one is seen is not known; the next does no harm.
    let (ended, end) = std::sync::mpsc::channel::<()>();
    let signals = thread::spawn(move || {
        while end
            .recv_timeout(Duration::from_millis(50))
            .is_err_and(|error| error == std::sync::mpsc::RecvTimeoutError::Timeout)
        {
            let _ = kill_process(id, Signal::INT);
        }
    });
    let output = finish(child);
    drop(ended);
    signals.join().unwrap();
    assert!(began.elapsed() < TIMEOUT, "it waits for replies");
    let report = report(&output);
    let target = &report["targets"][0];
    // The fifth may have come to the peer before it was counted as sent.
    assert!(count(target, "in_flight") >= 4);
    assert_eq!(count(target, "in_flight"), count(target, "sent"));
}

#[test]
fn each_probe_has_a_line_where_asked() {
    let peer = Peer::new(Behavior::Echo);
    let address = format!("db={}", peer.address);
    let args = [
        "-target",
        &address,
        "-interval",
        "10ms",
        "-timeout",
        "20s",
        "-count",
        "10",
        "-v",
    ];
    let output = run(&args);
    let lines: Vec<_> = stdout(&output).lines().collect();
    assert_eq!(slots(&output), 10, "{}", stdout(&output));
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with("db connected to 127.0.0.1:"))
    );
    assert!(
        lines.iter().any(|line| line.starts_with("target")),
        "{}",
        stdout(&output)
    );

    // Into JSON they don't go.
    let output = run(&[&args[..], &["-output", "json"]].concat());
    assert_slots(&report(&output), 10);
    assert!(
        stderr(&output).contains("db seq=1 rtt="),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_reader_that_goes_ends_the_run() {
    let peer = Peer::new(Behavior::Echo);
    let address = peer.address.to_string();
    let mut child = client(&["-target", &address, "-interval", "10ms", "-v"])
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains(" rtt=")));
    drop(lines);
    let output = finish(child);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

#[test]
fn names_do_not_act_on_the_terminal() {
    let peer = Peer::new(Behavior::Echo);
    let address = format!("a\u{1b}[2J\u{9b}31m\u{202e}\r\n=={}", peer.address).replace("==", "=");
    for more in [&[][..], &["-v"], &["-output", "json"]] {
        let args = ["-target", &address, "-interval", "10ms", "-count", "3"];
        let output = run(&[&args[..], more].concat());
        let text = stdout(&output);
        let acts = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!text.contains(acts), "{text:?}");
        assert!(
            text.contains(r"\u{1b}[2J") || text.contains(r"\u001b[2J"),
            "{text:?}"
        );
        assert!(!stderr(&output).contains(acts), "{:?}", stderr(&output));
    }
}

#[test]
fn a_table_is_80_columns_wide_and_plain_where_it_is_not_for_a_terminal() {
    let (echo, nobody) = (Peer::new(Behavior::Echo), Nobody::new());
    let targets = [
        format!("a={}", echo.address),
        format!("b={}", nobody.address()),
        format!("{}", echo.address),
    ];
    let mut args = vec!["-interval", "5ms", "-timeout", "20s", "-count", "20"];
    args.extend(
        targets
            .iter()
            .flat_map(|target| ["-target", target.as_str()]),
    );
    let output = run(&args);
    let table = stdout(&output);
    assert!(table.is_ascii(), "{table}");
    for line in table.lines() {
        assert!(line.len() <= 80 && line == line.trim_end(), "{line:?}");
    }
    for word in [
        "sent", "received", "timeouts", "unsent", "late", "unexp.", "lost", "loss", "retr.", "min",
        "mean", "p50", "p90", "p99", "p99.9", "max", "jitter", "host", "#",
    ] {
        assert!(table.contains(word), "{word} in {table}");
    }
    let b: Vec<_> = table
        .lines()
        .find(|line| line.starts_with("b "))
        .unwrap()
        .split_whitespace()
        .collect();
    assert_eq!(b, ["b", "0", "0", "0", "20", "0", "0", "20", "100%", "-"]);
}

#[test]
fn metrics_are_served_in_such_a_run_only_where_asked_for() {
    let peer = Peer::new(Behavior::Echo);
    let address = peer.address.to_string();
    let args = ["-target", &address, "-count", "1", "-log-level", "info"];
    let output = run(&args);
    assert!(
        !stderr(&output).contains("metrics endpoint"),
        "{}",
        stderr(&output)
    );
    let served = run(&[&args[..], &["-metrics", "127.0.0.1:0"]].concat());
    assert!(
        stderr(&served).contains("metrics endpoint listens"),
        "{}",
        stderr(&served)
    );
    // An address that is taken is as fatal as ever.
    let taken = run(&[&args[..], &["-metrics", &address]].concat());
    assert_eq!(taken.status.code(), Some(1));
    assert!(stderr(&taken).contains(&address), "{}", stderr(&taken));
}

#[test]
fn there_is_nothing_to_report_without_a_prober() {
    for (args, words) in [
        (&["-mode", "server", "-count", "1"][..], "-count"),
        (&["-mode", "server", "-output", "json"], "-output"),
        (&["-mode", "server", "-v"], "-verbose"),
        (&["-mode", "server", "-live"], "-live"),
        (&["-svc", "install", "-duration", "1s"], "-duration"),
        (&["-live", "-v"], "-verbose"),
        (&["-live"], "terminal"),
        (&["-count", "0"], "-count"),
        (&["-max-loss", "-1"], "-max-loss"),
        (&["-output", "xml"], "-output"),
    ] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert_eq!(stdout(&output), "");
        assert!(stderr(&output).contains(words), "{}", stderr(&output));
    }
    // On or off, as Go has it.
    let peer = Peer::new(Behavior::Echo);
    let address = peer.address.to_string();
    let quiet = run(&[
        "-target",
        &address,
        "-count",
        "1",
        "-v",
        "-v=false",
        "-live=false",
    ]);
    assert_eq!(quiet.status.code(), Some(0));
    assert!(!stdout(&quiet).contains("seq="), "{}", stdout(&quiet));
}

#[test]
fn the_end_of_a_server_beside_it_is_no_news() {
    // Often, for which of the two ends first was a matter of luck once.
    for _ in 0..10 {
        let address = Nobody::new().address();
        let output = run(&[
            "-mode=both",
            &format!("-listen={address}"),
            &format!("-target={address}"),
            "-interval=1ms",
            "-count=20",
        ]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert_eq!(stderr(&output), "");
    }
}

//! Runs that probe nothing, or hear nothing: they must not look like good ones.

use std::process::Output;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::peers::{Behavior, Nobody, Peer};
use super::{client, count, finish, report, run, stderr, stdout};

const NO_TARGETS: &str = "nothing was probed: there are no targets";
const NOTHING_SENT: &str = "nothing was probed: no probe could be sent";

/// It ends with status 1, says why, and its JSON says neither that all is well.
fn assert_says(output: &Output, why: &str, code: &str, within: &Value) -> Value {
    assert_eq!(output.status.code(), Some(1), "{}", stderr(output));
    let last = stderr(output).lines().last().unwrap_or_default();
    assert_eq!(last, format!("tcp-echo-metrics: {why}"));
    let report = report(output);
    assert_eq!(report["nothing_probed"], code);
    assert_eq!(&report["within_max_loss"], within);
    report
}

#[test]
fn an_empty_list_and_an_empty_shard_are_no_success() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("targets.json");
    std::fs::write(&file, "[]").unwrap();
    let file = format!("-targets={}", file.display());
    let peer = Peer::new(Behavior::Echo);
    let target = format!("-target=db={}", peer.address);
    let few = ["-count=2", "-duration=1s", "-interval=10ms"];
    // One of these two shards has the target.
    let shards = ["0/2", "1/2"]
        .map(|shard| run(&[&few[..], &[&target, "-shard", shard, "-output=json"]].concat()));
    let empty = shards
        .iter()
        .filter(|output| output.status.code() != Some(0));
    let mut runs: Vec<_> = empty.cloned().collect();
    assert_eq!(runs.len(), 1);
    runs.push(run(&[&few[..], &[&file, "-output=json"]].concat()));
    for output in &runs {
        assert_says(output, NO_TARGETS, "no_targets", &Value::Null);
    }
    let table = run(&[&few[..], &[&file]].concat());
    assert_eq!(table.status.code(), Some(1));
    assert_eq!(stdout(&table), format!("{NO_TARGETS}\n"));
}

#[test]
fn targets_that_can_not_be_reached_are_no_success() {
    let nobody = Nobody::new();
    let dead = format!("-target=dead={}", nobody.address());
    let few = ["-count=3", "-interval=10ms", "-output=json"];
    for target in [dead.as_str(), "-target=name=nobody.invalid:4000"] {
        let output = run(&[&few[..], &[target]].concat());
        let report = assert_says(&output, NOTHING_SENT, "nothing_sent", &Value::Bool(false));
        assert_eq!(count(&report["targets"][0], "unsent"), 3);
    }
}

#[test]
fn what_was_not_awaited_is_no_success() {
    let peer = Peer::new(Behavior::Silent);
    let target = format!("-target={}", peer.address);
    let args = ["-interval=50ms", "-timeout=1h", "-output=json", &target];
    let child = client(&args).spawn().unwrap();
    peer.wait_for(1);
    let id = Pid::from_child(&child);
    let (ended, end) = std::sync::mpsc::channel::<()>();
    let signals = std::thread::spawn(move || {
        let pause = std::time::Duration::from_millis(50);
        while end.recv_timeout(pause) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            let _ = kill_process(id, Signal::INT);
        }
    });
    let output = finish(child);
    drop(ended);
    signals.join().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let report = report(&output);
    // A host that is busy may have missed a slot, which is then the only one with an outcome.
    let missed = count(&report["targets"][0], "unsent") > 0;
    let within = if missed {
        Value::Bool(false)
    } else {
        Value::Null
    };
    assert_eq!(report["within_max_loss"], within);
    assert_eq!(report["targets"][0]["within_max_loss"], within);
    assert_eq!(report["nothing_probed"], Value::Null);
}

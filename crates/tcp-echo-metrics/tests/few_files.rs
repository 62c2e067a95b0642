//! A start with fewer files than it takes.
#![cfg(unix)]

use std::time::Duration;

use assert_cmd::Command;

/// Whatever part can't start, the program ends, says why, and does not panic.
#[test]
fn a_program_without_files_ends_and_says_why() {
    // With fewer than nine tokio itself panics over the pipe that it has for signals.
    for files in 9..=20 {
        let binary = assert_cmd::cargo::cargo_bin!("tcp-echo-metrics");
        // Nothing listens there; the run is over after three slots.
        let flags = "-mode=client -target=127.0.0.1:1 -count=3 -interval=10ms";
        let script = format!("ulimit -n {files}; exec \"$0\" {flags} -metrics=127.0.0.1:0");
        let mut command = Command::new("sh");
        command.args(["-c", &script]).arg(binary);
        let output = command.timeout(Duration::from_secs(20)).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{files} files: {text}");
        assert!(
            !text.is_empty() && !text.contains("panicked"),
            "{files}: {text}"
        );
    }
}

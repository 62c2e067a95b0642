//! Standard error and output.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use rustix::process::Signal;
use testkit::http;

use crate::program::{LIMIT, Program, binary, echo, full, wait};

const DROPPED: &str = "tcp_echo_log_lines_dropped_total";
const RECEIVED: &str = "tcp_echo_received_total";

/// Mode both, with an echo target and an empty list of others.
fn both(folder: &tempfile::TempDir, format: &str) -> Command {
    let file = folder.path().join("targets.yml");
    std::fs::write(&file, "[]").unwrap();
    let mut command = binary();
    command
        .args(["-mode=both", "-listen=127.0.0.1:0", "-interval=10ms"])
        .arg(format!("-log-format={format}"))
        .arg(format!("-target=echo={}", echo()))
        .arg(format!("-targets={}", file.display()));
    command
}

/// Has it log long lines until some are dropped: a list that can't be used, loaded again
/// and again.
fn fill(program: &mut Program, folder: &tempfile::TempDir) {
    let name = "n".repeat(20_000);
    let entry = format!("- targets: ['127.0.0.1:9']\n  labels: {{target: '{name}'}}\n");
    // Not before the program has read the first one.
    program.wait_for(RECEIVED, 1.0);
    std::fs::write(folder.path().join("targets.yml"), entry.repeat(2)).unwrap();
    wait("line that is dropped", || {
        let answer = http::request(program.metrics, "POST", "/-/reload", &[]).unwrap();
        let answer = answer.text().unwrap();
        assert!(answer.contains("there is a target"), "{answer:.200}");
        (program.sum(DROPPED) >= 1.0).then_some(())
    });
}

#[test]
fn standard_error_that_nobody_reads_costs_lines_and_nothing_else() {
    for signal in [Signal::TERM, Signal::INT] {
        let folder = tempfile::tempdir().unwrap();
        let (_reader, stderr) = full();
        let mut program = Program::start(both(&folder, "text").stderr(stderr));
        fill(&mut program, &folder);
        assert!(program.sum("tcp_echo_build_info") >= 1.0);
        // Slots go on, and so does all else.
        let received = program.sum(RECEIVED);
        program.wait_for(RECEIVED, received + 20.0);
        assert!(
            http::get(program.metrics, "/-/healthy")
                .unwrap()
                .ends_with("healthy\n")
        );
        program.signal(Signal::HUP);
        program.wait_for(RECEIVED, received + 40.0);
        assert_eq!(program.end_by(signal), Some(0));
    }
}

#[test]
fn a_reader_that_reads_again_is_told_how_many_lines_are_missing() {
    for (format, notice) in [("text", " WARN "), ("json", "\"level\":\"WARN\"")] {
        let folder = tempfile::tempdir().unwrap();
        let (reader, stderr) = full();
        let mut program = Program::start(both(&folder, format).stderr(stderr));
        fill(&mut program, &folder);
        let mut lines = BufReader::new(reader).lines().map(Result::unwrap);
        let told = lines
            .find(|line| line.contains("log lines dropped"))
            .unwrap();
        let dropped = program.sum(DROPPED);
        assert!(told.contains(notice), "{told}");
        assert!(
            told.contains(&format!("{dropped} log lines dropped")),
            "{dropped}: {told}"
        );
        // From then on nothing is missing.
        program.signal(Signal::TERM);
        let mut rest = lines.filter(|line| !line.contains("there is a target"));
        assert!(rest.next().unwrap().contains("ending"));
        assert_eq!(wait("its end", || program.ended()).code(), Some(0));
    }
}

#[test]
fn the_last_words_are_not_lost_and_do_not_hold_it() {
    // The address is taken: it ends at once, and says why as its last word.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let mut command = binary();
    command.args(["-mode=server", &format!("-listen={address}")]);
    let output = command.stderr(Stdio::piped()).output().unwrap();
    let words = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        words.ends_with('\n')
            && words
                .lines()
                .last()
                .unwrap()
                .starts_with("tcp-echo-metrics: ")
    );
    assert!(words.contains(&address.to_string()), "{words}");

    let (_reader, stderr) = full();
    let mut program = Program::start(command.stderr(stderr));
    let status = wait("its end", || program.ended());
    assert_eq!(status.code(), Some(1));
}

/// A run with a report, whose standard output nobody reads.
fn unread(args: &[&str]) -> (std::io::PipeReader, Program) {
    let (reader, stdout) = full();
    let mut command = binary();
    command
        .args(["-mode=client", "-interval=10ms"])
        .arg(format!("-target=echo={}", echo()))
        .args(args);
    (reader, Program::start(command.stdout(stdout)))
}

#[test]
fn a_report_that_nobody_reads_ends_by_a_signal() {
    for args in [&["-count=1000000000"][..], &["-v"], &["-output=json"]] {
        for signal in [Signal::INT, Signal::TERM] {
            let (_reader, mut program) = unread(args);
            program.wait_for(RECEIVED, 10.0);
            assert_eq!(program.end_by(signal), Some(1), "{args:?}");
        }
    }
}

#[test]
fn a_report_waits_for_its_reader_until_a_signal_comes() {
    for is_read in [false, true] {
        let (mut reader, mut program) = unread(&["-count=10"]);
        // Its endpoints are gone before it prints.
        program.wait_for(RECEIVED, 1.0);
        wait("the end of the run", || {
            std::net::TcpStream::connect(program.metrics)
                .is_err()
                .then_some(())
        });
        if is_read {
            let mut report = String::new();
            reader.read_to_string(&mut report).unwrap();
            assert!(report.trim_start().starts_with("target"), "{report}");
            assert_eq!(wait("its end", || program.ended()).code(), Some(0));
        } else {
            // Far longer than it waits for one who has told it to end.
            std::thread::sleep(LIMIT / 10);
            assert_eq!(program.ended(), None, "it has not waited");
            assert_eq!(program.end_by(Signal::INT), Some(1));
        }
    }
}

#[test]
fn readers_that_have_gone_end_nothing_but_lines() {
    let (reader, stderr) = std::io::pipe().unwrap();
    drop(reader);
    let folder = tempfile::tempdir().unwrap();
    let mut program = Program::start(both(&folder, "text").stderr(stderr));
    program.wait_for(DROPPED, 1.0);
    program.wait_for(RECEIVED, 10.0);
    assert_eq!(program.end_by(Signal::TERM), Some(0));

    // As `| head` leaves it.
    let (reader, mut program) = unread(&["-count=10"]);
    drop(reader);
    assert_eq!(wait("its end", || program.ended()).code(), Some(0));
}

//! Hosts as arguments: what `ping` is.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Output};

use rustix::process::{Pid, Signal, kill_process};

use super::peers::{Behavior, Nobody, Peer};
use super::{assert_slots, binary, finish, report, slots, stderr, stdout};

const FAST: [&str; 4] = ["-interval", "10ms", "-timeout", "20s"];

fn run(args: &[&str]) -> Output {
    finish(binary(args).spawn().unwrap())
}

/// The next line of standard output that contains `text`.
fn wait_for(lines: &mut impl Iterator<Item = std::io::Result<String>>, text: &str) -> String {
    let mut lines = lines.map(Result::unwrap);
    lines.find(|line| line.contains(text)).unwrap()
}

/// Interrupts a run, and returns the rest of its standard output.
fn interrupt(
    child: Child,
    lines: impl Iterator<Item = std::io::Result<String>>,
) -> (Vec<String>, Output) {
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let rest = lines.map(Result::unwrap).collect();
    (rest, finish(child))
}

#[test]
fn each_probe_has_a_line_and_an_interrupt_has_it_report() {
    let (one, other) = (Peer::new(Behavior::Echo), Peer::new(Behavior::Echo));
    let (one, other) = (one.address.to_string(), format!("b={}", other.address));
    // With a flag between the hosts.
    let args = [&[one.as_str()], &FAST[..], &[&other]].concat();
    let mut child = binary(&args).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    assert!(first.contains(" connected to 127.0.0.1:"), "{first}");
    wait_for(&mut lines, &format!("{one} seq=3 rtt="));
    wait_for(&mut lines, "b seq=5 rtt=");
    let (rest, output) = interrupt(child, lines);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stderr(&output), "");
    let table = rest.iter().skip_while(|line| !line.starts_with("target"));
    let names: Vec<_> = table.filter_map(|line| line.split(' ').next()).collect();
    assert!(names.contains(&&*one) && names.contains(&"b"), "{rest:?}");
}

#[test]
fn a_count_ends_it_with_the_status_of_the_report() {
    let (echo, nobody) = (Peer::new(Behavior::Echo), Nobody::new());
    let (echo, nobody) = (echo.address.to_string(), nobody.address().to_string());
    let output = run(&[&FAST[..], &["-count", "5", "--", &echo]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(slots(&output), 5, "{}", stdout(&output));

    let output = run(&[&[nobody.as_str()], &FAST[..], &["-duration=100ms"]].concat());
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let refused = format!("{nobody} cannot connect: refused");
    assert!(stdout(&output).starts_with(&refused), "{}", stdout(&output));
    // No endpoint has taken a port for it.
    let log = stderr(&run(&[&echo, "-count=1", "-log-level=info"])).to_owned();
    assert!(
        log.contains("connected") && !log.contains("endpoint"),
        "{log}"
    );
}

#[test]
fn a_reader_of_lines_that_goes_ends_it_quietly() {
    let peer = Peer::new(Behavior::Echo);
    let address = peer.address.to_string();
    let args = [&[address.as_str()], &FAST[..]].concat();
    let mut child = binary(&args).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let lines: Vec<_> = lines.take(3).map(Result::unwrap).collect();
    assert!(lines[0].contains(" connected to "), "{lines:?}");
    let output = finish(child);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(stderr(&output), "");
}

#[test]
fn json_has_no_lines_beside_it() {
    let peer = Peer::new(Behavior::Echo);
    let address = peer.address.to_string();
    let output = run(&[&[&address, "-output=json", "-count=5"], &FAST[..]].concat());
    assert_eq!(output.status.code(), Some(0));
    assert_slots(&report(&output), 5);
    assert_eq!(stderr(&output), "");
}

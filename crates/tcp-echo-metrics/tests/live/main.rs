//! The live view as a person sees it, in a real terminal.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper of tests fails as a test does"
)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;
use std::{fs, thread};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use tcp_echo_prober::Observer;
use tcp_echo_report::live::{Live, LiveTargets};

mod hosts;
mod tmux;

use tmux::{Terminal, wait};

const SECOND: Duration = Duration::from_secs(1);

/// A peer that echoes, until the process of the tests ends.
fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            thread::spawn(move || {
                let mut stream = stream.unwrap();
                let mut frame = [0; 16];
                while stream.read_exact(&mut frame).is_ok() && stream.write_all(&frame).is_ok() {}
            });
        }
    });
    address
}

/// The binary with a live view of three targets: one that answers, one whose address
/// nobody has, one with a name that would clear the screen and paint it red.
fn live(more: &str) -> String {
    let address = echo();
    format!(
        "LC_ALL=C.UTF-8 sh -c 'echo $$ > pid; exec \"$@\"' sh '{}' -mode client -live {more} \
         -interval 20ms -timeout 20s -target db={address} -target nobody=127.0.0.1:1 \
         -target \"$(printf 'evil\\033[2J\\033[41m')={address}\"",
        env!("CARGO_BIN_EXE_tcp-echo-metrics"),
    )
}

/// The process of the binary.
fn pid(terminal: &Terminal) -> Pid {
    let path = terminal.path("pid");
    let number = fs::read_to_string(path).unwrap().trim().parse().unwrap();
    Pid::from_raw(number).unwrap()
}

fn line<'a>(screen: &'a str, name: &str) -> &'a str {
    let mut lines = screen.lines();
    lines.find(|line| line.contains(name)).unwrap_or_default()
}

#[test]
fn keys_choose_filter_and_quit() {
    let Some(terminal) = Terminal::run(&live("")) else {
        return;
    };
    let screen = terminal.wait_for("a table", |screen| {
        line(screen, "│db ").contains(" up ") && line(screen, "│nobody ").contains("refused")
    });
    // Nothing that was logged at the start has got in between.
    let header: Vec<_> = line(&screen, "│target").split_whitespace().collect();
    let columns = "│target state v last p50 p99 loss sent received timeouts late│";
    assert_eq!(header.join(" "), columns, "{screen}");
    // The worst first, the name harmless, the keys below.
    let position = |name| screen.lines().position(|line| line.contains(name)).unwrap();
    assert!(position("│nobody") < position("│db"), "{screen}");
    assert!(screen.contains(r"evil\u{1b}[2J\u{1b}[41m"), "{screen}");
    assert!(
        screen.contains("q quit") && screen.contains("/ filter"),
        "{screen}"
    );

    terminal.keys(&["s"]);
    terminal.wait_for("names in order", |screen| screen.contains("by target"));
    terminal.wait_for("the chart of db", |screen| {
        screen.contains("┌ db 127.0.0.1:")
    });
    terminal.keys(&["Down", "Down"]);
    terminal.wait_for("what became of nobody", |screen| {
        screen.contains("┌ nobody 127.0.0.1:") && screen.contains("cannot connect: refused")
    });
    terminal.keys(&["C-l", "l"]);
    terminal.wait_for("the log", |screen| {
        screen.contains("INFO connected target=db")
    });
    terminal.keys(&["r"]);
    terminal.wait_for("the reverse", |screen| {
        screen.contains("by target, reversed")
    });

    terminal.keys(&["/", "n", "o", "b", "q", "BSpace", "Enter"]);
    let screen = terminal.wait_for("one target", |screen| screen.contains("1 of 3 targets"));
    assert!(line(&screen, "│db ").is_empty(), "{screen}");
    terminal.keys(&["Escape"]);
    terminal.wait_for("all targets", |screen| screen.contains(" 3 targets"));

    terminal.tmux(&["resize-window", "-t", "it", "-x", "70", "-y", "12"]);
    let screen = terminal.wait_for("the small table", |screen| {
        let width = |line: &str| line.chars().count();
        screen.lines().all(|line| width(line) <= 70)
            && line(screen, "3 targets").ends_with('┐')
            && line(screen, "│db ").ends_with('│')
            && !screen.contains("newest right")
    });
    assert!(screen.contains("q quit"), "{screen}");
    for size in [("1", "1"), ("200", "50")] {
        terminal.tmux(&["resize-window", "-t", "it", "-x", size.0, "-y", size.1]);
    }
    terminal.wait_for("the large table", |screen| screen.contains("┌ log ─"));
    terminal.keys(&["q"]);
    let (status, screen) = terminal.ended();
    assert_eq!(status, "0", "{screen}");
    assert!(!screen.contains("targets"), "{screen}");
}

/// What the report on a screen counts of a target. One of the names is too long for
/// its row, so all of them stand above theirs.
fn figures(screen: &str, name: &str) -> Vec<String> {
    let mut lines = screen.lines().skip_while(|line| line.trim_end() != name);
    let figures = lines.nth(1).unwrap_or_default().split_whitespace();
    figures.map(str::to_owned).collect()
}

#[test]
fn signals_give_the_terminal_back_before_the_report() {
    for signal in [Some(Signal::INT), Some(Signal::TERM), None] {
        let Some(terminal) = Terminal::run(&live("-max-loss 50")) else {
            return;
        };
        terminal.wait_for("a table", |screen| line(screen, "│db ").contains(" up "));
        match signal {
            Some(signal) => kill_process(pid(&terminal), signal).unwrap(),
            None => terminal.keys(&["C-c"]),
        }
        let (status, screen) = terminal.ended();
        assert_eq!(status, "1", "{signal:?}\n{screen}");
        assert_eq!(figures(&screen, "nobody")[7], "100%", "{screen}");
    }
}

#[test]
fn a_count_ends_the_view() {
    let Some(terminal) = Terminal::run(&live("-count 10")) else {
        return;
    };
    let (status, screen) = terminal.ended();
    // Nobody answers at one of the targets.
    assert_eq!(status, "1", "{screen}");
    let db = figures(&screen, "db");
    let count = |column: usize| db[column].parse::<u64>().unwrap();
    assert_eq!(count(0) + count(3), 10, "sent and unsent in\n{screen}");
}

#[test]
fn a_terminal_that_goes_ends_the_run() {
    let Some(terminal) = Terminal::run(&live("")) else {
        return;
    };
    terminal.wait_for("a table", |screen| line(screen, "│db ").contains(" up "));
    let pid = pid(&terminal);
    terminal.tmux(&["kill-session", "-t", "it"]);
    assert!(
        wait(|| test_kill_process(pid).is_err()),
        "it goes on without a terminal"
    );
}

/// Not a test by itself: what `a_panic_gives_the_terminal_back` runs in a terminal.
#[test]
#[ignore = "takes the terminal and panics"]
fn panics_beside_a_view() {
    let targets = LiveTargets::new();
    let config = tcp_echo_prober::SessionConfig::new(SECOND, SECOND).unwrap();
    let target = tcp_echo_prober::Target::new("127.0.0.1:1".parse().unwrap(), config);
    let _sensor = targets.attach(&target);
    let mut live = Live::start(targets).unwrap();
    thread::sleep(SECOND);
    let panicked = thread::spawn(|| panic!("as it happens")).join();
    assert!(panicked.is_err());
    // The view has ended with the terminal that it had.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(live.left());
}

#[test]
fn a_panic_gives_the_terminal_back() {
    let tests = std::env::current_exe().unwrap();
    let Some(terminal) = Terminal::run(&format!(
        "LC_ALL=C.UTF-8 '{}' --ignored --exact panics_beside_a_view --nocapture",
        tests.display()
    )) else {
        return;
    };
    terminal.wait_for("the view", |screen| screen.contains("1 targets"));
    let (status, screen) = terminal.ended();
    assert_eq!(status, "0", "{screen}");
    assert!(screen.contains("as it happens"), "{screen}");
    assert!(!screen.contains("q quit"), "{screen}");
}

//! Hosts as arguments, as a person probes them.

use super::echo;
use super::tmux::Terminal;

fn command(more: &str) -> String {
    let address = echo();
    let binary = env!("CARGO_BIN_EXE_tcp-echo-metrics");
    // The shell gets the interrupt, too.
    format!("trap : INT; LC_ALL=C.UTF-8 '{binary}' db={address} -interval 20ms -timeout 20s {more}")
}

#[test]
fn ctrl_c_ends_the_lines_with_a_report() {
    let Some(terminal) = Terminal::run(&command("")) else {
        return;
    };
    terminal.wait_for("a line for each probe", |screen| {
        screen.contains("db seq=9 rtt=")
    });
    terminal.keys(&["C-c"]);
    let (status, screen) = terminal.ended();
    assert_eq!(status, "0", "{screen}");
    assert!(screen.contains("db connected to 127.0.0.1:"), "{screen}");
    let report = screen.split("\ntarget").nth(1).unwrap_or_default();
    assert!(
        report.contains("\ndb ") && !report.contains("seq="),
        "{screen}"
    );
}

#[test]
fn a_live_view_takes_the_place_of_the_lines() {
    let Some(terminal) = Terminal::run(&command("-live")) else {
        return;
    };
    terminal.wait_for("a table", |screen| screen.contains("│db "));
    terminal.keys(&["q"]);
    let (status, screen) = terminal.ended();
    assert_eq!(status, "0", "{screen}");
    assert!(!screen.contains("seq="), "{screen}");
}

//! A terminal that is stopped, as after Ctrl-S.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};
use std::thread;

use rustix::fs::{Mode, OFlags};
use rustix::process::Signal;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Action, LocalModes, Winsize, tcflow, tcgetattr, tcsetwinsize};

use crate::program::{END, Program, binary, echo, wait};

/// A terminal, whose screen is read.
struct Terminal {
    /// The end of the program.
    side: OwnedFd,
    /// All that was written to it.
    shown: Arc<Mutex<Vec<u8>>>,
}

impl Terminal {
    fn new() -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let side = rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
        let window = Winsize {
            ws_row: 30,
            ws_col: 100,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&side, window).unwrap();
        let shown = Arc::new(Mutex::new(Vec::new()));
        let all = Arc::clone(&shown);
        thread::spawn(move || {
            let (mut master, mut bytes) = (File::from(master), [0; 4096]);
            while let Ok(count @ 1..) = master.read(&mut bytes) {
                all.lock().unwrap().extend_from_slice(&bytes[..count]);
            }
        });
        Self { side, shown }
    }

    fn side(&self) -> OwnedFd {
        self.side.try_clone().unwrap()
    }

    fn stop(&self) {
        tcflow(&self.side, Action::OOff).unwrap();
    }

    fn shows(&self, text: &str) -> bool {
        String::from_utf8_lossy(&self.shown.lock().unwrap()).contains(text)
    }

    /// Whether it shows what is typed and waits for whole lines, as a shell wants it.
    fn is_usual(&self) -> bool {
        let modes = tcgetattr(&self.side).unwrap().local_modes;
        modes.contains(LocalModes::ECHO | LocalModes::ICANON)
    }
}

/// A run of this kind in a terminal.
fn run(terminal: &Terminal, flag: &str) -> Program {
    let mut command = binary();
    command
        .args(["-mode=client", "-interval=10ms", flag])
        .arg(format!("-target=echo={}", echo()))
        .env("TERM", "xterm")
        .stdin(terminal.side())
        .stdout(terminal.side())
        .stderr(terminal.side());
    Program::start(&mut command)
}

#[test]
fn a_terminal_that_is_stopped_holds_up_nothing() {
    for (flag, shown) in [
        ("-live", "echo"),
        ("-v", "seq="),
        ("-duration=1h", "3600s"),
        ("-log-level=info", "connected"),
    ] {
        for signal in [Signal::TERM, Signal::INT] {
            let terminal = Terminal::new();
            let mut program = run(&terminal, flag);
            wait(&format!("{shown:?} by {flag}"), || {
                terminal.shows(shown).then_some(())
            });
            terminal.stop();
            let received = program.sum("tcp_echo_received_total");
            program.wait_for("tcp_echo_received_total", received + 50.0);
            let began = std::time::Instant::now();
            program.signal(signal);
            wait("its end", || program.ended());
            assert!(began.elapsed() < END, "{flag}: {:?}", began.elapsed());
            assert!(terminal.is_usual(), "{flag}");
        }
    }
}

#[test]
fn a_view_begins_when_its_terminal_goes_on() {
    let terminal = Terminal::new();
    terminal.stop();
    let mut program = run(&terminal, "-live");
    program.wait_for("tcp_echo_received_total", 10.0);
    assert!(!terminal.shows("echo"));
    tcflow(&terminal.side, Action::OOn).unwrap();
    wait("the screen", || terminal.shows("echo").then_some(()));
    assert_eq!(program.end_by(Signal::TERM), Some(0));
    assert!(terminal.is_usual());
}

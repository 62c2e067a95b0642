//! The program, running.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Addresses that are free.
pub(crate) const ANYWHERE: [&str; 2] = ["-listen=127.0.0.1:0", "-metrics=127.0.0.1:0"];

/// Far longer than anything takes here.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

pub(crate) fn binary() -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("tcp-echo-metrics"));
    command.env_clear().stdin(Stdio::null());
    command
}

/// A program that ends with its owner.
pub(crate) struct Running {
    pub(crate) child: Child,
    /// The lines of its log.
    log: Box<dyn BufRead>,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let log = Box::new(BufReader::new(child.stderr.take().unwrap()));
        Self { child, log }
    }

    /// The address in the line of the log that begins so.
    pub(crate) fn address(&mut self, what: &str) -> SocketAddr {
        let line = self.line(what);
        let text = line.split_once("address=").unwrap().1;
        text.trim().parse().unwrap()
    }

    /// The next line of the log with these words.
    pub(crate) fn line(&mut self, what: &str) -> String {
        loop {
            let mut line = String::new();
            assert_ne!(self.log.read_line(&mut line).unwrap(), 0, "no {what}");
            if line.contains(what) {
                return line;
            }
        }
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", name, &id]).status();
        assert!(status.unwrap().success());
    }

    pub(crate) fn wait(&mut self) -> Option<i32> {
        let deadline = Instant::now() + LIMIT;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("it does not end");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

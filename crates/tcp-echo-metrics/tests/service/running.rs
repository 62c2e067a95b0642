//! The program, running.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use testkit::wait::until;

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
    /// The lines of its log; they end with it.
    log: Receiver<String>,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (sender, log) = channel();
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                // Read on when nobody listens: a full pipe would stop the program.
                let _ = sender.send(line);
            }
        });
        Self { child, log }
    }

    /// The address in the line of the log that begins so.
    pub(crate) fn address(&self, what: &str) -> SocketAddr {
        let line = self.line(what);
        let text = line.split_once("address=").unwrap().1;
        text.split_whitespace().next().unwrap().parse().unwrap()
    }

    /// The next line of the log with these words.
    pub(crate) fn line(&self, what: &str) -> String {
        let deadline = Instant::now() + LIMIT;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.log.recv_timeout(left);
            let line = line.unwrap_or_else(|_| panic!("no {what}"));
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
        let ended = until("its end", LIMIT, || self.child.try_wait().unwrap());
        ended.unwrap().0.code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

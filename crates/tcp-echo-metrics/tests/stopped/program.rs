//! The program, with outputs that nobody reads.

use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use testkit::exposition::Scrape;
use testkit::wait::until;
use testkit::{http, ports};

/// Far longer than anything takes here that ends.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);
/// How soon it must end after a signal, whoever reads. On a machine that is idle it takes
/// a second at most.
pub(crate) const END: Duration = Duration::from_secs(4);

/// A pipe takes as much before somebody has to read.
const PIPE: usize = 64 * 1024;

/// The program, killed with its owner.
pub(crate) struct Program {
    child: Child,
    pub(crate) metrics: SocketAddr,
}

impl Program {
    /// Starts it with metrics on a free port.
    pub(crate) fn start(command: &mut Command) -> Self {
        let metrics = ports::free().unwrap();
        let child = command.arg(format!("-metrics={metrics}")).spawn().unwrap();
        Self { child, metrics }
    }

    /// The sum of a metric's series at a scrape, 0 before it listens.
    pub(crate) fn sum(&self, metric: &str) -> f64 {
        let text = http::get(self.metrics, "/metrics").unwrap_or_default();
        Scrape::parse(&text).unwrap().sum(metric, &[])
    }

    /// Waits until a metric is at least this.
    pub(crate) fn wait_for(&mut self, metric: &str, min: f64) {
        wait(metric, || {
            assert_eq!(self.child.try_wait().unwrap(), None, "it has ended");
            (self.sum(metric) >= min).then_some(())
        });
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Its status, once it has ended.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Has it end by a signal, in time.
    pub(crate) fn end_by(&mut self, signal: Signal) -> Option<i32> {
        let began = Instant::now();
        self.signal(signal);
        let status = wait("its end", || self.ended());
        assert!(began.elapsed() < END, "it took {:?}", began.elapsed());
        status.code()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The binary, in an environment without flags.
pub(crate) fn binary() -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("tcp-echo-metrics"));
    command
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// A pipe that takes nothing more before somebody reads.
pub(crate) fn full() -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = pipe().unwrap();
    writer.write_all(&vec![b'\n'; PIPE]).unwrap();
    (reader, writer)
}

/// Waits until `look` returns a value.
pub(crate) fn wait<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    until(what, LIMIT, look).unwrap().0
}

/// A peer that echoes, until the process of the tests ends.
pub(crate) fn echo() -> SocketAddr {
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

//! A client with many targets and the server that all of them are.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::program::{Program, get, path};
use testkit::shell::target_dir;

/// How long all connections may take to be made.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Descriptors beside those of the connections.
const SPARE: u64 = 100;

/// Both at work until this is dropped.
pub(super) struct Fleet {
    pub(super) server: Program,
    pub(super) client: Program,
    /// Where the client's endpoints are.
    pub(super) metrics: SocketAddr,
}

impl Fleet {
    /// Waits until all targets are connected.
    pub(super) fn start(targets: u32, interval: &str) -> Result<Self> {
        Self::start_with(targets, &[&format!("-interval={interval}")])
    }

    /// Starts the client with these flags.
    pub(super) fn start_with(targets: u32, flags: &[&str]) -> Result<Self> {
        let mut server = Program::start(
            Command::new(path("tcp-echo-metrics")).args([
                "-mode=server",
                "-listen=127.0.0.1:0",
                "-metrics=127.0.0.1:0",
                "-max-connections=0",
                "-max-connections-per-ip=0",
            ]),
            "server",
        )?;
        let echo = server.says("echo server listens address=")?;
        let mut command = Command::new(path("tcp-echo-metrics"));
        command.args(["-mode=client", "-metrics=127.0.0.1:0"]);
        command.args(flags);
        let mut list = String::new();
        for n in 0..targets {
            let _ = writeln!(
                list,
                "- {{name: rack-{}/host-{n}, address: \"{echo}\"}}",
                n % 40
            );
        }
        let file = target_dir().join("bench").join("targets.yaml");
        fs::write(&file, list)?;
        command.arg(format!("-targets={}", file.display()));
        let mut client = Program::start(&mut command, "client")?;
        let metrics = client.says("metrics endpoint listens address=")?.parse()?;
        let fleet = Self {
            server,
            client,
            metrics,
        };
        fleet.wait_for_connections(targets)?;
        Ok(fleet)
    }

    fn wait_for_connections(&self, targets: u32) -> Result<()> {
        let end = Instant::now() + TIMEOUT;
        loop {
            let connected = self.scrape()?.sum("tcp_echo_connected{");
            if connected >= f64::from(targets) {
                return Ok(());
            }
            if Instant::now() > end {
                bail!("only {connected} of {targets} targets are connected");
            }
            sleep(Duration::from_millis(200));
        }
    }

    pub(super) fn scrape(&self) -> Result<Scrape> {
        let (body, took) = get(self.metrics, "/metrics", &[])?;
        let text = String::from_utf8(body)?;
        Ok(Scrape { text, took })
    }

    /// What goes over the wire where the client takes gzip, and how long it takes.
    pub(super) fn zipped(&self) -> Result<(usize, Duration)> {
        let (body, took) = get(self.metrics, "/metrics", &[("Accept-Encoding", "gzip")])?;
        Ok((body.len(), took))
    }
}

/// All metrics as text.
pub(super) struct Scrape {
    pub(super) text: String,
    pub(super) took: Duration,
}

impl Scrape {
    /// The sum of all samples that begin so.
    pub(super) fn sum(&self, prefix: &str) -> f64 {
        let samples = self.text.lines().filter(|line| line.starts_with(prefix));
        samples
            .filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok())
            .sum()
    }
}

/// Raises the limit of open files, which children have from here; says what it is where it is
/// too low for so many targets.
pub(super) fn raise_files(targets: u32) -> Result<Option<String>> {
    let wanted = u64::from(targets) + SPARE;
    let limit = getrlimit(Resource::Nofile);
    let max = limit.maximum.unwrap_or(u64::MAX);
    if limit.current.is_some_and(|current| current < wanted) {
        let raised = Rlimit {
            current: Some(wanted.min(max)),
            maximum: limit.maximum,
        };
        setrlimit(Resource::Nofile, raised).context("setrlimit")?;
    }
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    Ok((files < wanted).then(|| format!("{targets} targets left out: ulimit -n is {files}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_summed() {
        let scrape = Scrape {
            text: "# TYPE a counter\na{t=\"x y\"} 1\nab{t=\"z\"} 5\na{t=\"z\"} 2.5\n".to_owned(),
            took: Duration::ZERO,
        };
        assert!((scrape.sum("a{") - 3.5).abs() < 1e-9);
    }
}

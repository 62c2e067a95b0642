//! The binary under test, running.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::Signal;

use super::context::Context;
use super::exposition::Scrape;
use super::http::Endpoint;
use super::netns::Inside;
use super::process::Process;
use super::{ports, wait};

/// How soon it must answer after its start.
const START: Duration = Duration::from_secs(5);
/// How soon it must be gone after the signal.
const END: Duration = Duration::from_secs(1);

pub(crate) struct Echo {
    pub(crate) process: Process,
    pub(crate) metrics: Endpoint,
}

impl Echo {
    /// Starts it with these flags and metrics on a free port, and waits until it answers.
    pub(crate) fn start(context: &Context, flags: &[&str]) -> Result<Self> {
        Self::start_in(context, &Inside::default(), flags)
    }

    /// The same in a network namespace.
    pub(crate) fn start_in(context: &Context, inside: &Inside, flags: &[&str]) -> Result<Self> {
        let mut command = inside.command(context.binary());
        Self::start_by(context, inside, command.args(flags))
    }

    /// The same by a command that still lacks the flag for metrics.
    pub(crate) fn start_by(
        context: &Context,
        inside: &Inside,
        command: &mut Command,
    ) -> Result<Self> {
        let metrics = Endpoint {
            address: ports::free()?,
            inside: inside.clone(),
        };
        command.arg(format!("-metrics={}", metrics.address));
        let mut process = Process::spawn(context, "tcp-echo-metrics", command)?;
        let (started, _) = wait::until("an answer at /-/healthy", START, || {
            if let Some(status) = process.ended() {
                return Some(Err(status));
            }
            metrics.get("/-/healthy").ok().map(Ok)
        })?;
        if let Err(status) = started {
            bail!("tcp-echo-metrics ended: {status}");
        }
        Ok(Self { process, metrics })
    }

    pub(crate) fn scrape(&self) -> Result<Scrape> {
        Scrape::parse(&self.metrics.get("/metrics")?)
    }

    /// Waits until a scrape satisfies `look`, and gives it and how long that took.
    pub(crate) fn until(
        &self,
        what: &str,
        limit: Duration,
        look: impl Fn(&Scrape) -> bool,
    ) -> Result<(Scrape, Duration)> {
        wait::until(what, limit, || {
            self.scrape().ok().filter(|scrape| look(scrape))
        })
    }

    /// Ends it by this signal: within a second and with status 0.
    pub(crate) fn end_by(mut self, signal: Signal) -> Result<Duration> {
        ensure!(self.process.ended().is_none(), "it has ended by itself");
        self.process.signal(signal)?;
        let (status, took) = self
            .process
            .wait(END)
            .with_context(|| signal_name(signal))?;
        ensure!(status.success(), "{}: {status}", signal_name(signal));
        Ok(took)
    }
}

/// `SIGTERM` or another of the two that end a program.
pub(crate) fn signal_name(signal: Signal) -> &'static str {
    if signal == Signal::TERM {
        "SIGTERM"
    } else {
        "SIGINT"
    }
}

/// An echo server of the same binary.
pub(crate) struct EchoServer {
    pub(crate) echo: Echo,
    pub(crate) address: SocketAddr,
}

impl EchoServer {
    pub(crate) fn start(context: &Context, flags: &[&str]) -> Result<Self> {
        let address = ports::free()?;
        let listen = format!("-listen={address}");
        let flags = [&["-mode=server", &listen], flags].concat();
        Ok(Self {
            echo: Echo::start(context, &flags)?,
            address,
        })
    }
}

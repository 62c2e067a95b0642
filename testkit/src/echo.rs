//! The binary under test, as a running process.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::Signal;

use crate::context::Context;
use crate::endpoint::Endpoint;
use crate::exposition::Scrape;
use crate::netns::Inside;
use crate::process::Process;
use crate::{ports, wait};

/// The time limit from the start to the first response.
const START: Duration = Duration::from_secs(5);
/// The time limit from a signal to the exit.
const END: Duration = Duration::from_secs(1);

/// The running binary.
pub struct Echo {
    /// Its process.
    pub process: Process,
    /// Its HTTP endpoint.
    pub metrics: Endpoint,
}

impl Echo {
    /// Starts the binary with these flags and its metrics on a free port, and waits until it answers.
    ///
    /// # Errors
    ///
    /// If it exits, or does not answer within five seconds.
    pub fn start(context: &Context, flags: &[&str]) -> Result<Self> {
        Self::start_in(context, &Inside::default(), flags)
    }

    /// Like [`Echo::start`], in a network namespace.
    ///
    /// # Errors
    ///
    /// As [`Echo::start`].
    pub fn start_in(context: &Context, inside: &Inside, flags: &[&str]) -> Result<Self> {
        let mut command = inside.command(context.binary());
        Self::start_by(context, inside, command.args(flags))
    }

    /// Like [`Echo::start`], with this limit of open files.
    ///
    /// # Errors
    ///
    /// As [`Echo::start`].
    pub fn start_with_file_limit(context: &Context, limit: usize, flags: &[&str]) -> Result<Self> {
        let mut command = Command::new("sh");
        command
            .args(["-c", &format!("ulimit -n {limit} && exec \"$@\""), "sh"])
            .arg(context.binary())
            .args(flags);
        Self::start_by(context, &Inside::default(), &mut command)
    }

    /// Like [`Echo::start`], with a command that has all flags except `-metrics`.
    ///
    /// # Errors
    ///
    /// As [`Echo::start`].
    pub fn start_by(context: &Context, inside: &Inside, command: &mut Command) -> Result<Self> {
        let metrics = Endpoint {
            address: ports::free()?,
            inside: inside.clone(),
        };
        command.arg(format!("-metrics={}", metrics.address));
        let mut process = Process::spawn(context, "tcp-echo-metrics", command)?;
        let (started, _) = wait::until("a response from /-/healthy", START, || {
            if let Some(status) = process.ended() {
                return Some(Err(status));
            }
            metrics.get("/-/healthy").ok().map(Ok)
        })?;
        if let Err(status) = started {
            bail!("tcp-echo-metrics exited: {status}");
        }
        Ok(Self { process, metrics })
    }

    /// Scrapes its metrics.
    ///
    /// # Errors
    ///
    /// As [`Endpoint::scrape`].
    pub fn scrape(&self) -> Result<Scrape> {
        self.metrics.scrape()
    }

    /// Waits until a scrape satisfies `predicate`; returns the scrape and the time it took.
    ///
    /// # Errors
    ///
    /// As [`Endpoint::until`].
    pub fn until(
        &self,
        what: &str,
        limit: Duration,
        predicate: impl Fn(&Scrape) -> bool,
    ) -> Result<(Scrape, Duration)> {
        self.metrics.until(what, limit, predicate)
    }

    /// Sends this signal and waits for the exit; returns the time it took.
    ///
    /// # Errors
    ///
    /// If it exited earlier, takes longer than a second, or its status is not 0.
    pub fn end_by(mut self, signal: Signal) -> Result<Duration> {
        ensure!(self.process.ended().is_none(), "exited before the signal");
        self.process.signal(signal)?;
        let (status, took) = self
            .process
            .wait(END)
            .with_context(|| signal_name(signal))?;
        ensure!(status.success(), "{}: {status}", signal_name(signal));
        Ok(took)
    }
}

/// Runs the binary with these flags until it exits; returns its exit code and output.
///
/// # Errors
///
/// If it does not exit within `limit`.
pub fn run_to_exit(
    context: &Context,
    flags: &[&str],
    limit: Duration,
) -> Result<(Option<i32>, String)> {
    let mut command = Command::new(context.binary());
    let mut process = Process::spawn(context, "tcp-echo-metrics", command.args(flags))?;
    let (status, _) = process.wait(limit)?;
    Ok((status.code(), process.log()))
}

/// Returns `SIGTERM` or `SIGINT`.
pub fn signal_name(signal: Signal) -> &'static str {
    if signal == Signal::TERM {
        "SIGTERM"
    } else {
        "SIGINT"
    }
}

/// The binary as an echo server.
pub struct EchoServer {
    /// The running binary.
    pub echo: Echo,
    /// The address that it listens on.
    pub address: SocketAddr,
}

impl EchoServer {
    /// Starts it on a free port, with these flags added.
    ///
    /// # Errors
    ///
    /// As [`Echo::start`].
    pub fn start(context: &Context, flags: &[&str]) -> Result<Self> {
        Self::start_at(context, ports::free()?, flags)
    }

    /// Starts it on a free port of all addresses, without limits of connections. With several
    /// addresses, clients have more ephemeral ports.
    ///
    /// # Errors
    ///
    /// As [`Echo::start`].
    pub fn start_unlimited(context: &Context) -> Result<Self> {
        let address = (Ipv4Addr::UNSPECIFIED, ports::free()?.port()).into();
        let flags = ["-max-connections=0", "-max-connections-per-ip=0"];
        Self::start_at(context, address, &flags)
    }

    fn start_at(context: &Context, address: SocketAddr, flags: &[&str]) -> Result<Self> {
        let listen = format!("-listen={address}");
        let flags = [&["-mode=server", &listen], flags].concat();
        Ok(Self {
            echo: Echo::start(context, &flags)?,
            address,
        })
    }
}

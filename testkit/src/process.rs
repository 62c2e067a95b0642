//! A program that is killed with its owner.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::context::Context;
use crate::wait;

/// A running program. Both of its outputs go to a log; it is killed when dropped.
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts it, with a log of the test, which is shown when that fails.
    ///
    /// # Errors
    ///
    /// If it does not start.
    pub fn spawn(context: &Context, name: &str, command: &mut Command) -> Result<Self> {
        Self::start(name, context.log(name), command)
    }

    /// Starts it, with a log at this path.
    ///
    /// # Errors
    ///
    /// If it does not start.
    pub fn start(name: &str, log: PathBuf, command: &mut Command) -> Result<Self> {
        let file = File::create(&log)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("{name} does not start"))?;
        Ok(Self { child, log })
    }

    /// All that it has written to either output.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its status, if it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Sends it a signal.
    ///
    /// # Errors
    ///
    /// If it has ended.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let id = i32::try_from(self.child.id())?;
        let pid = Pid::from_raw(id).context("no such process")?;
        kill_process(pid, signal).context("kill")
    }

    /// Waits for its end; returns the status and how long that took.
    ///
    /// # Errors
    ///
    /// If it has not ended within `limit`.
    pub fn wait(&mut self, limit: Duration) -> Result<(ExitStatus, Duration)> {
        let id = self.child.id();
        wait::until(&format!("end of process {id}"), limit, || self.ended())
    }

    /// A field of /proc/PID/status in KiB, such as `VmRSS`.
    ///
    /// # Errors
    ///
    /// If it has ended, or there is no such field.
    pub fn memory_kib(&self, field: &str) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        let Some(line) = line else {
            bail!("no {field} in the status of the process")
        };
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }

    /// How many file descriptors it has open, sockets included.
    ///
    /// # Errors
    ///
    /// If it has ended.
    pub fn open_files(&self) -> Result<usize> {
        Ok(fs::read_dir(format!("/proc/{}/fd", self.child.id()))?.count())
    }

    /// The processor time of its current threads, precise to nanoseconds.
    ///
    /// # Errors
    ///
    /// If it has ended.
    pub fn cpu(&self) -> Result<Duration> {
        let mut ns = 0;
        for thread in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let stat = fs::read_to_string(thread?.path().join("schedstat"))?;
            let spent = stat.split(' ').next().context("schedstat")?;
            ns += spent.parse::<u64>()?;
        }
        Ok(Duration::from_nanos(ns))
    }

    /// The processor time of all its threads, ended ones included, in clock ticks
    /// (hundredths of a second).
    ///
    /// # Errors
    ///
    /// If it has ended.
    pub fn cpu_ticks(&self) -> Result<u64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let (_, fields) = stat.rsplit_once(')').context("stat")?;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let field = |at: usize| -> Result<u64> { Ok(fields.get(at).context("stat")?.parse()?) };
        Ok(field(11)? + field(12)?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

//! A child process that is killed when dropped.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::context::Context;
use crate::wait;

/// A running program. Its standard output and standard error go to a log; it is killed when dropped.
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts the program with a log in the test's context, which is shown if the test fails.
    ///
    /// # Errors
    ///
    /// If it does not start.
    pub fn spawn(context: &Context, name: &str, command: &mut Command) -> Result<Self> {
        Self::start(name, context.log(name), command)
    }

    /// Starts the program with a log at this path.
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

    /// Returns everything that it wrote to standard output and standard error.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Returns the process ID.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Returns the exit status, if the process has exited.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Sends it a signal.
    ///
    /// # Errors
    ///
    /// If it has exited.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let id = i32::try_from(self.child.id())?;
        let pid = Pid::from_raw(id).context("no such process")?;
        kill_process(pid, signal).context("kill")
    }

    /// Waits for the exit; returns the status and the time it took.
    ///
    /// # Errors
    ///
    /// If it does not exit within `limit`.
    pub fn wait(&mut self, limit: Duration) -> Result<(ExitStatus, Duration)> {
        let id = self.child.id();
        wait::until(&format!("exit of process {id}"), limit, || self.ended())
    }

    /// Returns a field of /proc/PID/status in KiB, such as `VmRSS`.
    ///
    /// # Errors
    ///
    /// If it has exited, or there is no such field.
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

    /// Returns the number of open file descriptors, including sockets.
    ///
    /// # Errors
    ///
    /// If it has exited.
    pub fn open_files(&self) -> Result<usize> {
        Ok(fs::read_dir(format!("/proc/{}/fd", self.child.id()))?.count())
    }

    /// Returns the CPU time of its current threads, in nanosecond resolution.
    ///
    /// # Errors
    ///
    /// If it has exited.
    pub fn cpu(&self) -> Result<Duration> {
        let mut ns = 0;
        for thread in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let stat = fs::read_to_string(thread?.path().join("schedstat"))?;
            let spent = stat.split(' ').next().context("schedstat")?;
            ns += spent.parse::<u64>()?;
        }
        Ok(Duration::from_nanos(ns))
    }

    /// Returns the CPU time of all its threads, including exited ones, in clock ticks
    /// (hundredths of a second).
    ///
    /// # Errors
    ///
    /// If it has exited.
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
        // It may have exited already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

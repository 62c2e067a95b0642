//! Helpers of the comparing programs: child processes and medians.

use std::error::Error;
use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

use rustix::thread::{CpuSet, sched_setaffinity};

pub(crate) type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

/// Returns the path of another program of this package, next to this one.
pub(crate) fn beside(name: &str) -> Result<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name(name))
}

/// Pins this process, and the threads and processes that it starts from now on, to a CPU.
pub(crate) fn stay_on(cpu: usize) -> io::Result<()> {
    let mut cpus = CpuSet::new();
    cpus.set(cpu);
    Ok(sched_setaffinity(None, &cpus)?)
}

/// A process that is killed when dropped, and the first line that it printed.
pub(crate) struct Process {
    child: Child,
    stdout: Option<BufReader<ChildStdout>>,
    /// The first line without its prefix.
    pub(crate) line: String,
}

impl Process {
    /// Starts `command` on a CPU and waits for its first line.
    pub(crate) fn start(command: &mut Command, cpu: usize, prefix: &str) -> Result<Self> {
        // A child inherits the affinity of the thread that starts it.
        stay_on(cpu)?;
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{}: {error}", command.get_program().display()))?;
        let stdout = child.stdout.take().map(BufReader::new);
        // From here on, the process is killed on any error.
        let mut process = Self {
            child,
            stdout,
            line: String::new(),
        };
        if let Some(stdout) = &mut process.stdout {
            stdout.read_line(&mut process.line)?;
        }
        let line = process.line.trim_end().strip_prefix(prefix);
        let line = line.map(str::to_owned).ok_or_else(|| {
            let program = command.get_program().display();
            format!("unexpected first line of {program}: {:?}", process.line)
        })?;
        process.line = line;
        Ok(process)
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Returns the output after the first line, until the process exits.
    pub(crate) fn rest(mut self) -> Result<String> {
        let mut rest = String::new();
        if let Some(stdout) = &mut self.stdout {
            stdout.read_to_string(&mut rest)?;
        }
        Ok(rest)
    }

    /// Returns the CPU time in nanoseconds of the first thread; servers have no other.
    pub(crate) fn cpu_ns(&self) -> Result<u64> {
        let stat = fs::read_to_string(format!("/proc/{}/schedstat", self.child.id()))?;
        let ns = stat.split(' ').next().ok_or("no CPU time")?;
        Ok(ns.parse()?)
    }

    pub(crate) fn resident_bytes(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let kilobytes = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:")?.strip_suffix("kB"))
            .ok_or("no resident size")?;
        Ok(kilobytes.trim().parse::<u64>()? * 1024)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have exited already.
        let _: io::Result<()> = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let upper = values.len() / 2;
    let lower = values.len().saturating_sub(1) / 2;
    match (values.get(lower), values.get(upper)) {
        (Some(lower), Some(upper)) => f64::midpoint(*lower, *upper),
        _ => f64::NAN,
    }
}

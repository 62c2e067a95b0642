//! Programs that are built, run and ended here.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::shell::{LONG, cargo, output, run, target_dir};

/// How long a program may take to say that it listens.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) fn build() -> Result<()> {
    run(
        &mut cargo(&[
            "build",
            "--locked",
            "--release",
            "--bins",
            "-p",
            "tcp-echo-benches",
            "-p",
            "tcp-echo-metrics",
        ]),
        LONG,
    )
}

/// A program in its release build.
pub(super) fn release(name: &str) -> PathBuf {
    target_dir().join("release").join(name)
}

/// Runs one of the benches' programs, shows how, and reads the JSON that it prints.
pub(super) fn json(name: &str, arguments: &[&str]) -> Result<(String, Value)> {
    let shown = format!("target/release/{name} {}", arguments.join(" "));
    println!("    $ {shown}");
    let text = output(Command::new(release(name)).args(arguments))?;
    let last = serde_json::from_str(&text).or_else(|_| {
        // Some say first that they have begun.
        serde_json::from_str(text.lines().last().unwrap_or_default())
    });
    Ok((shown, last.with_context(|| format!("{name} said {text}"))?))
}

/// A number in it.
pub(super) fn number(value: &Value, pointer: &str) -> Result<f64> {
    let found = value.pointer(pointer).and_then(Value::as_f64);
    found.with_context(|| format!("no number at {pointer}"))
}

/// Ends with its guard; both outputs go to a file.
pub(super) struct Program {
    child: Child,
    log: PathBuf,
}

impl Program {
    pub(super) fn start(command: &mut Command, name: &str) -> Result<Self> {
        let folder = target_dir().join("bench");
        fs::create_dir_all(&folder)?;
        let log = folder.join(name).with_extension("log");
        let file = File::create(&log)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("{name} does not start"))?;
        Ok(Self { child, log })
    }

    /// The word after `before` in its output, once it is there.
    pub(super) fn says(&mut self, before: &str) -> Result<String> {
        let end = Instant::now() + PATIENCE;
        loop {
            let text = fs::read_to_string(&self.log)?;
            if let Some((_, rest)) = text.split_once(before)
                && let Some((word, _)) = rest.split_once(char::is_whitespace)
            {
                return Ok(word.to_owned());
            }
            let ended = self.child.try_wait()?.is_some();
            if ended || Instant::now() > end {
                bail!("{before:?} is not in its output: {text}");
            }
            sleep(Duration::from_millis(10));
        }
    }

    /// Processor time of all its threads.
    pub(super) fn cpu(&self) -> Result<Duration> {
        let mut ns = 0;
        for thread in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let stat = fs::read_to_string(thread?.path().join("schedstat"))?;
            let spent = stat.split(' ').next().context("no processor time")?;
            ns += spent.parse::<u64>()?;
        }
        Ok(Duration::from_nanos(ns))
    }

    /// Tells it to end, and gives how long that takes.
    pub(super) fn stop(&mut self) -> Result<Duration> {
        let start = Instant::now();
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        while self.child.try_wait()?.is_none() {
            if start.elapsed() > PATIENCE {
                bail!("it does not end");
            }
            sleep(Duration::from_millis(1));
        }
        Ok(start.elapsed())
    }

    pub(super) fn resident_bytes(&self) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let kilobytes = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:")?.strip_suffix("kB"))
            .context("no resident size")?;
        Ok(kilobytes.trim().parse::<f64>()? * 1024.0)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One GET by HTTP/1.0, where the body ends with the connection: the body, and how long it took.
pub(super) fn get(address: SocketAddr, path: &str, more: &str) -> Result<(Vec<u8>, Duration)> {
    let start = Instant::now();
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n{more}\r\n").as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let took = start.elapsed();
    let end = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .context("no end of headers")?;
    if !answer.starts_with(b"HTTP/1.") || answer.get(9..12) != Some(b"200") {
        bail!("GET {path}: {}", String::from_utf8_lossy(&answer[..end]));
    }
    Ok((answer.split_off(end + 4), took))
}

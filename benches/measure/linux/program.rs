//! Programs that are built, run and ended here.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use rustix::process::Signal;
use serde_json::Value;

use testkit::http::exchange;
use testkit::process::Process;
use testkit::shell::{LONG, cargo, output, run, target_dir};
use testkit::wait;

/// How long a program may take to say that it listens.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Cargo's profile of the programs that run.
static PROFILE: OnceLock<&str> = OnceLock::new();

/// Builds the programs as they are released, or in brief as people build them.
pub(super) fn build(quick: bool) -> Result<()> {
    let profile = PROFILE.get_or_init(|| if quick { "release" } else { "dist" });
    let mut command = cargo(&["build", "--locked", "--profile", profile, "--bins"]);
    command.args(["-p", "tcp-echo-benches", "-p", "tcp-echo-metrics"]);
    run(&mut command, LONG)
}

/// Where cargo puts programs, below its own folder.
pub(super) fn folder() -> &'static str {
    PROFILE.get().copied().unwrap_or("release")
}

/// A program that was built.
pub(super) fn path(name: &str) -> PathBuf {
    target_dir().join(folder()).join(name)
}

/// Runs one of the benches' programs, shows how, and reads the JSON that it prints.
pub(super) fn json(name: &str, arguments: &[&str]) -> Result<(String, Value)> {
    let shown = format!("target/{}/{name} {}", folder(), arguments.join(" "));
    println!("    $ {shown}");
    let text = output(Command::new(path(name)).args(arguments))?;
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

/// A program beside the benches, which ends with its owner.
pub(super) struct Program(Process);

impl Program {
    pub(super) fn start(command: &mut Command, name: &str) -> Result<Self> {
        let folder = target_dir().join("bench");
        fs::create_dir_all(&folder)?;
        let log = folder.join(name).with_extension("log");
        Ok(Self(Process::start(name, log, command)?))
    }

    /// The word after `before` in its output, once it is there.
    pub(super) fn says(&mut self, before: &str) -> Result<String> {
        let what = format!("{before:?} in its output");
        let word = wait::until(&what, TIMEOUT, || {
            let ended = self.0.ended();
            let text = self.0.log();
            let word = text.split_once(before).and_then(|(_, rest)| {
                let (word, _) = rest.split_once(char::is_whitespace)?;
                Some(word.to_owned())
            });
            match (word, ended) {
                (Some(word), _) => Some(Ok(word)),
                (None, Some(status)) => Some(Err(anyhow!("{status}, without {what}: {text}"))),
                (None, None) => None,
            }
        });
        word.with_context(|| self.0.log())?.0
    }

    /// Processor time of all its threads.
    pub(super) fn cpu(&self) -> Result<Duration> {
        self.0.cpu()
    }

    /// Tells it to end, and gives how long that takes.
    pub(super) fn stop(&mut self) -> Result<Duration> {
        self.0.signal(Signal::TERM)?;
        Ok(self.0.wait(TIMEOUT)?.1)
    }

    /// What it has allocated, without its code.
    pub(super) fn anonymous_bytes(&self) -> Result<f64> {
        let kib = u32::try_from(self.0.memory_kib("RssAnon")?)?;
        Ok(f64::from(kib) * 1024.0)
    }

    pub(super) fn resident_bytes(&self) -> Result<f64> {
        let kib = u32::try_from(self.0.memory_kib("VmRSS")?)?;
        Ok(f64::from(kib) * 1024.0)
    }
}

/// One GET: the body, and how long it took.
pub(super) fn get(
    address: SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
) -> Result<(Vec<u8>, Duration)> {
    let start = Instant::now();
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    let response = exchange(stream, "GET", path, headers)?;
    ensure!(response.status == 200, "GET {path}: {}", response.status);
    Ok((response.body, start.elapsed()))
}

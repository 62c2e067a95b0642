//! `cargo xtask windows`: the binary for Windows, as a program and as a service, under
//! wine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::harness::context::Context;
use super::harness::echo::Echo;
use super::harness::exposition::Scrape;
use super::harness::http::Endpoint;
use super::harness::netns::Inside;
use super::harness::process::Process;
use super::harness::{ports, wait};
use crate::report::{Report, skip};
use crate::shell::{LONG, cargo, has, run, target_dir};
use crate::windows::{PACKAGES, build, missing_library};

/// wine is slow to start, and slower the first time.
const SLOW: Duration = Duration::from_secs(60);
const LIMIT: &str = "60";
/// Where the program is, in a folder with a space in its name.
const FOLDER: &str = "drive_c/Program Files/Echo";
const PROGRAM: &str = r"C:\Program Files\Echo\tcp-echo-metrics.exe";
const SERVICE: &str = "tcp-echo-metrics";

pub(super) fn check(report: &mut Report) {
    let mut built = None;
    report.step("windows: build", || {
        built = Some(build()?);
        Ok(())
    });
    let Some(built) = built else { return };
    report.step("windows: build for Linux", || {
        run(
            &mut cargo(&["build", "--locked", "-p", "tcp-echo-metrics"]),
            LONG,
        )
    });
    report.step("windows: a program and a service under wine", || {
        under_wine(&built)
    });
}

fn under_wine(built: &Path) -> Result<()> {
    if !has("wine") {
        return skip(format!("no wine; Debian's packages: {PACKAGES}"));
    }
    let linux = target_dir().join("debug/tcp-echo-metrics");
    let context = Context::new(&linux)?;
    let wine = Wine::new(context.folder().join("wine"), built)?;
    let outcome = across(&context, &wine).and_then(|()| service(&context, &wine));
    print!("{}", context.notes());
    if outcome.is_err() {
        print!("{}{}", context.logs(), wine.service_log());
    }
    outcome
}

/// The program on either system probes that on the other.
fn across(context: &Context, wine: &Wine) -> Result<()> {
    let [here, there, metrics] = [ports::free()?, ports::free()?, ports::free()?];
    let flags = |listen, target| {
        [
            "-mode=both".to_owned(),
            "-interval=10ms".to_owned(),
            format!("-listen={listen}"),
            format!("-target={target}"),
        ]
    };
    let mut command = wine.program();
    command
        .args(flags(there, here))
        .arg(format!("-metrics={metrics}"));
    let _windows = Process::spawn(context, "windows", &mut command)?;
    let flags = flags(here, there);
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let linux = Echo::start(context, &flags)?;
    for (name, endpoint) in [("Linux", linux.metrics.clone()), ("Windows", at(metrics))] {
        let (scrape, _) = replies(&endpoint)?;
        let sent = scrape.sum("tcp_echo_sent_total", &[]);
        let received = scrape.sum("tcp_echo_received_total", &[]);
        context.note(format!("{name} has sent {sent} and received {received}"));
    }
    Ok(())
}

/// Installed, started, asked, changed, stopped and deleted.
fn service(context: &Context, wine: &Wine) -> Result<()> {
    let [listen, metrics, other] = [ports::free()?, ports::free()?, ports::free()?];
    let listen_at = format!("-listen={listen}");
    let target = format!(r#"-target=a b"c\={listen}"#);
    wine.echo(&["-svc=status"], 4)?;
    let refused = wine.echo(&["-svc=start"], 1)?;
    ensure!(refused.contains("-svc=install"), "{refused}");
    let metrics_at = format!("-metrics={metrics}");
    let said = wine.echo(
        &[
            "-svc=install",
            "-mode=both",
            "-interval=10ms",
            &listen_at,
            &metrics_at,
            &target,
        ],
        0,
    )?;
    context.note(said.trim().replace('\n', "; "));
    wine.echo(&["-svc=status"], 3)?;
    wine.echo(&["-svc=start"], 0)?;
    let state = wine.sc(&["query", SERVICE])?;
    ensure!(state.contains("RUNNING"), "{state}");
    wine.echo(&["-svc=status"], 0)?;
    let (scrape, _) = replies(&at(metrics))?;
    scrape.get("tcp_echo_sent_total", &[("target", r#"a b"c\"#)])?;

    let metrics_at = format!("-metrics={other}");
    let said = wine.echo(&["-svc=install", &listen_at, &metrics_at], 0)?;
    ensure!(said.contains("has been restarted"), "{said}");
    let scrape = Scrape::parse(&at(other).get("/metrics")?)?;
    ensure!(
        scrape.matching("tcp_echo_sent_total", &[]).next().is_none(),
        "old flags"
    );

    // By the system's own tool.
    wine.sc(&["stop", SERVICE])?;
    wait::until("a stopped service", SLOW, || {
        wine.echo(&["-svc=status"], 3).ok()
    })?;
    wine.sc(&["start", SERVICE])?;
    wait::until("a service that answers", SLOW, || {
        at(other).get("/-/ready").ok()
    })?;
    let log = wine.service_log();
    ensure!(
        log.contains("echo server listens") && log.contains("order=stop"),
        "{log}"
    );
    wine.echo(&["-svc=uninstall"], 0)?;
    ensure!(
        at(other).get("/-/ready").is_err(),
        "it runs after its removal"
    );
    wine.echo(&["-svc=status"], 4)?;
    Ok(())
}

fn replies(endpoint: &Endpoint) -> Result<(Scrape, Duration)> {
    wait::until("replies", SLOW, || {
        let scrape = Scrape::parse(&endpoint.get("/metrics").ok()?).ok()?;
        (scrape.sum("tcp_echo_received_total", &[]) >= 10.0).then_some(scrape)
    })
}

fn at(address: std::net::SocketAddr) -> Endpoint {
    Endpoint {
        address,
        inside: Inside::default(),
    }
}

/// A Windows of its own, in a folder.
struct Wine(PathBuf);

impl Wine {
    fn new(prefix: PathBuf, built: &Path) -> Result<Self> {
        let wine = Self(prefix);
        wine.output(Command::new("wine").args(["cmd", "/c", "ver"]))?;
        let folder = wine.0.join(FOLDER);
        fs::create_dir_all(&folder)?;
        fs::copy(built, folder.join("tcp-echo-metrics.exe"))?;
        missing_library(&folder)?;
        Ok(wine)
    }

    fn environment<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .env("WINEPREFIX", &self.0)
            .env("WINEDEBUG", "-all")
            .env_remove("DISPLAY")
    }

    fn output(&self, command: &mut Command) -> Result<Output> {
        let mut limited = Command::new("timeout");
        limited
            .arg(LIMIT)
            .arg(command.get_program())
            .args(command.get_args());
        self.environment(&mut limited).output().context("timeout")
    }

    /// The program, to be given flags.
    fn program(&self) -> Command {
        let mut command = Command::new("wine");
        command.arg(PROGRAM);
        self.environment(&mut command);
        command
    }

    /// Runs the program with these flags, which has to end with this status; gives what
    /// it printed.
    fn echo(&self, flags: &[&str], status: i32) -> Result<String> {
        let output = self.output(Command::new("wine").arg(PROGRAM).args(flags))?;
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        ensure!(
            output.status.code() == Some(status),
            "{flags:?}: {}: {said}",
            output.status
        );
        Ok(said)
    }

    fn sc(&self, arguments: &[&str]) -> Result<String> {
        let output = self.output(Command::new("wine").arg("sc").args(arguments))?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(
            output.status.success(),
            "sc {arguments:?}: {}: {said}",
            output.status
        );
        Ok(said)
    }

    /// What the service has logged beside its program.
    fn service_log(&self) -> String {
        let log = self.0.join(FOLDER).join(format!("{SERVICE}.log"));
        fs::read_to_string(log).unwrap_or_default()
    }
}

impl Drop for Wine {
    fn drop(&mut self) {
        // Ends everything that runs in this one, before its folder goes.
        let mut command = Command::new("wineserver");
        for argument in ["--kill", "--wait"] {
            let _ = self.environment(command.arg(argument)).status();
            command = Command::new("wineserver");
        }
    }
}

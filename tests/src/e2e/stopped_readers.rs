//! Output that nobody reads must not block the program.

use std::io::{self, PipeReader, PipeWriter, Write as _, pipe};
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use testkit::context::Context;
use testkit::echo::EchoServer;
use testkit::endpoint::Endpoint;
use testkit::{ports, wait};

use crate::runner::{PLAIN, Scenario};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "readers that stop: log and notify socket",
        run: service,
        ..PLAIN
    },
    Scenario {
        name: "readers that stop: report",
        run: foreground,
        ..PLAIN
    },
];

/// The capacity of a pipe.
const PIPE: usize = 64 * 1024;
const RECEIVED: &str = "tcp_echo_received_total";
const LIMIT: Duration = Duration::from_secs(20);
/// The time limit from a signal to the exit.
const END: Duration = Duration::from_secs(2);

/// Runs as a service whose log and notifications nobody reads.
fn service(context: &Context) -> Result<()> {
    let server = EchoServer::start(context, &[])?;
    let list = context.file("targets.yml", "[]")?;
    let notify = context.folder().join("notify");
    let _manager = full_socket(&notify)?;
    let (_reader, stderr) = full_pipe()?;
    let mut command = probing(context, &server);
    command
        .arg(format!("-targets={}", list.display()))
        .env("NOTIFY_SOCKET", &notify)
        .env("WATCHDOG_USEC", "60000")
        .stderr(stderr);
    let mut program = Program::start(&mut command)?;
    program.until_received(50.0)?;
    // An invalid list is logged, with a long line because of the long name.
    let name = "n".repeat(20_000);
    let entry = format!("- targets: ['127.0.0.1:9']\n  labels: {{target: '{name}'}}\n");
    context.file("targets.yml", &entry.repeat(2))?;
    let metrics = program.metrics.clone();
    let (scrape, _) = program.metrics.until("dropped lines", LIMIT, |scrape| {
        let _ = metrics.request("POST", "/-/reload", &[]);
        scrape.sum("tcp_echo_log_lines_dropped_total", &[]) >= 1.0
    })?;
    program.until_received(scrape.sum(RECEIVED, &[]) + 50.0)?;
    let took = program.terminate()?;
    context.note(format!(
        "with standard error and the manager's socket unread, SIGTERM takes {} ms",
        took.as_millis()
    ));
    Ok(())
}

/// Runs in the foreground; nobody reads the report or the line for each reply.
fn foreground(context: &Context) -> Result<()> {
    let server = EchoServer::start(context, &[])?;
    let (_reader, stderr) = full_pipe()?;
    let (_other, stdout) = full_pipe()?;
    let mut command = probing(context, &server);
    command.arg("-v").stderr(stderr).stdout(stdout);
    let mut program = Program::start(&mut command)?;
    // More lines than the buffers hold.
    program.until_received(1000.0)?;
    let took = program.terminate()?;
    context.note(format!(
        "with standard error and standard output unread, SIGTERM takes {} ms",
        took.as_millis()
    ));
    Ok(())
}

fn probing(context: &Context, server: &EchoServer) -> Command {
    let mut command = Command::new(context.binary());
    command
        .args(["-mode=client", "-interval=5ms"])
        .arg(format!("-target=echo={}", server.address))
        .stdin(Stdio::null());
    command
}

/// The program with its own standard output and standard error.
struct Program {
    child: Child,
    metrics: Endpoint,
}

impl Program {
    fn start(command: &mut Command) -> Result<Self> {
        let address = ports::free()?;
        let child = command.arg(format!("-metrics={address}")).spawn()?;
        Ok(Self {
            child,
            metrics: Endpoint::at(address),
        })
    }

    fn until_received(&mut self, replies: f64) -> Result<()> {
        let what = format!("{replies} replies");
        self.metrics
            .until(&what, LIMIT, |scrape| scrape.sum(RECEIVED, &[]) >= replies)
            .map(drop)
    }

    /// Sends SIGTERM and waits for the exit; returns the time it took.
    fn terminate(&mut self) -> Result<Duration> {
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        let (_, took) = wait::until("the exit", LIMIT, || self.child.try_wait().ok().flatten())?;
        ensure!(took <= END, "the exit took {} ms", took.as_millis());
        Ok(took)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have exited already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Creates a pipe whose buffer is full.
fn full_pipe() -> Result<(PipeReader, PipeWriter)> {
    let (reader, mut writer) = pipe()?;
    writer.write_all(&vec![b'\n'; PIPE])?;
    Ok((reader, writer))
}

/// Creates a service manager's socket whose queue is full.
fn full_socket(path: &std::path::Path) -> Result<UnixDatagram> {
    let socket = UnixDatagram::bind(path).context("notify socket")?;
    let sender = UnixDatagram::unbound()?;
    sender.set_nonblocking(true)?;
    loop {
        match sender.send_to(b"full", path) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(socket),
            Err(error) => bail!(error),
        }
    }
}

//! Conditions of the prober's host that must not distort its measurements: a stopped process, a
//! socket that connects to itself, and too many probes in flight.

use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};
use rustix::process::Signal;
use testkit::context::Context;
use testkit::echo::{Echo, EchoServer};
use testkit::netns::Namespace;
use testkit::process::Process;
use testkit::relay::{Mode, Relay};
use testkit::shell::{output, program};
use testkit::{ports, wait};

use crate::runner::{PLAIN, Scenario};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "a prober that is stopped",
        alone: true,
        run: stopped,
        ..PLAIN
    },
    Scenario {
        name: "a port that connects to itself",
        tools: &[("ip", "iproute2"), ("sysctl", "procps")],
        root: true,
        run: self_connect,
        ..PLAIN
    },
    Scenario {
        name: "a timeout too long for its interval",
        run: too_many_in_flight,
        ..PLAIN
    },
];

const LIMIT: Duration = Duration::from_secs(10);
const DELAY: Duration = Duration::from_millis(350);
const STOPPED: Duration = Duration::from_millis(1500);

/// Checks that replies that reached the host while the process was stopped don't time out.
fn stopped(context: &Context) -> Result<()> {
    let server = EchoServer::start(context, &[])?;
    let relay = Relay::start(server.address)?;
    relay.set(Mode::Pass(DELAY));
    let target = format!("-target={}", relay.address());
    let echo = Echo::start(context, &["-mode=client", &target, "-interval=100us"])?;
    echo.until("replies", LIMIT, |scrape| {
        scrape.sum("tcp_echo_received_total", &[]) > 5000.0
    })?;
    let before = echo.scrape()?;
    echo.process.signal(Signal::STOP)?;
    std::thread::sleep(STOPPED);
    echo.process.signal(Signal::CONT)?;
    let received = before.sum("tcp_echo_received_total", &[]);
    let (after, _) = echo.until("replies after the stop", LIMIT, |scrape| {
        scrape.sum("tcp_echo_received_total", &[]) > received + 10_000.0
    })?;
    let rise = |name: &str, labels| after.sum(name, labels) - before.sum(name, labels);
    let in_flight = before.sum("tcp_echo_in_flight", &[]);
    let missed = rise("tcp_echo_unsent_total", &[("reason", "overrun")]);
    context.note(format!(
        "stopped with {in_flight} probes in flight: {} timeouts, {missed} slots missed",
        rise("tcp_echo_timeouts_total", &[])
    ));
    ensure!(in_flight > 1000.0, "too few probes in flight");
    ensure!(
        rise("tcp_echo_timeouts_total", &[]) == 0.0,
        "replies that arrived in time count as timeouts"
    );
    ensure!(
        rise("tcp_echo_disconnects_total", &[]) == 0.0,
        "the connection was closed"
    );
    ensure!(missed > 10_000.0, "only {missed} overrun slots");
    Ok(())
}

/// Checks a target at the only ephemeral port, to which a connecting socket could connect itself.
fn self_connect(context: &Context) -> Result<()> {
    const PORT: u16 = 40_000;
    let host = Namespace::new()?;
    let set_ports = |first: u16| -> Result<()> {
        let range = format!("net.ipv4.ip_local_port_range={first} {PORT}");
        let exec = ["netns", "exec", host.name(), "sysctl", "-q", "-w", &range];
        output(&mut program("ip", &exec)).map(drop)
    };
    set_ports(PORT)?;

    let target = format!("-target=127.0.0.1:{PORT}");
    let flags = ["-mode=client", &target, "-interval=10ms", "-window=10"];
    let echo = Echo::start_in(context, &host.inside(), &flags)?;
    let refused = [("reason", "refused")];
    let (scrape, _) = echo.until("attempts", LIMIT, |scrape| {
        scrape.sum("tcp_echo_connect_failures_total", &refused) >= 3.0
    })?;
    for name in ["tcp_echo_connects_total", "tcp_echo_sent_total"] {
        ensure!(scrape.sum(name, &[]) == 0.0, "it probes itself: {name}");
    }
    ensure!(scrape.sum("tcp_echo_loss_ratio", &[]) == 1.0, "no loss");

    // The attempts must leave the port free for a server.
    let listen = format!("-listen=127.0.0.1:{PORT}");
    let metrics = format!("-metrics={}", ports::free()?);
    let start = || {
        let mut command = host.inside().command(context.binary());
        command.args(["-mode=server", &listen, &metrics]);
        Process::spawn(context, "server", &mut command)
    };
    let mut server = start()?;
    wait::until("a server at the port", LIMIT, || {
        if server.ended().is_some() {
            // An attempt used the port at that moment.
            server = start().ok()?;
        }
        server.log().contains("echo server listens").then_some(())
    })?;
    // The server uses the only port, so more are needed to connect from.
    set_ports(PORT - 1000)?;
    echo.until("the server is probed", LIMIT, |scrape| {
        scrape.sum("tcp_echo_received_total", &[]) > 0.0
    })?;
    Ok(())
}

/// Checks the error for a flag and for a targets file.
fn too_many_in_flight(context: &Context) -> Result<()> {
    let run = |arguments: &[&str]| -> Result<String> {
        let result = Command::new(context.binary()).args(arguments).output()?;
        ensure!(!result.status.success(), "it accepts {arguments:?}");
        Ok(String::from_utf8_lossy(&result.stderr).into_owned())
    };
    let error = run(&["-mode=client", "-interval=1us", "-timeout=1h"])?;
    ensure!(error.contains("-timeout"), "{error}");
    ensure!(error.contains("-interval"), "{error}");
    let list = r#"[{"targets": ["localhost:1"], "labels": {"__probe_timeout__": "24h"}}]"#;
    let file = context.file("targets.json", list)?;
    let file = format!("-targets={}", file.display());
    let error = run(&[
        "-mode=client",
        "-interval=10ms",
        &file,
        "-metrics=127.0.0.1:0",
    ])?;
    ensure!(error.contains("targets.json"), "{error}");
    ensure!(error.contains("__probe_timeout__"), "{error}");
    Ok(())
}

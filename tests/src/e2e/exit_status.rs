//! Startup errors: status 2 for invalid flags, status 1 for a port in use. The statuses of
//! `-health`.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;
use socket2::{Domain, Socket, Type};
use testkit::context::Context;
use testkit::echo::{Echo, run_to_exit};
use testkit::ports;
use testkit::process::Process;
use testkit::wait;

use super::web_config::{HASH, certificate};
use crate::runner::{PLAIN, Scenario};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "invalid flags",
        run: invalid_flags,
        ..PLAIN
    },
    Scenario {
        name: "ports in use",
        run: ports_in_use,
        ..PLAIN
    },
    Scenario {
        name: "health of a process",
        run: health,
        ..PLAIN
    },
    Scenario {
        name: "health of a process with TLS",
        tools: &[("openssl", "openssl")],
        run: health_with_tls,
        ..PLAIN
    },
];

const LIMIT: Duration = Duration::from_secs(3);

fn invalid_flags(context: &Context) -> Result<()> {
    for (flags, name) in [
        (&["-mode=neither"][..], "mode"),
        (&["-interval=5"], "interval"),
        (&["-timeout=fast"], "timeout"),
        (&["-window=0"], "window"),
        (&["-interval"], "interval"),
        (&["-no-such-flag=1"], "no-such-flag"),
        (&["-target=host"], "target"),
        (&["stray host"], "stray host"),
    ] {
        let (code, output) = run_to_exit(context, flags, LIMIT)?;
        ensure!(code == Some(2), "{flags:?}: status {code:?}: {output}");
        ensure!(output.contains(name), "{flags:?}: {output}");
        ensure!(
            output
                .lines()
                .next()
                .is_some_and(|line| line.contains(name)),
            "{flags:?}: {output}"
        );
    }
    for help in ["-help", "--help", "-h", "-version", "--version"] {
        let (code, output) = run_to_exit(context, &[help], LIMIT)?;
        ensure!(
            code == Some(0) && !output.is_empty(),
            "{help}: status {code:?}: {output}"
        );
    }
    Ok(())
}

fn ports_in_use(context: &Context) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let taken = listener.local_addr()?.to_string();
    for mode in ["server", "client", "both"] {
        let mode_flag = format!("-mode={mode}");
        let free = [ports::free()?.to_string(), ports::free()?.to_string()];
        let both: [(&str, &str); 2] = [(&taken, &free[0]), (&free[1], &taken)];
        // A client listens only for metrics.
        for (listen, metrics) in &both[usize::from(mode == "client")..] {
            let (listen, metrics) = (format!("-listen={listen}"), format!("-metrics={metrics}"));
            let (code, output) = run_to_exit(context, &[&mode_flag, &listen, &metrics], LIMIT)?;
            ensure!(
                code == Some(1),
                "{mode} {listen} {metrics}: status {code:?}: {output}"
            );
            let lines = output.lines().filter(|line| line.contains(&taken)).count();
            ensure!(
                lines == 1,
                "{mode} {listen} {metrics}: the address is not in exactly one line: {output}"
            );
        }
    }
    Ok(())
}

/// Checks the answers of `-health` without a process, while it has targets to try, when it is ready,
/// and when it hangs.
fn health(context: &Context) -> Result<()> {
    let metrics = ports::free()?;
    let ask = |metrics: &str, extra: &[&str], code: i32, reason: &str| {
        let flags = [&["-health", metrics], extra].concat();
        let (status, output) = run_to_exit(context, &flags, LIMIT)?;
        ensure!(status == Some(code), "{flags:?}: {status:?}: {output}");
        ensure!(output.contains(reason), "{flags:?}: {output}");
        ensure!(output.lines().count() == usize::try_from(code)?, "{output}");
        anyhow::Ok(())
    };
    let at = format!("-metrics={metrics}");
    ask(&at, &[], 1, "refused")?;

    let listen = format!("-listen={}", ports::free()?);
    let echo = Echo::start(context, &["-mode=server", &listen])?;
    let address = echo.metrics.address;
    let all = [
        format!("-metrics={address}"),
        format!("-metrics=:{}", address.port()),
        format!("-metrics=0.0.0.0:{}", address.port()),
        format!("-metrics=localhost:{}", address.port()),
    ];
    for at in &all {
        // Flags of the process don't matter: nothing is read, resolved or started.
        ask(at, &["-mode=both", &listen, "-targets=missing.yml"], 0, "")?;
    }
    echo.process.signal(Signal::STOP)?;
    for at in &all[..2] {
        ask(at, &[], 1, "no answer within 2 s")?;
    }
    echo.process.signal(Signal::CONT)?;
    ask(&all[0], &[], 0, "")?;
    echo.end_by(Signal::TERM)?;

    // A target is tried once its connection is refused or made. This one's queue is full.
    let full = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    full.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
    full.listen(0)?;
    let target = full.local_addr()?.as_socket().context("an address")?;
    let _queued = TcpStream::connect(target)?;
    let target = format!("-target={target}");
    let flags = ["-mode=client", &target, "-timeout=30s"];
    let echo = Echo::start(context, &flags)?;
    let at = format!("-metrics={}", echo.metrics.address);
    ask(&at, &[], 1, "1 of 1 targets not tried yet")?;
    echo.end_by(Signal::TERM)?;
    Ok(())
}

/// Checks the answers of `-health` where endpoints have TLS, and want passwords or certificates.
fn health_with_tls(context: &Context) -> Result<()> {
    let address = ports::free()?;
    certificate(context, "server", address, None)?;
    let metrics = format!("-metrics={address}");
    let listen = format!("-listen={}", ports::free()?);
    let wanted = "client_auth_type: RequireAndVerifyClientCert, client_ca_file: server.crt";
    for (name, tls, rest) in [
        ("tls", "", String::new()),
        (
            "password",
            "",
            format!("basic_auth_users: {{alice: '{HASH}'}}\n"),
        ),
        ("certificate", wanted, String::new()),
        (
            "certificate-12",
            &format!("max_version: TLS12, {wanted}"),
            String::new(),
        ),
    ] {
        let text = format!(
            "tls_server_config: {{cert_file: server.crt, key_file: server.key, {tls}}}\n{rest}"
        );
        let config = context.file(&format!("{name}.yml"), &text)?;
        let config = format!("-web.config.file={}", config.display());
        let flags = ["-mode=server", &listen, &metrics, &config];
        let mut command = Command::new(context.binary());
        let mut process = Process::spawn(context, name, command.args(flags))?;
        wait::until("endpoints", LIMIT, || TcpStream::connect(address).ok())?;
        let (code, output) = run_to_exit(context, &[&flags[..], &["-health"]].concat(), LIMIT)?;
        ensure!(
            code == Some(0) && output.is_empty(),
            "{name}: {code:?}: {output}"
        );
        process.signal(Signal::TERM)?;
        process.wait(LIMIT)?;
    }
    Ok(())
}

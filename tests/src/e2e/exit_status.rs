//! Startup errors: status 2 for invalid flags, status 1 for a port in use.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use anyhow::{Result, ensure};
use rustix::process::Signal;
use testkit::context::Context;
use testkit::echo::{Echo, run_to_exit};
use testkit::ports;

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
        name: "health: status 0 of a process that is ready",
        run: health,
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

/// Asks the process at `-metrics` whether it is ready.
fn health(context: &Context) -> Result<()> {
    let ask = |metrics: SocketAddr, code: i32, reason: &str| {
        let flags = ["-health", &format!("-metrics={metrics}")];
        let (found, output) = run_to_exit(context, &flags, LIMIT)?;
        ensure!(found == Some(code), "{metrics}: status {found:?}: {output}");
        ensure!(output.contains(reason), "{metrics}: {output}");
        anyhow::Ok(())
    };
    let server = Echo::start(context, &["-mode=server", "-listen=127.0.0.1:0"])?;
    ask(server.metrics.address, 0, "")?;
    let metrics = server.metrics.address;
    server.end_by(Signal::TERM)?;
    ask(metrics, 1, "not ready: ")?;

    let silent = TcpListener::bind("127.0.0.1:0")?;
    ask(silent.local_addr()?, 1, "no answer within 2 s")?;
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

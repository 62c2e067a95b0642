//! What ends a start: bad flags by status 2, a taken port by status 1.

use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};
use testkit::context::Context;
use testkit::ports;
use testkit::process::Process;

use crate::runner::{PLAIN, Scenario};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "bad flags",
        run: bad_flags,
        ..PLAIN
    },
    Scenario {
        name: "taken ports",
        run: taken_ports,
        ..PLAIN
    },
];

const LIMIT: Duration = Duration::from_secs(3);

/// Runs the binary to its end, and gives its status and what it said.
fn ended(context: &Context, flags: &[&str]) -> Result<(Option<i32>, String)> {
    let mut command = Command::new(context.binary());
    let mut process = Process::spawn(context, "tcp-echo-metrics", command.args(flags))?;
    let (status, _) = process.wait(LIMIT)?;
    Ok((status.code(), process.log()))
}

fn bad_flags(context: &Context) -> Result<()> {
    for (flags, named) in [
        (&["-mode=neither"][..], "mode"),
        (&["-interval=5"], "interval"),
        (&["-timeout=fast"], "timeout"),
        (&["-window=0"], "window"),
        (&["-interval"], "interval"),
        (&["-no-such-flag=1"], "no-such-flag"),
        (&["-target=host"], "target"),
        (&["stray"], "stray"),
    ] {
        let (code, said) = ended(context, flags)?;
        ensure!(code == Some(2), "{flags:?}: status {code:?}: {said}");
        ensure!(said.contains(named), "{flags:?}: {said}");
        ensure!(
            said.lines().next().is_some_and(|line| line.contains(named)),
            "{flags:?}: {said}"
        );
    }
    for flag in ["-help", "--help", "-h", "-version", "--version"] {
        let (code, said) = ended(context, &[flag])?;
        ensure!(
            code == Some(0) && !said.is_empty(),
            "{flag}: status {code:?}: {said}"
        );
    }
    Ok(())
}

fn taken_ports(context: &Context) -> Result<()> {
    let holder = TcpListener::bind("127.0.0.1:0")?;
    let taken = holder.local_addr()?.to_string();
    for mode in ["server", "client", "both"] {
        let mode_flag = format!("-mode={mode}");
        let free = [ports::free()?.to_string(), ports::free()?.to_string()];
        let both: [(&str, &str); 2] = [(&taken, &free[0]), (&free[1], &taken)];
        // A client listens at its metrics only.
        for (listen, metrics) in &both[usize::from(mode == "client")..] {
            let (listen, metrics) = (format!("-listen={listen}"), format!("-metrics={metrics}"));
            let (code, said) = ended(context, &[&mode_flag, &listen, &metrics])?;
            ensure!(
                code == Some(1),
                "{mode} {listen} {metrics}: status {code:?}: {said}"
            );
            let clear = said.lines().filter(|line| line.contains(&taken)).count();
            ensure!(
                clear == 1,
                "{mode} {listen} {metrics}: not one clear line: {said}"
            );
        }
    }
    Ok(())
}

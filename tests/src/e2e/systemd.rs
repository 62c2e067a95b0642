//! The program as a service under a real systemd.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use testkit::context::Context;
use testkit::exposition::Scrape;
use testkit::machine::{BINARY, Machine, TOOLS};
use testkit::wait;

use crate::runner::{PLAIN, Scenario};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "systemd: a service from install to uninstall",
        tools: TOOLS,
        root: true,
        alone: true,
        run: install_to_uninstall,
    },
    Scenario {
        name: "systemd: errors of service actions",
        run: action_errors,
        ..MACHINE
    },
    Scenario {
        name: "systemd: binary in a home, low ports, an account, a user service",
        run: variants,
        ..MACHINE
    },
    Scenario {
        name: "systemd: watchdog and sockets of the packaged units",
        run: packaged,
        ..MACHINE
    },
];

const MACHINE: Scenario = Scenario {
    tools: TOOLS,
    root: true,
    alone: true,
    ..PLAIN
};

const UNIT: &str = "tcp-echo-metrics";
const LIMIT: Duration = Duration::from_secs(20);
/// The maximum exposure level of `systemd-analyze security`.
const MAX_EXPOSURE: f64 = 2.0;

/// Target names with quotes, specifiers, variables and escapes, which must reach the program unchanged.
const NAMES: [&str; 4] = [
    "a b\"c'd",
    "%n %% %h",
    "$HOME ${HOME} $$ $",
    "\\ \\n \\x41 ; # é",
];

fn install_to_uninstall(context: &Context) -> Result<()> {
    let machine = Machine::boot(context)?;
    let before = machine.files()?;
    ensure!(machine.refused(&["-svc=status"], 4)?.is_empty(), "status");

    let targets: Vec<String> = NAMES
        .iter()
        .map(|name| format!("-target={name}=127.0.0.1:4000"))
        .collect();
    let mut flags = vec!["-svc", "install", "-mode", "both", "-interval=10ms"];
    flags.extend(targets.iter().map(String::as_str));
    let output = machine.echo(&flags)?;
    ensure!(
        output.contains("wrote /etc/systemd/system/tcp-echo-metrics.service"),
        "{output}"
    );
    ensure!(
        machine.run("systemctl", &["is-enabled", UNIT])? == "enabled\n",
        "not enabled"
    );
    ensure!(machine.main_pid(UNIT)? == 0, "started by install");
    ensure!(machine.refused(&["-svc=status"], 3)?.is_empty(), "status");

    machine.echo(&["-svc=start"])?;
    ensure!(
        machine.echo(&["-svc=start"])?.contains("runs already"),
        "started twice"
    );
    machine.echo(&["-svc=status"])?;
    let command = machine.run(
        "cat",
        &[&format!("/proc/{}/cmdline", machine.main_pid(UNIT)?)],
    )?;
    let mut expected = vec![BINARY, "--svc=run", "--mode=both", "--interval=10ms"];
    let written: Vec<String> = targets.iter().map(|target| format!("-{target}")).collect();
    expected.extend(written.iter().map(String::as_str));
    let found: Vec<&str> = command.trim_end_matches('\0').split('\0').collect();
    ensure!(found == expected, "the service runs {found:?}");

    let scrape = probing(&machine, 2112, 10.0)?;
    for name in NAMES {
        scrape.get("tcp_echo_sent_total", &[("target", name)])?;
    }
    for name in [
        "process_start_time_seconds",
        "process_open_fds",
        "process_cpu_seconds_total",
    ] {
        ensure!(scrape.get(name, &[])? > 0.0, "{name}");
    }
    exposure(context, &machine, "a service with its own account")?;

    let first = machine.main_pid(UNIT)?;
    machine.run("systemctl", &["reload", UNIT])?;
    machine.run("sh", &["-c", &format!("kill -HUP {first}")])?;
    machine.run("sh", &["-c", &format!("kill -KILL {first}")])?;
    let (second, took) = wait::until("the restart after kill -9", LIMIT, || {
        let pid = machine.main_pid(UNIT).ok()?;
        (pid != 0 && pid != first).then_some(pid)
    })?;
    context.note(format!("restarted {} ms after kill -9", took.as_millis()));
    probing(&machine, 2112, 10.0)?;

    let output = machine.echo(&["-svc=install", "-mode=server", "-metrics=:2113"])?;
    ensure!(
        output.contains("replaced") && output.contains("has been restarted"),
        "{output}"
    );
    ensure!(machine.main_pid(UNIT)? != second, "it was not restarted");
    let scrape = machine.scrape(2113)?;
    ensure!(
        scrape.matching("tcp_echo_sent_total", &[]).next().is_none(),
        "the old flags are in effect"
    );
    scrape.get("tcp_echo_server_connections", &[])?;
    machine.echo(&["-svc=restart"])?;

    machine.echo(&["-svc=stop"])?;
    ensure!(machine.main_pid(UNIT)? == 0, "not stopped");
    ensure!(
        machine.property(UNIT, "Result")? == "success",
        "the result is not success"
    );
    machine.echo(&["-svc=stop"])?;
    machine.echo(&["-svc=start"])?;
    machine.echo(&["-svc=uninstall"])?;
    ensure!(machine.refused(&["-svc=status"], 4)?.is_empty(), "status");
    let after = machine.files()?;
    let left: Vec<&str> = after
        .lines()
        .filter(|path| !before.lines().any(|old| old == *path))
        .collect();
    ensure!(left.is_empty(), "left behind: {left:?}");
    ensure!(
        machine.property(UNIT, "LoadState")? == "not-found",
        "the unit still exists"
    );
    let users = machine.output("getent", &["passwd", UNIT])?;
    ensure!(!users.status.success(), "its account still exists");
    Ok(())
}

fn action_errors(context: &Context) -> Result<()> {
    let machine = Machine::boot(context)?;
    for action in ["start", "stop", "restart", "uninstall"] {
        let error = machine.refused(&["-svc", action], 1)?;
        ensure!(
            error.contains("is not installed") && error.contains("-svc=install"),
            "{error}"
        );
        ensure!(error.lines().count() == 1, "{error}");
    }
    // A service of the system is neither replaced nor stopped.
    for action in ["install", "uninstall"] {
        let error = machine.refused(&["-svc", action, "-svc-name=dbus"], 1)?;
        ensure!(
            error.contains("-svc-name") && error.lines().count() == 2,
            "{error}"
        );
    }
    ensure!(
        machine.property("dbus", "ActiveState")? == "active",
        "dbus was stopped"
    );

    let nobody = ["--reuid=65534", "--regid=65534", "--clear-groups", BINARY];
    for action in ["-svc=install", "-svc=start", "-svc=stop", "-svc=uninstall"] {
        let output = machine.output("setpriv", &[&nobody[..], &[action]].concat())?;
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(
            output.status.code() == Some(1),
            "{action}: {}",
            output.status
        );
        ensure!(
            error.contains("sudo") && error.contains("-svc-user"),
            "{action}: {error}"
        );
    }
    let error = machine.refused(&["-svc=install", "-svc-user"], 1)?;
    ensure!(error.contains("log in"), "{error}");

    // With its port in use, the start fails with an error, and systemd keeps trying.
    machine.echo(&["-svc=install"])?;
    machine.echo(&["-svc=start"])?;
    let second = "-svc-name=second";
    machine.echo(&["-svc=install", second])?;
    let error = machine.refused(&["-svc=start", second], 1)?;
    ensure!(error.contains("journalctl --unit second"), "{error}");
    ensure!(error.lines().count() == 2, "{error}");
    let journal = machine.journal("second")?;
    ensure!(journal.contains("cannot listen on :4000"), "{journal}");
    machine.refused(&["-svc=status", second], 3)?;
    machine.echo(&["-svc=stop"])?;
    wait::until("the second service once the port is free", LIMIT, || {
        machine.scrape(2112).ok()
    })?;
    machine.echo(&["-svc=uninstall", second])?;
    machine.echo(&["-svc=uninstall"])?;
    Ok(())
}

fn variants(context: &Context) -> Result<()> {
    let machine = Machine::boot(context)?;
    // The binary is in a folder that only root can read.
    let program = "/root/un packed/my echo%n$HOME";
    machine.run("mkdir", &["-m", "700", "/root/un packed"])?;
    machine.run("cp", &[BINARY, program])?;
    machine.run(program, &["-svc=install"])?;
    machine.run(program, &["-svc=start"])?;
    machine.scrape(2112)?;
    exposure(context, &machine, "a binary in a home")?;
    targets(&machine, program)?;
    machine.run(program, &["-svc=uninstall"])?;

    machine.echo(&["-svc=install", "-listen=:7", "-metrics=:80"])?;
    machine.echo(&["-svc=start"])?;
    machine.scrape(80)?;
    exposure(context, &machine, "low ports")?;

    machine.run("useradd", &["--system", "echo"])?;
    machine.echo(&["-svc=install", "-svc-account=echo", "-metrics=:2114"])?;
    machine.scrape(2114)?;
    let pid = machine.main_pid(UNIT)?;
    let owner = machine.run("stat", &["--format=%U", &format!("/proc/{pid}")])?;
    ensure!(owner == "echo\n", "it runs as {owner}");
    exposure(context, &machine, "a given account")?;
    machine.echo(&["-svc=uninstall"])?;

    user_service(&machine)
}

/// Checks a targets file in a home with a relative path, which the service can't use as is, and
/// its replacement.
fn targets(machine: &Machine, program: &str) -> Result<()> {
    let script = format!(
        "set -e
         mkdir '/root/my targets'
         cd /root
         echo '[{{\"targets\": [\"127.0.0.1:1\"]}}]' > 'my targets/a.json'
         '{program}' -svc=install -mode=client '-targets=my targets/a.json' -interval=10ms"
    );
    machine.run("sh", &["-c", &script])?;
    let wait_for = |target: &str| {
        wait::until(&format!("a target {target}"), LIMIT, || {
            let scrape = machine.scrape(2112).ok()?;
            scrape
                .get("tcp_echo_sent_total", &[("target", target)])
                .ok()
        })
    };
    wait_for("127.0.0.1:1")?;
    let script = "set -e
         echo '[{\"targets\": [\"127.0.0.1:2\"]}]' > '/root/my targets/b'
         mv '/root/my targets/b' '/root/my targets/a.json'
         systemctl reload tcp-echo-metrics";
    machine.run("sh", &["-c", script])?;
    wait_for("127.0.0.1:2")?;
    Ok(())
}

/// Checks a user service in a user's systemd.
fn user_service(machine: &Machine) -> Result<()> {
    let script = format!(
        "set -e
         export XDG_RUNTIME_DIR=/run/user/0 HOME=/root
         mkdir -p -m 700 $XDG_RUNTIME_DIR
         setsid /lib/systemd/systemd --user > /dev/null 2>&1 &
         until systemctl --user is-system-running | grep -q running; do sleep 0.1; done
         {BINARY} -svc=install -svc-user -svc-name=mine -listen=:5001 -metrics=:5002
         {BINARY} -svc=start -svc-user -svc-name=mine
         {BINARY} -svc=status -svc-user -svc-name=mine
         systemctl --user show --value --property=StatusText mine
         {BINARY} -svc=uninstall -svc-user -svc-name=mine
         find /root/.config /etc -name 'mine*'
         systemctl --user exit"
    );
    let output = machine.run("sh", &["-c", &script])?;
    ensure!(output.contains("mine runs"), "{output}");
    ensure!(output.contains("metrics at [::]:5002"), "{output}");
    ensure!(output.ends_with("mine is uninstalled\n"), "{output}");
    Ok(())
}

fn packaged(context: &Context) -> Result<()> {
    let machine = Machine::boot(context)?;
    let folder = testkit::shell::root().join("deploy/systemd");
    for file in [
        "tcp-echo-metrics.service",
        "tcp-echo-metrics-echo.socket",
        "tcp-echo-metrics-metrics.socket",
    ] {
        let text = std::fs::read_to_string(folder.join(file)).context(file)?;
        let write = format!("cat > /etc/systemd/system/{file} <<'END'\n{text}END\n");
        machine.run("sh", &["-c", &write])?;
    }
    let setup = format!(
        "set -e
         cp {BINARY} /usr/bin/tcp-echo-metrics
         echo 'TCP_ECHO_MODE=both' > /etc/default/tcp-echo-metrics
         echo 'TCP_ECHO_INTERVAL=10ms' >> /etc/default/tcp-echo-metrics
         mkdir /etc/systemd/system/tcp-echo-metrics.service.d
         printf '[Service]\\nWatchdogSec=3\\nRestartSec=100ms\\n' \
             > /etc/systemd/system/tcp-echo-metrics.service.d/fast.conf
         systemctl daemon-reload
         systemd-analyze verify tcp-echo-metrics.service tcp-echo-metrics-echo.socket
         systemctl start tcp-echo-metrics-echo.socket tcp-echo-metrics-metrics.socket"
    );
    machine.run("sh", &["-c", &setup])?;
    ensure!(machine.main_pid(UNIT)? == 0, "started by the sockets alone");

    // The first scrape starts the service and succeeds.
    let scrape = machine.scrape(2112)?;
    ensure!(
        scrape.get("tcp_echo_server_connections", &[])? >= 0.0,
        "no server"
    );
    let first = machine.main_pid(UNIT)?;
    let journal = machine.journal(UNIT)?;
    ensure!(journal.contains("address=[::]:4000"), "{journal}");
    probing(&machine, 2112, 10.0)?;
    machine.run("systemctl", &["restart", UNIT])?;
    let second = machine.main_pid(UNIT)?;
    ensure!(first != second, "not restarted");
    let environment = machine.run("cat", &[&format!("/proc/{second}/environ")])?;
    ensure!(
        environment.contains("LISTEN_FDNAMES="),
        "no sockets were passed"
    );

    // A running service outlives the watchdog timeout; a hung service is restarted.
    std::thread::sleep(Duration::from_secs(4));
    ensure!(
        machine.main_pid(UNIT)? == second,
        "the watchdog restarted a healthy service"
    );
    machine.run("sh", &["-c", &format!("kill -STOP {second}")])?;
    let ((), took) = wait::until("the restart by the watchdog", LIMIT, || {
        let pid = machine.main_pid(UNIT).ok()?;
        (pid != 0 && pid != second).then_some(())
    })?;
    context.note(format!(
        "restarted {} ms after it hung, watchdog 3 s",
        took.as_millis()
    ));
    let journal = machine.journal(UNIT)?;
    ensure!(journal.contains("Watchdog timeout"), "{journal}");
    probing(&machine, 2112, 10.0)?;
    Ok(())
}

/// Waits for this many replies.
fn probing(machine: &Machine, port: u16, replies: f64) -> Result<Scrape> {
    let (scrape, _) = machine.endpoint(port).until("replies", LIMIT, |scrape| {
        scrape.sum("tcp_echo_received_total", &[]) >= replies
    })?;
    Ok(scrape)
}

/// Checks the exposure level of the service, from 0 to 10.
fn exposure(context: &Context, machine: &Machine, what: &str) -> Result<()> {
    let analysis = machine.run("systemd-analyze", &["security", "--no-pager", UNIT])?;
    let line = analysis.lines().last().context("no analysis")?;
    let mut words = line.split_whitespace();
    let exposure = words.find_map(|word| word.parse::<f64>().ok());
    let exposure = exposure.context("no exposure level")?;
    context.note(format!("systemd-analyze security, {what}: {exposure}"));
    ensure!(exposure <= MAX_EXPOSURE, "exposed: {analysis}");
    Ok(())
}

//! Requests with the host name of another site.

use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};
use testkit::context::Context;
use testkit::echo::Echo;
use testkit::process::Process;
use testkit::{endpoint::Endpoint, ports, wait};

use crate::runner::{PLAIN, Scenario};

pub(super) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "requests under another name",
    tools: &[("curl", "curl")],
    run: other_host,
    ..PLAIN
}];

const LIMIT: Duration = Duration::from_secs(5);

fn other_host(context: &Context) -> Result<()> {
    // On loopback, without the flag.
    let flags = ["-mode=server", "-listen=127.0.0.1:0"];
    let echo = Echo::start(context, &flags)?;
    let other = "evil.example";
    for (host, path, status) in [
        (other, "/", "403"),
        (other, "/api/v1/targets", "403"),
        (other, "/metrics", "200"),
        (other, "/-/healthy", "200"),
        (other, "/-/ready", "200"),
        ("echo.localhost", "/", "200"),
        ("localhost", "/", "200"),
        ("127.0.0.1", "/", "200"),
    ] {
        check_status(&echo.metrics, host, path, status)?;
    }
    drop(echo);

    // A list replaces the default, also on loopback.
    let list = "-web.allowed-hosts=echo.example.com,10.0.0.5";
    let echo = Echo::start(context, &[flags[0], flags[1], list])?;
    for (host, path, status) in [
        ("echo.example.com", "/", "200"),
        ("10.0.0.5", "/", "200"),
        (other, "/", "403"),
        ("localhost", "/", "403"),
        (other, "/metrics", "200"),
    ] {
        check_status(&echo.metrics, host, path, status)?;
    }
    drop(echo);
    let echo = Echo::start(context, &[flags[0], flags[1], "-web.allowed-hosts=*"])?;
    check_status(&echo.metrics, other, "/", "200")?;
    drop(echo);

    // On all addresses, any name is allowed.
    let address = ports::free()?;
    let mut command = Command::new(context.binary());
    command
        .args(flags)
        .arg(format!("-metrics=:{}", address.port()));
    let _echo = Process::spawn(context, "tcp-echo-metrics", &mut command)?;
    let endpoint = Endpoint::at(address);
    wait::until("a response", LIMIT, || endpoint.get("/-/healthy").ok())?;
    check_status(&endpoint, other, "/", "200")
}

/// Checks the status of a request with `host` in its URL, as sent by a page after DNS rebinding.
fn check_status(endpoint: &Endpoint, host: &str, path: &str, status: &str) -> Result<()> {
    let address = endpoint.address;
    let port = address.port();
    let mut command = Command::new("curl");
    command
        .args(["--silent", "--max-time", "20"])
        .args(["--write-out", "\n%{http_code}"])
        .args(["--resolve", &format!("{host}:{port}:{}", address.ip())])
        .arg(format!("http://{host}:{port}{path}"));
    let output = command.output()?;
    let response = String::from_utf8_lossy(&output.stdout);
    let (body, got) = response.rsplit_once('\n').unwrap_or_default();
    ensure!(got == status, "{got} for {path} at {host}: {body}");
    ensure!(
        status != "403" || body.contains("-web.allowed-hosts"),
        "{body}"
    );
    Ok(())
}

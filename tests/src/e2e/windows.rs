//! The Windows binary under Wine, as a program and as a service.

use std::env;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use testkit::context::Context;
use testkit::echo::Echo;
use testkit::endpoint::Endpoint;
use testkit::exposition::Scrape;
use testkit::process::Process;
use testkit::skip::skip;
use testkit::wine::Wine;
use testkit::{ports, wait};

use crate::runner::{PLAIN, Scenario};

pub(super) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "Windows: a program and a service under wine",
    alone: true,
    run,
    ..PLAIN
}];

/// The environment variable with the path of the Windows binary.
const BINARY: &str = "TCP_ECHO_E2E_WINDOWS_BINARY";
/// The time limit; Wine starts slowly, especially the first time.
const SLOW: Duration = Duration::from_secs(60);
const SERVICE: &str = "tcp-echo-metrics";

fn run(context: &Context) -> Result<()> {
    let Some(binary) = env::var_os(BINARY) else {
        return skip("no Windows binary; run cargo xtask windows");
    };
    let wine = Wine::new(context.folder().join("wine"), Path::new(&binary))?;
    let outcome = cross_platform(context, &wine).and_then(|()| service(context, &wine));
    if outcome.is_err() {
        context.note(format!("log of the service:\n{}", wine.service_log()));
    }
    outcome
}

/// The Linux and the Windows program probe each other.
fn cross_platform(context: &Context, wine: &Wine) -> Result<()> {
    let [linux_address, windows_address, metrics] =
        [ports::free()?, ports::free()?, ports::free()?];
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
        .args(flags(windows_address, linux_address))
        .arg(format!("-metrics={metrics}"));
    let _windows = Process::spawn(context, "windows", &mut command)?;
    let flags = flags(linux_address, windows_address);
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let linux = Echo::start(context, &flags)?;
    for (name, endpoint) in [
        ("Linux", linux.metrics.clone()),
        ("Windows", Endpoint::at(metrics)),
    ] {
        let (scrape, _) = replies(&endpoint)?;
        let sent = scrape.sum("tcp_echo_sent_total", &[]);
        let received = scrape.sum("tcp_echo_received_total", &[]);
        context.note(format!("{name} has sent {sent} and received {received}"));
    }
    Ok(())
}

/// Installs, starts, queries, reconfigures, stops and removes the service.
fn service(context: &Context, wine: &Wine) -> Result<()> {
    let [listen, metrics, other] = [ports::free()?, ports::free()?, ports::free()?];
    let listen_at = format!("-listen={listen}");
    let target = format!(r#"-target=a b"c\={listen}"#);
    wine.echo(&["-svc=status"], 4)?;
    let error = wine.echo(&["-svc=start"], 1)?;
    ensure!(error.contains("-svc=install"), "{error}");
    let metrics_at = format!("-metrics={metrics}");
    let output = wine.echo(
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
    context.note(output.trim().replace('\n', "; "));
    wine.echo(&["-svc=status"], 3)?;
    wine.echo(&["-svc=start"], 0)?;
    let state = wine.sc(&["query", SERVICE])?;
    ensure!(state.contains("RUNNING"), "{state}");
    wine.echo(&["-svc=status"], 0)?;
    let (scrape, _) = replies(&Endpoint::at(metrics))?;
    scrape.get("tcp_echo_sent_total", &[("target", r#"a b"c\"#)])?;

    let metrics_at = format!("-metrics={other}");
    let output = wine.echo(&["-svc=install", &listen_at, &metrics_at], 0)?;
    ensure!(output.contains("has been restarted"), "{output}");
    let scrape = Endpoint::at(other).scrape()?;
    ensure!(
        scrape.matching("tcp_echo_sent_total", &[]).next().is_none(),
        "old flags"
    );

    // With the Windows service tool.
    wine.sc(&["stop", SERVICE])?;
    wait::until("a stopped service", SLOW, || {
        wine.echo(&["-svc=status"], 3).ok()
    })?;
    wine.sc(&["start", SERVICE])?;
    wait::until("a response from the service", SLOW, || {
        Endpoint::at(other).get("/-/ready").ok()
    })?;
    let log = wine.service_log();
    ensure!(
        log.contains("echo server listens") && log.contains("order=stop"),
        "{log}"
    );
    wine.echo(&["-svc=uninstall"], 0)?;
    ensure!(
        Endpoint::at(other).get("/-/ready").is_err(),
        "it still runs after its removal"
    );
    wine.echo(&["-svc=status"], 4)?;
    Ok(())
}

fn replies(endpoint: &Endpoint) -> Result<(Scrape, Duration)> {
    endpoint.until("replies", SLOW, |scrape| {
        scrape.sum("tcp_echo_received_total", &[]) >= 10.0
    })
}

//! The binary for Windows, as a program and as a service, under wine.

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

/// Names the binary for Windows.
const BINARY: &str = "TCP_ECHO_E2E_WINDOWS_BINARY";
/// wine is slow to start, most of all the first time.
const SLOW: Duration = Duration::from_secs(60);
const SERVICE: &str = "tcp-echo-metrics";

fn run(context: &Context) -> Result<()> {
    let Some(binary) = env::var_os(BINARY) else {
        return skip("no binary for Windows: cargo xtask windows");
    };
    let wine = Wine::new(context.folder().join("wine"), Path::new(&binary))?;
    let outcome = across(context, &wine).and_then(|()| service(context, &wine));
    if outcome.is_err() {
        context.note(format!("log of the service:\n{}", wine.service_log()));
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
    let (scrape, _) = replies(&Endpoint::at(metrics))?;
    scrape.get("tcp_echo_sent_total", &[("target", r#"a b"c\"#)])?;

    let metrics_at = format!("-metrics={other}");
    let said = wine.echo(&["-svc=install", &listen_at, &metrics_at], 0)?;
    ensure!(said.contains("has been restarted"), "{said}");
    let scrape = Scrape::parse(&Endpoint::at(other).get("/metrics")?)?;
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

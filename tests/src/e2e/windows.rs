//! `cargo xtask windows`: the binary for Windows, as a program and as a service, under
//! wine.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::harness::context::Context;
use super::harness::echo::Echo;
use super::harness::exposition::Scrape;
use super::harness::http::Endpoint;
use super::harness::netns::Inside;
use super::harness::process::Process;
use super::harness::wine::Wine;
use super::harness::{ports, wait};
use crate::report::Report;
use crate::shell::{LONG, cargo, run, target_dir};
use crate::windows::build;

/// wine is slow to start, and slower the first time.
const SLOW: Duration = Duration::from_secs(60);
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

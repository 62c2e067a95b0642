//! Prometheus as an agent sends metrics to another Prometheus.

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tcp_echo_dashboards::root;
use testkit::context::Context;
use testkit::echo::Echo;
use testkit::process::Process;
use testkit::shell::output;
use testkit::{ports, wait};

use super::prometheus::Prometheus;
use crate::runner::{PLAIN, Scenario};

pub(super) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "push: Prometheus as an agent writes to another",
    tools: &[("prometheus", "prometheus")],
    run,
    ..PLAIN
}];

const CONFIG: &str = "deploy/push/agent.yml";
const LIMIT: Duration = Duration::from_secs(30);

fn run(context: &Context) -> Result<()> {
    let listen = ports::free()?;
    let (listen, target) = (format!("-listen={listen}"), format!("-target=db={listen}"));
    let echo = Echo::start(context, &["-mode=both", &listen, &target])?;
    let flags = ["--web.enable-remote-write-receiver"];
    let receiver = Prometheus::start_with(context, "receiver", "{}\n", &flags)?;
    let _agent = agent(context, &echo, &receiver)?;
    let series = "tcp_echo_received_total{target=\"db\", site=\"branch-7\", \
                  instance=\"branch-7\", job=\"tcp-echo\"}";
    let (_, took) = wait::until("a reply in the receiver", LIMIT, || {
        receiver.value(series).ok().filter(|count| *count > 0.0)
    })?;
    ensure!(receiver.value("up{job=\"tcp-echo\"}")? == 1.0, "up");
    context.note(format!("the first samples arrived after {took:.1?}"));
    Ok(())
}

/// Starts the agent with the example, changed only where its values are those of a site.
fn agent(context: &Context, echo: &Echo, receiver: &Prometheus) -> Result<Process> {
    let mut config = fs::read_to_string(root().join(CONFIG))?;
    let password = context.file("password", "secret")?;
    let url = format!("http://{}/api/v1/write", receiver.address());
    for (example, own) in [
        ("localhost:2112", echo.metrics.address.to_string()),
        ("https://prometheus.example.com/api/v1/write", url),
        ("/etc/prometheus/password", password.display().to_string()),
        ("scrape_interval: 15s", "scrape_interval: 1s".to_owned()),
    ] {
        ensure!(config.contains(example), "{CONFIG} has no {example}");
        config = config.replace(example, &own);
    }
    let config = context.file("agent.yml", &config)?;
    let version = output(Command::new("prometheus").arg("--version"))?;
    let major = version.strip_prefix("prometheus, version ");
    let major = major.and_then(|rest| rest.split('.').next());
    let major: u32 = major.context("no version of Prometheus")?.parse()?;
    let mut command = Command::new("prometheus");
    command
        .arg(if major < 3 {
            "--enable-feature=agent"
        } else {
            "--agent"
        })
        .arg(format!("--config.file={}", config.display()))
        .arg(format!(
            "--storage.agent.path={}",
            context.folder().join("agent").display()
        ))
        .arg(format!("--web.listen-address={}", ports::free()?));
    Process::spawn(context, "agent", &mut command)
}

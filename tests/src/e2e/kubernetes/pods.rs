//! Runs members as their pods would run them, each in a network of its own.

use std::fs;
use std::net::UdpSocket;
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;
use serde_json::Value;
use tcp_echo_dashboards::{list, root, yaml};
use testkit::context::Context;
use testkit::endpoint::Endpoint;
use testkit::exposition::Scrape;
use testkit::netns::{CLIENT, Inside, Pair, SERVER};
use testkit::process::Process;
use testkit::shell::output;
use testkit::wait;

use super::objects::Objects;
use crate::e2e::nameservers::dnsmasq;

const BASE: &str = "deploy/kubernetes/base";
/// What a pod in the namespace `net` has.
const RESOLV_CONF: &str = "search net.svc.cluster.local svc.cluster.local cluster.local\n\
                           nameserver 10.99.0.1\noptions ndots:5\n";
const LIMIT: Duration = Duration::from_secs(10);

/// Two pods with the arguments, variables and ports of the manifest, and a nameserver that answers
/// for the headless service. Neither gets another flag.
pub(super) fn run(context: &Context) -> Result<()> {
    let objects = read()?;
    objects.check()?;
    let container = &objects.pod()?["containers"][0];
    variables_are_flags(context, container)?;
    let pair = Pair::new()?;
    for namespace in [&pair.client, &pair.server] {
        namespace.resolv_conf(RESOLV_CONF)?;
    }
    let first = Pod::start(context, container, &pair.client.inside(), CLIENT, "node-1")?;
    // Without a nameserver, a member is alive and ready, so Kubernetes does not restart it.
    first.is_ready(container)?;
    let _nameserver = nameserver(context, &pair)?;
    let second = Pod::start(context, container, &pair.server.inside(), SERVER, "node-2")?;
    second.is_ready(container)?;
    second.has_a_reply_of(CLIENT)?;
    // It looked the name up before there was a nameserver.
    first.process.signal(Signal::HUP)?;
    let took = first.has_a_reply_of(SERVER)?;
    let nodes = [("node", "node-1"), ("peer_node", "node-2")];
    let scrape = first.metrics.scrape()?;
    let named = scrape.sum("tcp_echo_connected", &nodes);
    ensure!(named == 1.0, "{named} connections with {nodes:?}");
    let own = scrape.sum("tcp_echo_sent_total", &[("target", &target(CLIENT))]);
    ensure!(own == 0.0, "the first pod probes itself");
    let mut labels = scrape.all().flat_map(|(_, labels, _)| labels.keys());
    ensure!(!labels.any(|name| name == "zone"), "a zone without a name");
    context.note(format!(
        "the first pod had a reply of the second {took:.1?} after SIGHUP"
    ));
    restart_is_no_loss(&first, second)
}

/// Each variable of the container is that of a flag. The program ignores others.
fn variables_are_flags(context: &Context, container: &Value) -> Result<()> {
    let help = output(Command::new(context.binary()).arg("--help"))?;
    for variable in list(&container["env"]) {
        let name = variable["name"].as_str().unwrap_or_default();
        let flag = name.strip_prefix("TCP_ECHO_").context("another variable")?;
        let flag = format!("--{} ", flag.to_lowercase().replace('_', "-"));
        ensure!(help.contains(&flag), "{name}: there is no {flag}");
    }
    Ok(())
}

/// The peer of a pod that Kubernetes ends shows it as departed, and counts no loss.
fn restart_is_no_loss(peer: &Pod, mut ended: Pod) -> Result<()> {
    let target = target(SERVER);
    let of_target = [("target", &*target)];
    ended.process.signal(Signal::TERM)?;
    let (status, _) = ended.process.wait(LIMIT)?;
    ensure!(status.success(), "{status}");
    let departed = |scrape: &Scrape| scrape.sum("tcp_echo_departed", &of_target) == 1.0;
    peer.metrics.until("a departure", LIMIT, departed)?;
    // Ten slots later.
    thread::sleep(Duration::from_secs(2));
    let scrape = peer.metrics.scrape()?;
    ensure!(departed(&scrape), "not departed any more");
    let loss = scrape.sum("tcp_echo_loss_ratio", &of_target);
    let unsent = scrape.sum("tcp_echo_unsent_total", &of_target);
    ensure!(loss == 0.0 && unsent <= 1.0, "loss {loss}, unsent {unsent}");
    Ok(())
}

/// Returns the name of the target at this address.
fn target(address: &str) -> String {
    format!("dns+tcp-echo-metrics:4000/{address}")
}

/// Reads the manifests, without kustomize.
fn read() -> Result<Objects> {
    let folder = root().join(BASE);
    let text = fs::read_to_string(folder.join("kustomization.yaml"))?;
    let resources = text.lines().filter_map(|line| line.strip_prefix("  - "));
    Ok(Objects(yaml(
        resources.map(|file| folder.join(file)).collect(),
    )?))
}

fn nameserver(context: &Context, pair: &Pair) -> Result<Process> {
    let name = "tcp-echo-metrics.net.svc.cluster.local";
    let hosts = context.file("hosts", &format!("{CLIENT} {name}\n{SERVER} {name}\n"))?;
    let inside = pair.client.inside();
    let mut command = dnsmasq(&inside);
    command
        .arg(format!("--listen-address={CLIENT}"))
        .arg("--local=/cluster.local/")
        .arg(format!("--addn-hosts={}", hosts.display()));
    let process = Process::spawn(context, "dnsmasq", &mut command)?;
    wait::until("the nameserver", LIMIT, || {
        let taken = || UdpSocket::bind((CLIENT, 53)).is_err();
        inside.run(taken).ok()?.then_some(())
    })?;
    Ok(process)
}

struct Pod {
    metrics: Endpoint,
    process: Process,
}

impl Pod {
    /// Starts the container on a node without a zone.
    fn start(
        context: &Context,
        container: &Value,
        inside: &Inside,
        address: &str,
        node: &str,
    ) -> Result<Self> {
        let mut command = inside.command(context.binary());
        command.args(list(&container["args"]).filter_map(Value::as_str));
        for variable in list(&container["env"]) {
            let name = variable["name"]
                .as_str()
                .context("a variable without a name")?;
            let field = &variable["valueFrom"]["fieldRef"]["fieldPath"];
            command.env(name, if field == "spec.nodeName" { node } else { "" });
        }
        let process = Process::spawn(context, node, &mut command)?;
        let metrics = Endpoint {
            address: format!("{address}:2112").parse()?,
            inside: inside.clone(),
        };
        Ok(Self { metrics, process })
    }

    /// Waits until the probes of Kubernetes succeed.
    fn is_ready(&self, container: &Value) -> Result<()> {
        for probe in ["livenessProbe", "readinessProbe"] {
            let path = container[probe]["httpGet"]["path"]
                .as_str()
                .context(probe)?;
            wait::until(probe, LIMIT, || self.metrics.get(path).ok())?;
        }
        Ok(())
    }

    /// Waits for a reply of another pod; returns how long it took.
    fn has_a_reply_of(&self, peer: &str) -> Result<Duration> {
        let target = target(peer);
        let replied =
            |scrape: &Scrape| scrape.sum("tcp_echo_received_total", &[("target", &target)]) > 0.0;
        Ok(self
            .metrics
            .until("a reply of the other pod", LIMIT, replied)?
            .1)
    }
}

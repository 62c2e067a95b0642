//! On-demand probing: with a real Prometheus, and with a name whose address changes.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use testkit::context::Context;
use testkit::echo::{Echo, EchoServer};
use testkit::endpoint::Endpoint;
use testkit::exposition::Scrape;
use testkit::netns::Namespace;
use testkit::{ports, wait};

use super::prometheus::Prometheus;
use crate::runner::{PLAIN, Scenario};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "Prometheus probes targets on demand",
        tools: &[("prometheus", "prometheus")],
        run: prometheus,
        ..PLAIN
    },
    Scenario {
        name: "an on-demand name that later resolves elsewhere",
        tools: &[("ip", "iproute2")],
        root: true,
        run: rebinding,
        ..PLAIN
    },
];

const LIMIT: Duration = Duration::from_secs(20);
/// The time after which an unrequested target is removed.
const IDLE: Duration = Duration::from_secs(3);

/// Returns the configuration from the documentation, with a file instead of a service discovery.
fn config(target_file: &str, exporter: SocketAddr) -> String {
    format!(
        "global: {{scrape_interval: 500ms, scrape_timeout: 500ms}}
scrape_configs:
  - job_name: tcp-echo
    metrics_path: /probe
    file_sd_configs: [{{files: ['{target_file}']}}]
    relabel_configs:
      - source_labels: [__address__]
        target_label: __param_target
      - source_labels: [__param_target]
        target_label: instance
      - target_label: __address__
        replacement: '{exporter}'
  - job_name: tcp-echo-exporter
    static_configs: [{{targets: ['{exporter}']}}]
"
    )
}

fn prometheus(context: &Context) -> Result<()> {
    let (a, b) = (
        EchoServer::start(context, &[])?,
        EchoServer::start(context, &[])?,
    );
    // It listens, but its address is not allowed.
    let forbidden = TcpListener::bind((Ipv4Addr::new(127, 0, 0, 2), 0))?;
    forbidden.set_nonblocking(true)?;
    let outside = forbidden.local_addr()?.to_string();
    let idle = format!("-web.probe-idle={}s", IDLE.as_secs());
    let echo = Echo::start(
        context,
        &[
            "-mode=client",
            "-interval=20ms",
            "-web.enable-probe",
            "-web.probe-allow=127.0.0.1",
            &idle,
        ],
    )?;
    let [a_name, b_name] = [&a, &b].map(|server| server.address.to_string());
    let list = |targets: &[&str]| json!([{"targets": targets, "labels": {"rack": "7"}}]);
    let all = list(&[&a_name, &b_name, &outside]).to_string();
    let target_file = context.file("target_file.json", &all)?;
    let config = config(&target_file.display().to_string(), echo.metrics.address);
    let prometheus = Prometheus::start_with(context, "prometheus", &config, &[])?;

    let is = |query: &str, wanted: f64| prometheus.value(query).is_ok_and(|v| v == wanted);
    let until = |query: &str, wanted: f64| {
        let ((), took) = wait::until(&format!("{query} == {wanted}"), LIMIT, || {
            is(query, wanted).then_some(())
        })?;
        anyhow::Ok(took)
    };
    for name in [&a_name, &b_name] {
        let labels =
            format!("{{job=\"tcp-echo\",instance=\"{name}\",target=\"{name}\",rack=\"7\"}}");
        let took = until(&format!("tcp_echo_connected{labels}"), 1.0)?;
        context.note(format!(
            "{name} is connected in Prometheus after {} ms",
            took.as_millis()
        ));
        let rate = format!("rate(tcp_echo_received_total{labels}[5s]) > bool 30");
        until(&rate, 1.0)?;
        until(&format!("tcp_echo_connects_total{labels}"), 1.0)?;
    }
    until("count(tcp_echo_connected)", 2.0)?;
    until(&format!("up{{instance=\"{outside}\"}}"), 0.0)?;
    until("up{job=\"tcp-echo-exporter\"}", 1.0)?;
    let twice = prometheus.value("count({job=\"tcp-echo-exporter\",target!=\"\"})");
    ensure!(
        twice.is_err(),
        "/metrics has {twice:?} series of on-demand targets"
    );
    let connection = forbidden.accept();
    ensure!(
        connection.is_err(),
        "connected to a network that is not allowed"
    );

    // Removing a target from the service discovery ends its probing and does not affect the other.
    fs::write(&target_file, list(&[&a_name]).to_string())?;
    let gone = |scrape: &Scrape| scrape.sum("tcp_echo_server_connections", &[]) == 0.0;
    let (_, took) = b
        .echo
        .until("the disconnect of the removed target", LIMIT, gone)?;
    context.note(format!(
        "no longer requested: ended after {:.1} s",
        took.as_secs_f64()
    ));
    ensure!(took > IDLE / 2, "it ended too soon");
    let scrape = Scrape::parse(&echo.metrics.get(&format!("/probe?target={a_name}"))?)?;
    ensure!(
        scrape.get("tcp_echo_connects_total", &[])? == 1.0,
        "the other target was reconnected"
    );
    let shown = echo.metrics.get("/api/v1/targets")?;
    ensure!(
        shown.contains(&a_name) && !shown.contains(&b_name),
        "{shown}"
    );
    Ok(())
}

const ALLOWED: Ipv4Addr = Ipv4Addr::LOCALHOST;
const FORBIDDEN: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// The nameserver first returns an allowed address, then a forbidden one.
fn rebinding(context: &Context) -> Result<()> {
    let namespace = Namespace::new()?;
    namespace.nameserver("127.0.0.1")?;
    let inside = namespace.inside();
    let names = Names::start(inside.run(|| UdpSocket::bind("127.0.0.1:53"))??)?;
    let listen = ports::free()?;
    let rebound = SocketAddr::from((FORBIDDEN, listen.port()));
    let forbidden = inside.run(move || TcpListener::bind(rebound))??;
    forbidden.set_nonblocking(true)?;
    let flags = ["-mode=server", &format!("-listen={listen}")];
    let server = Echo::start_in(context, &inside, &flags)?;
    let echo = Echo::start_in(
        context,
        &inside,
        &[
            "-mode=client",
            "-interval=20ms",
            "-dns-refresh=200ms",
            "-web.enable-probe",
            &format!("-web.probe-allow={ALLOWED}/32"),
        ],
    )?;
    let name = format!("mind.test:{}", listen.port());
    let probe = || Scrape::parse(&echo.metrics.get(&format!("/probe?target={name}"))?);
    let first = probe()?;
    ensure!(
        first.get("tcp_echo_connected", &[])? == 1.0,
        "not connected at the first request"
    );

    names.is_rebound.store(true, Ordering::Relaxed);
    let refused = status(&echo.metrics, &format!("other.test:{}", listen.port()))?;
    ensure!(
        refused == 403,
        "status {refused} for a name that resolves to {FORBIDDEN}"
    );
    // Without its peer it has to connect again, to the new address.
    drop(server);
    let failures = [("reason", "other")];
    let (scrape, _) = wait::until("rejected attempts", LIMIT, || {
        let scrape = probe().ok()?;
        let failed = scrape.sum("tcp_echo_connect_failures_total", &failures);
        (failed >= 5.0).then_some(scrape)
    })?;
    ensure!(
        scrape.get("tcp_echo_connected", &[])? == 0.0,
        "still connected"
    );
    ensure!(
        scrape.get("tcp_echo_connects_total", &[])? == 1.0,
        "connected again"
    );
    ensure!(forbidden.accept().is_err(), "connected to {rebound}");

    // When the name resolves to the allowed address again, the target is probed again.
    names.is_rebound.store(false, Ordering::Relaxed);
    let _server = Echo::start_in(context, &inside, &flags)?;
    wait::until("a connection", LIMIT, || {
        let scrape = probe().ok()?;
        (scrape.sum("tcp_echo_connected", &[]) > 0.0).then_some(())
    })?;
    Ok(())
}

fn status(exporter: &Endpoint, target: &str) -> Result<u16> {
    let path = format!("/probe?target={target}");
    Ok(exporter.request("GET", &path, &[])?.status)
}

/// A nameserver that resolves every name to the same address.
struct Names {
    /// Whether it returns the forbidden address.
    is_rebound: Arc<AtomicBool>,
}

impl Names {
    /// Serves in a thread that is not stopped.
    fn start(socket: UdpSocket) -> Result<Self> {
        let is_rebound = Arc::new(AtomicBool::new(false));
        let shared = Arc::clone(&is_rebound);
        thread::Builder::new()
            .name("names".to_owned())
            .spawn(move || {
                let mut question = [0; 512];
                while let Ok((len, from)) = socket.recv_from(&mut question) {
                    let ip = if shared.load(Ordering::Relaxed) {
                        FORBIDDEN
                    } else {
                        ALLOWED
                    };
                    if let Ok(answer) = answer(&question[..len], ip) {
                        // On an error, the resolver repeats its query.
                        let _ = socket.send_to(&answer, from);
                    }
                }
            })?;
        Ok(Self { is_rebound })
    }
}

/// Builds the response to an address query (RFC 1035, section 4): one address for A, none for AAAA.
fn answer(question: &[u8], ip: Ipv4Addr) -> Result<Vec<u8>> {
    const HEAD: usize = 12;
    let name = question.get(HEAD..).context("short query")?;
    let name = name
        .iter()
        .position(|byte| *byte == 0)
        .context("unterminated name")?
        + 1;
    let end = HEAD + name + 4;
    let query = question.get(..end).context("short query")?;
    let is_a = query[end - 4..end - 2] == [0, 1];
    let mut answer = query.to_vec();
    // A response, recursion available; one question, at most one answer, no other records.
    answer[2..12].copy_from_slice(&[0x81, 0x80, 0, 1, 0, u8::from(is_a), 0, 0, 0, 0]);
    if is_a {
        // A pointer to the name, A, IN, TTL 0, four bytes.
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4]);
        answer.extend(ip.octets());
    }
    Ok(answer)
}

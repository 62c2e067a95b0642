//! Targets that are asked for: by a real Prometheus, and by a name that changes its mind.

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
        name: "Prometheus asks for targets",
        tools: &[("prometheus", "prometheus")],
        run: prometheus,
        ..PLAIN
    },
    Scenario {
        name: "a name asked for that leads elsewhere later",
        tools: &[("ip", "iproute2")],
        root: true,
        run: rebinding,
        ..PLAIN
    },
];

const LIMIT: Duration = Duration::from_secs(20);
/// How long a target lasts that is no longer asked for.
const IDLE: Duration = Duration::from_secs(3);

/// The configuration of the documentation, with a file where a service discovery is.
fn config(listed: &str, exporter: SocketAddr) -> String {
    format!(
        "global: {{scrape_interval: 500ms, scrape_timeout: 500ms}}
scrape_configs:
  - job_name: tcp-echo
    metrics_path: /probe
    file_sd_configs: [{{files: ['{listed}']}}]
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
    // It would answer, and must not be connected to.
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
    let listed = context.file("listed.json", &all)?;
    let config = config(&listed.display().to_string(), echo.metrics.address);
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
        "{twice:?} series of targets are at /metrics too"
    );
    let unknown = forbidden.accept();
    ensure!(
        unknown.is_err(),
        "a network that is not allowed was connected to"
    );

    // One goes from the service discovery: its probing ends, the other's goes on.
    fs::write(&listed, list(&[&a_name]).to_string())?;
    let gone = |scrape: &Scrape| scrape.sum("tcp_echo_server_connections", &[]) == 0.0;
    let (_, took) = b.echo.until("the end of its probing", LIMIT, gone)?;
    context.note(format!(
        "no longer asked for: ended after {:.1} s",
        took.as_secs_f64()
    ));
    ensure!(took > IDLE / 2, "it ended too soon");
    let scrape = Scrape::parse(&echo.metrics.get(&format!("/probe?target={a_name}"))?)?;
    ensure!(
        scrape.get("tcp_echo_connects_total", &[])? == 1.0,
        "the other one was disturbed"
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

/// The name server first gives an address that is allowed, then one that is not.
fn rebinding(context: &Context) -> Result<()> {
    let namespace = Namespace::new()?;
    namespace.nameserver("127.0.0.1")?;
    let inside = namespace.inside();
    let names = Names::start(inside.run(|| UdpSocket::bind("127.0.0.1:53"))??)?;
    let listen = ports::free()?;
    let elsewhere = SocketAddr::from((FORBIDDEN, listen.port()));
    let forbidden = inside.run(move || TcpListener::bind(elsewhere))??;
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
    let ask = || Scrape::parse(&echo.metrics.get(&format!("/probe?target={name}"))?);
    let first = ask()?;
    ensure!(
        first.get("tcp_echo_connected", &[])? == 1.0,
        "the first answer is not connected"
    );

    names.elsewhere.store(true, Ordering::Relaxed);
    let refused = status(&echo.metrics, &format!("other.test:{}", listen.port()))?;
    ensure!(
        refused == 403,
        "{refused} for a name that stands for {FORBIDDEN}"
    );
    // Without its peer it has to connect again, by what the name stands for now.
    drop(server);
    let failures = [("reason", "other")];
    let (scrape, _) = wait::until("attempts that are refused", LIMIT, || {
        let scrape = ask().ok()?;
        let failed = scrape.sum("tcp_echo_connect_failures_total", &failures);
        (failed >= 5.0).then_some(scrape)
    })?;
    ensure!(
        scrape.get("tcp_echo_connected", &[])? == 0.0,
        "it is connected"
    );
    ensure!(
        scrape.get("tcp_echo_connects_total", &[])? == 1.0,
        "it was connected again"
    );
    ensure!(forbidden.accept().is_err(), "{elsewhere} was connected to");

    // When the name comes back, so does the target.
    names.elsewhere.store(false, Ordering::Relaxed);
    let _server = Echo::start_in(context, &inside, &flags)?;
    wait::until("a connection", LIMIT, || {
        let scrape = ask().ok()?;
        (scrape.sum("tcp_echo_connected", &[]) > 0.0).then_some(())
    })?;
    Ok(())
}

fn status(exporter: &Endpoint, target: &str) -> Result<u16> {
    let path = format!("/probe?target={target}");
    Ok(exporter.request("GET", &path, &[])?.status)
}

/// A name server to which every name is one address.
struct Names {
    /// Whether that is the one that is not allowed.
    elsewhere: Arc<AtomicBool>,
}

impl Names {
    /// It serves until the process ends, and nobody asks it by then.
    fn start(socket: UdpSocket) -> Result<Self> {
        let elsewhere = Arc::new(AtomicBool::new(false));
        let shared = Arc::clone(&elsewhere);
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
                        // Whoever asked asks again.
                        let _ = socket.send_to(&answer, from);
                    }
                }
            })?;
        Ok(Self { elsewhere })
    }
}

/// The answer to a question for an address (RFC 1035, section 4): one of IPv4, none of IPv6.
fn answer(question: &[u8], ip: Ipv4Addr) -> Result<Vec<u8>> {
    const HEAD: usize = 12;
    let name = question.get(HEAD..).context("a short question")?;
    let name = name
        .iter()
        .position(|byte| *byte == 0)
        .context("no end of a name")?
        + 1;
    let end = HEAD + name + 4;
    let asked = question.get(..end).context("a short question")?;
    let is_a = asked[end - 4..end - 2] == [0, 1];
    let mut answer = asked.to_vec();
    // An answer, recursion available; one question, one or no answer, nothing else.
    answer[2..12].copy_from_slice(&[0x81, 0x80, 0, 1, 0, u8::from(is_a), 0, 0, 0, 0]);
    if is_a {
        // The name above, A, IN, not to be kept, four bytes.
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4]);
        answer.extend(ip.octets());
    }
    Ok(answer)
}

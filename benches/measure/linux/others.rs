//! Other programs beside ours, in the same minute.

use std::net::{TcpListener, UdpSocket};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::program::{Program, json, number, path};
use super::results::Group;
use testkit::shell::{has, output};
use testkit::skip::skip;

pub(super) fn compare(quick: bool) -> Result<Group> {
    let mut group = Group {
        title: "Beside other programs",
        text: "sockperf has a server of its own and keeps one message under way, as `load` does \
               with the echo server here; irtt sends by UDP every 10 ms, as the prober does by \
               TCP. Loopback, one after the other.",
        command: "sockperf ping-pong --tcp --full-rtt; irtt client -i 10ms".to_owned(),
        ..Group::default()
    };
    let seconds = if quick { "1" } else { "3" };
    let mut server = Program::start(
        Command::new(path("echo-server")).arg("127.0.0.1:0"),
        "echo-server",
    )?;
    let address = server.says("listening on ")?;
    if has("sockperf") {
        group.add(
            "sockperf, ping-pong over TCP: RTT p50",
            sockperf(seconds)?,
            "µs",
        );
        let arguments = [&*address, "--connections", "1", "--duration", seconds];
        let (_, said) = json("load", &arguments)?;
        let p50 = number(&said, "/0/slices/0/rtt_us/p50")?;
        group.add("load and echo-server, the same: RTT p50", p50, "µs");
    }
    if has("irtt") {
        group.add("irtt, UDP every 10 ms: RTT p50", irtt(seconds)?, "µs");
        let (_, said) = json("prober", &[&*address, "--json", "--duration", seconds])?;
        let p50 = number(&said, "/rtt_us/p50")?;
        group.add("prober, TCP every 10 ms: RTT p50", p50, "µs");
    }
    if group.rows.is_empty() {
        return skip("neither sockperf nor irtt is installed");
    }
    Ok(group)
}

/// In microseconds.
fn sockperf(seconds: &str) -> Result<f64> {
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let port = port.to_string();
    let at = ["--tcp", "-i", "127.0.0.1", "-p", &port];
    let _server = Program::start(Command::new("sockperf").arg("server").args(at), "sockperf")?;
    let said = retry(|| {
        let mut client = Command::new("sockperf");
        client.arg("ping-pong").args(at);
        output(client.args(["--full-rtt", "--msg-size", "16", "--time", seconds]))
    })?;
    percentile(&said).with_context(|| format!("sockperf said {said}"))
}

/// From the line `sockperf: ---> percentile 50.000 =   12.345`.
fn percentile(said: &str) -> Option<f64> {
    let (_, rest) = said.split_once("percentile 50.000 =")?;
    rest.split_whitespace().next()?.parse().ok()
}

/// In microseconds.
fn irtt(seconds: &str) -> Result<f64> {
    let port = UdpSocket::bind("127.0.0.1:0")?.local_addr()?.port();
    let address = format!("127.0.0.1:{port}");
    let mut server = Command::new("irtt");
    server.args(["server", "-b", &address, "-i", "0"]);
    let _server = Program::start(&mut server, "irtt")?;
    let said = retry(|| {
        let mut client = Command::new("irtt");
        client.args(["client", "-Q", "-i", "10ms", "-d", &format!("{seconds}s")]);
        output(client.args(["-o", "-", &address]))
    })?;
    let said: Value = serde_json::from_str(&said).context("irtt")?;
    Ok(number(&said, "/stats/rtt/median")? / 1e3)
}

/// A server of theirs does not say when it listens.
fn retry(mut client: impl FnMut() -> Result<String>) -> Result<String> {
    let end = Instant::now() + Duration::from_secs(5);
    loop {
        match client() {
            Err(_) if Instant::now() < end => sleep(Duration::from_millis(100)),
            said => return said,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::percentile;

    #[test]
    fn sockperf_is_understood() {
        let said = "sockperf: ---> percentile 75.000 =   20.1\n\
                    sockperf: ---> percentile 50.000 =   12.345\n";
        assert_eq!(percentile(said), Some(12.345));
        assert_eq!(percentile("sockperf: ERROR"), None);
    }
}

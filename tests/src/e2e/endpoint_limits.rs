//! Clients that use up the connections and responses of the HTTP endpoints while another client
//! scrapes.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use socket2::{Domain, Socket, Type};
use testkit::context::Context;
use testkit::echo::Echo;

use crate::runner::{PLAIN, Scenario};

pub(super) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "clients take all connections and responses",
    alone: true,
    run: exhaust,
    ..PLAIN
}];

/// The maximum duration of a scrape.
const LIMIT: Duration = Duration::from_secs(1);

const TARGETS: usize = 3_000;

/// The number of scrapes of each path.
const SCRAPES: usize = 10;

fn exhaust(context: &Context) -> Result<()> {
    // Nothing listens on this port; only the size of the response matters.
    let entries: Vec<_> = (0..TARGETS)
        .map(|n| format!("{{\"name\": \"t{n}\", \"address\": \"127.0.0.1:1\"}}"))
        .collect();
    let list = context.file("targets.json", &format!("[{}]", entries.join(",")))?;
    let echo = Echo::start(
        context,
        &[
            "-mode=client",
            &format!("-targets={}", list.display()),
            "-interval=10s",
            "-reconnect-max=1m",
        ],
    )?;
    echo.until("all targets", Duration::from_secs(20), |scrape| {
        scrape.matching("tcp_echo_sent_total", &[]).count() == TARGETS
    })?;
    let address = echo.metrics.address;

    let mut idle = Vec::new();
    for _ in 0..64 {
        for last in 3..=6 {
            idle.push(connect(address, last)?);
        }
    }
    slowest(context, address, "idle connections from four addresses")?;
    drop(idle);

    for addresses in [3..=4, 3..=10] {
        let what = format!("slow readers from {} addresses", addresses.clone().count());
        let mut slow = Vec::new();
        for last in addresses {
            for _ in 0..6 {
                let mut client = connect(address, last)?;
                client.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")?;
                slow.push(client);
            }
        }
        thread::sleep(Duration::from_millis(500));
        slowest(context, address, &what)?;
    }
    Ok(())
}

/// Requests metrics and health from the address 127.0.0.2, and notes the slowest response.
fn slowest(context: &Context, address: SocketAddr, load: &str) -> Result<()> {
    let mut longest = Duration::ZERO;
    for _ in 0..SCRAPES {
        for path in ["/metrics", "/-/healthy", "/-/ready"] {
            let before = Instant::now();
            let text = get(address, path).with_context(|| format!("{path} with {load}"))?;
            let took = before.elapsed();
            let is_whole = path != "/metrics"
                || text.ends_with('\n') && {
                    let sent = text
                        .lines()
                        .filter(|line| line.starts_with("tcp_echo_sent_total{"));
                    sent.count() == TARGETS
                };
            ensure!(text.starts_with("HTTP/1.1 200"), "{path} with {load}");
            ensure!(is_whole, "{} bytes with {load}", text.len());
            ensure!(took < LIMIT, "{path} took {took:?} with {load}");
            longest = longest.max(took);
        }
    }
    context.note(format!("{longest:.0?} at most with {load}"));
    Ok(())
}

/// Sends an HTTP/1.0 request, whose response is not chunked; returns the response.
fn get(address: SocketAddr, path: &str) -> Result<String> {
    let mut client = connect(address, 2)?;
    client.set_read_timeout(Some(2 * LIMIT))?;
    client.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes())?;
    let mut text = String::new();
    client.read_to_string(&mut text)?;
    Ok(text.replacen("HTTP/1.0", "HTTP/1.1", 1))
}

/// Connects from the address 127.0.0.`last`.
fn connect(address: SocketAddr, last: u8) -> Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    let own = SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), 0));
    socket.bind(&own.into())?;
    socket.connect(&address.into())?;
    Ok(socket.into())
}

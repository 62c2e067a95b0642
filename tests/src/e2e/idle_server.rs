//! The memory of an idle server, and its connection limit.

use std::io::Read as _;
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use testkit::context::Context;
use testkit::echo::EchoServer;

use crate::runner::{PLAIN, Scenario};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "memory of an idle server",
        run: idle,
        ..PLAIN
    },
    Scenario {
        name: "a thousand idle connections",
        run: idle_connections,
        ..PLAIN
    },
];

/// The maximum anonymous memory. The resident part of the binary depends on how it was built, and
/// is checked for the released binary.
const MAX_IDLE_KIB: u64 = 2 * 1024;
/// The maximum memory per connection.
const MAX_CONNECTION_KIB: f64 = 16.0;
const CONNECTIONS: usize = 1000;
const ABOVE_LIMIT: usize = 20;

fn idle(context: &Context) -> Result<()> {
    let server = EchoServer::start(context, &[])?;
    thread::sleep(Duration::from_secs(1));
    let memory = |field: &str| server.echo.process.memory_kib(field);
    let (anonymous, resident) = (memory("RssAnon")?, memory("VmRSS")?);
    context.note(format!(
        "idle server: {anonymous} KiB anonymous, {resident} KiB resident"
    ));
    ensure!(anonymous <= MAX_IDLE_KIB, "{anonymous} KiB");
    Ok(())
}

fn idle_connections(context: &Context) -> Result<()> {
    let limit = format!("-max-connections={CONNECTIONS}");
    let server = EchoServer::start(context, &[&limit, "-max-connections-per-ip=0"])?;
    let before = server.echo.process.memory_kib("VmRSS")?;
    let connect = || TcpStream::connect_timeout(&server.address, Duration::from_secs(2));
    let open: Vec<TcpStream> = (0..CONNECTIONS)
        .map(|count| connect().with_context(|| format!("connection {count}")))
        .collect::<Result<_>>()?;
    let (scrape, _) = server
        .echo
        .until("all accepted", Duration::from_secs(10), |scrape| {
            scrape.sum("tcp_echo_server_connections", &[]) >= 1000.0
        })?;
    ensure!(
        scrape.sum("tcp_echo_server_rejected_total", &[]) == 0.0,
        "rejected below the limit"
    );
    let after = server.echo.process.memory_kib("VmRSS")?;
    let each = after.saturating_sub(before) as f64 / CONNECTIONS as f64;
    context.note(format!("a thousand idle connections: {each:.2} KiB each"));
    ensure!(each <= MAX_CONNECTION_KIB, "{each} KiB per connection");

    for _ in 0..ABOVE_LIMIT {
        let mut stream = connect()?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        // The connection is closed or reset at once.
        let read = stream.read(&mut [0; 1]);
        ensure!(
            !matches!(&read, Ok(1..))
                && !matches!(&read, Err(e) if e.kind() == std::io::ErrorKind::WouldBlock),
            "a connection above the limit is not closed: {read:?}"
        );
    }
    let scrape = server.echo.scrape()?;
    let rejected = scrape.sum(
        "tcp_echo_server_rejected_total",
        &[("reason", "max_connections")],
    );
    ensure!(rejected == ABOVE_LIMIT as f64, "{rejected} rejected");
    drop(open);
    let none = |scrape: &_| {
        testkit::exposition::Scrape::sum(scrape, "tcp_echo_server_connections", &[]) == 0.0
    };
    server
        .echo
        .until("all closed", Duration::from_secs(5), none)?;
    Ok(())
}

//! What a server costs at rest, and where its limits are.

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
        name: "memory of a server at rest",
        run: at_rest,
        ..PLAIN
    },
    Scenario {
        name: "a thousand idle connections",
        run: thousand,
        ..PLAIN
    },
];

/// Of what it has for itself. How much of its file is in memory depends on how that was built, and
/// is bounded for the one that is released.
const AT_REST_KIB: u64 = 2 * 1024;
/// Four times what the original needs; this is a gate against accidents.
const CONNECTION_KIB: f64 = 16.0;
const CONNECTIONS: usize = 1000;
const TOO_MANY: usize = 20;

fn at_rest(context: &Context) -> Result<()> {
    let server = EchoServer::start(context, &[])?;
    thread::sleep(Duration::from_secs(1));
    let memory = |field: &str| server.echo.process.memory_kib(field);
    let (own, all) = (memory("RssAnon")?, memory("VmRSS")?);
    context.note(format!(
        "a server at rest: {own} KiB, {all} KiB with what is in memory of its file"
    ));
    ensure!(own <= AT_REST_KIB, "{own} KiB");
    Ok(())
}

fn thousand(context: &Context) -> Result<()> {
    let most = format!("-max-connections={CONNECTIONS}");
    let server = EchoServer::start(context, &[&most, "-max-connections-per-ip=0"])?;
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
        "rejected too soon"
    );
    let after = server.echo.process.memory_kib("VmRSS")?;
    let each = after.saturating_sub(before) as f64 / CONNECTIONS as f64;
    context.note(format!("a thousand idle connections: {each:.2} KiB each"));
    ensure!(each <= CONNECTION_KIB, "{each} KiB a connection");

    for _ in 0..TOO_MANY {
        let mut stream = connect()?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        // It is closed or reset at once.
        let read = stream.read(&mut [0; 1]);
        ensure!(
            !matches!(&read, Ok(1..))
                && !matches!(&read, Err(e) if e.kind() == std::io::ErrorKind::WouldBlock),
            "one too many is not closed: {read:?}"
        );
    }
    let scrape = server.echo.scrape()?;
    let rejected = scrape.sum(
        "tcp_echo_server_rejected_total",
        &[("reason", "max_connections")],
    );
    ensure!(rejected == TOO_MANY as f64, "{rejected} rejected");
    drop(open);
    let none = |scrape: &_| {
        testkit::exposition::Scrape::sum(scrape, "tcp_echo_server_connections", &[]) == 0.0
    };
    server
        .echo
        .until("all closed", Duration::from_secs(5), none)?;
    Ok(())
}

//! A server without free file descriptors: it keeps serving, and accepts again when some are free.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use testkit::context::Context;
use testkit::echo::Echo;
use testkit::ports;

use crate::runner::{PLAIN, Scenario};

pub(super) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "files run out at the server",
    run,
    ..PLAIN
}];

/// The limit of open files, lower than the number of connections.
const FILES: usize = 40;

fn run(context: &Context) -> Result<()> {
    let listen = ports::free()?;
    let flags = ["-mode=server", &format!("-listen={listen}")];
    let echo = Echo::start_with_file_limit(context, FILES, &flags)?;

    // The kernel completes all handshakes; the server can't accept the last connections.
    let mut open = Vec::new();
    for _ in 0..FILES + 10 {
        open.push(connect(listen)?);
    }
    ensure!(
        echoes(&mut open[0])?,
        "the first connection is no longer served"
    );
    ensure!(
        !echoes(&mut open[FILES + 9])?,
        "the server is not out of file descriptors"
    );
    let before = echo.process.cpu_ticks()?;
    thread::sleep(Duration::from_secs(1));
    let busy = echo.process.cpu_ticks()? - before;
    context.note(format!("out of file descriptors: {busy} % of a core"));
    ensure!(busy <= 20, "busy loop: {busy} % of a core");
    ensure!(
        echoes(&mut open[0])?,
        "the first connection is no longer served"
    );

    open.drain(1..FILES);
    let (scrape, _) = echo.until("accept errors", Duration::from_secs(5), |scrape| {
        scrape.sum("tcp_echo_server_accept_errors_total", &[]) > 0.0
    })?;
    let errors = scrape.get("tcp_echo_server_accept_errors_total", &[])?;
    context.note(format!("{errors} accept errors"));
    let mut last = open.pop().context("a connection")?;
    last.set_read_timeout(Some(Duration::from_secs(3)))?;
    // The reply to the first request comes first.
    let mut bytes = [0; 1];
    last.read_exact(&mut bytes)
        .context("a queued connection is not served")?;
    let mut new = connect(listen)?;
    ensure!(echoes(&mut new)?, "a new connection is not served");
    Ok(())
}

fn connect(address: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, Duration::from_secs(2))?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    Ok(stream)
}

fn echoes(stream: &mut TcpStream) -> Result<bool> {
    stream.write_all(b"x")?;
    Ok(stream.read_exact(&mut [0; 1]).is_ok())
}

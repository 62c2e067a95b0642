//! A trace in a namespace, and the connection that it leaves.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use tcp_echo_prober::{Path, SocketOptions, TraceEnd, TraceLimits, Traced, trace};
use testkit::netns::Namespace;
use tokio::runtime::Builder;

/// A trace, and what became of it.
pub(super) struct Outcome {
    pub(super) path: Path,
    /// The name of the end.
    pub(super) end: &'static str,
    /// The connection, if there is one.
    pub(super) connection: Option<Connection>,
    pub(super) took: Duration,
}

impl Outcome {
    /// The addresses of the hops.
    pub(super) fn addresses(&self) -> Vec<Option<IpAddr>> {
        self.path.hops.iter().map(|hop| hop.address).collect()
    }

    pub(super) fn connection(self) -> Result<Connection> {
        let (end, path) = (self.end, self.path);
        let connection = self.connection;
        connection.with_context(|| format!("{end} instead of a connection: {path:?}"))
    }
}

/// Traces a flow without a capability.
pub(super) fn traced(
    client: &Namespace,
    source: SocketAddr,
    destination: SocketAddr,
    limits: &TraceLimits,
) -> Result<Outcome> {
    let options = SocketOptions {
        source: Some(source.ip()),
        source_port: Some(source.port()),
        ..SocketOptions::default()
    };
    client.inside().run_unprivileged(|| {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let started = Instant::now();
            let Traced { path, end } = trace(destination, &options, limits).await?;
            let took = started.elapsed();
            let (end, stream) = match end {
                TraceEnd::Connected { stream, .. } => ("connected", Some(stream.into_std()?)),
                TraceEnd::Refused => ("refused", None),
                TraceEnd::Unreachable => ("unreachable", None),
                TraceEnd::Silent => ("silent", None),
                TraceEnd::TimeLimit => ("time limit", None),
                _ => ("hop limit", None),
            };
            ensure!(path.source == source, "from {}", path.source);
            Ok(Outcome {
                path,
                end,
                connection: stream.map(Connection::new).transpose()?,
                took,
            })
        })
    })?
}

/// A probing connection.
pub(super) struct Connection(TcpStream);

impl Connection {
    fn new(stream: TcpStream) -> Result<Self> {
        stream.set_nonblocking(false)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        Ok(Self(stream))
    }

    /// Sends probes and reads the replies.
    pub(super) fn probe(&mut self, count: u8) -> Result<()> {
        for n in 0..count {
            let mut reply = [0; 16];
            self.0.write_all(&[n; 16])?;
            self.0.read_exact(&mut reply)?;
            ensure!(reply == [n; 16], "{reply:?}");
        }
        Ok(())
    }

    /// Ends it with a reset.
    pub(super) fn reset(self) -> Result<()> {
        Ok(tcp_echo_socket::abort(self.0)?)
    }
}

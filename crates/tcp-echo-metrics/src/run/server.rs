//! The echo server, on a thread and a runtime of its own, so that nothing else of
//! the program comes between a probe and its echo.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    thread::{self, JoinHandle},
};

use tcp_echo_metrics::cli;
use tcp_echo_server::{Address, Server, ServerConfig, ServerStats};
use tokio::sync::{mpsc, oneshot};

use super::RunError;

/// What the part is called in messages.
const PART: &str = "echo server";

/// A running echo server.
pub(super) struct EchoServer {
    local_addr: SocketAddr,
    stats: Arc<ServerStats>,
    stop: oneshot::Sender<()>,
    ended: oneshot::Receiver<()>,
    ask: mpsc::Sender<oneshot::Sender<()>>,
    thread: JoinHandle<()>,
}

impl EchoServer {
    /// Lets it run, on `listeners` if there are any, else on its own address.
    pub(super) async fn start(
        config: &cli::ServerConfig,
        listeners: Vec<TcpListener>,
    ) -> Result<Self, RunError> {
        let failed = |error| RunError::Start { part: PART, error };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .map_err(failed)?;
        let mut limits = ServerConfig::default();
        limits.max_connections = config.max_connections;
        limits.max_connections_per_ip = config.max_connections_per_ip;
        limits.idle_timeout = config.idle_timeout;
        limits.slow_reader_timeout = config.slow_reader_timeout;
        limits.allow.clone_from(&config.allow);
        let address = config.listen.clone();

        let (bound, binding) = oneshot::channel::<Result<_, RunError>>();
        let (ask, mut asked) = mpsc::channel::<oneshot::Sender<()>>(1);
        let (stop, stopped) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        let thread = thread::Builder::new()
            .name("echo-server".to_owned())
            .spawn(move || {
                runtime.block_on(async move {
                    // Whoever started it listens, or the program has ended.
                    let server = match serve(&address, listeners, limits).await {
                        Ok(server) => server,
                        Err(error) => {
                            let _ = bound.send(Err(error));
                            return;
                        }
                    };
                    let _ = bound.send(Ok((server.local_addr(), server.stats())));
                    // Whoever asks whether this thread is alive hears it from the thread.
                    tokio::spawn(async move {
                        while let Some(answer) = asked.recv().await {
                            let _ = answer.send(());
                        }
                    });
                    server.run(async { stopped.await.unwrap_or(()) }).await;
                });
                let _ = end.send(());
            })
            .map_err(failed)?;
        let (local_addr, stats) = binding
            .await
            .map_err(|_| failed(io::Error::other("its thread has ended")))??;
        Ok(Self {
            local_addr,
            stats,
            stop,
            ended,
            ask,
            thread,
        })
    }

    pub(super) fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    pub(super) fn stats(&self) -> &Arc<ServerStats> {
        &self.stats
    }

    /// What asks its thread for a sign of life.
    pub(super) fn ask(&self) -> mpsc::Sender<oneshot::Sender<()>> {
        self.ask.clone()
    }

    /// Waits until it has ended without having been told to.
    pub(super) async fn ended(&mut self) -> RunError {
        let _ = (&mut self.ended).await;
        RunError::Ended { part: PART }
    }

    /// Ends it, and waits until it has.
    pub(super) async fn stop(self) {
        let _ = self.stop.send(());
        let thread = self.thread;
        let _ = tokio::task::spawn_blocking(move || thread.join()).await;
    }
}

async fn serve(
    address: &Address,
    listeners: Vec<TcpListener>,
    limits: ServerConfig,
) -> Result<Server, RunError> {
    if listeners.is_empty() {
        return Ok(Server::bind(address, limits).await?);
    }
    Server::from_listeners(listeners, limits).map_err(|error| RunError::Start { part: PART, error })
}

//! A running server, and peers for it.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tcp_echo_server::{Server, ServerConfig, ServerStats};
use testkit::wait::until_async;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Far longer than any step of a test takes.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) stats: Arc<ServerStats>,
    pub(crate) task: JoinHandle<io::Result<()>>,
    stop: oneshot::Sender<()>,
}

impl Running {
    pub(crate) async fn start(config: ServerConfig) -> Self {
        let address = "127.0.0.1:0".parse().unwrap();
        let server = Server::bind(&address, config).await.unwrap();
        let (stop, stopped) = oneshot::channel();
        Self {
            address: server.local_addr(),
            stats: server.stats(),
            task: tokio::spawn(server.run(async {
                let _ = stopped.await;
            })),
            stop,
        }
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// Waits until exactly this number of bytes is counted, right after they are written.
    pub(crate) async fn until_echoed(&self, bytes: u64) {
        let echoed = || self.stats.echoed_bytes();
        until("all is counted", || echoed() >= bytes).await;
        assert_eq!(echoed(), bytes);
    }

    /// Waits until a hundred thousand bytes were echoed.
    pub(crate) async fn until_busy(&self) {
        until("it is busy", || self.stats.echoed_bytes() > 100_000).await;
    }

    /// Stops the server and returns how long that took.
    pub(crate) async fn stop(self) -> Duration {
        let start = Instant::now();
        self.stop.send(()).unwrap();
        within(self.task).await.unwrap().unwrap();
        start.elapsed()
    }
}

pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, future)
        .await
        .expect("it took too long")
}

/// Waits until `condition` holds.
pub(crate) async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let look = || condition().then_some(());
    until_async(what, LIMIT, look).await.unwrap();
}

pub(crate) async fn echo(stream: &mut TcpStream, bytes: &[u8]) {
    let mut back = vec![0; bytes.len()];
    within(async {
        stream.write_all(bytes).await.unwrap();
        stream.read_exact(&mut back).await.unwrap();
    })
    .await;
    assert_eq!(back, bytes);
}

/// Whether the server closes or resets the connection rather than sending something.
pub(crate) async fn is_closed(stream: &mut TcpStream) -> bool {
    within(stream.read(&mut [0; 1]))
        .await
        .map_or(true, |read| read == 0)
}

/// Bytes without long repetitions.
pub(crate) fn pattern(length: usize) -> Vec<u8> {
    (0..length as u64)
        .map(|n| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8)
        .collect()
}

/// Writes `bytes` until all buffers are full, here and at the server. Returns how many were
/// written.
pub(crate) async fn write_until_stuck(stream: &mut TcpStream, bytes: &[u8]) -> usize {
    let mut written = 0;
    while written < bytes.len() {
        let more = stream.write(&bytes[written..]);
        match tokio::time::timeout(Duration::from_millis(300), more).await {
            Ok(count) => written += count.unwrap(),
            Err(_) => return written,
        }
    }
    panic!("all {written} bytes went in without anyone reading");
}

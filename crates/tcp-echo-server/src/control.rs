//! Controlling a running server from other threads.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mio::{Registry, Token, Waker};
use tokio::sync::{oneshot, watch};

/// Controls a [`Server`](crate::Server) from any thread: stops it, waits for its end, and asks it
/// for a sign of life. Clones control the same server.
#[derive(Clone, Debug)]
pub struct ServerHandle(Arc<Control>);

/// Shared by a server's loop and its handles.
#[derive(Debug)]
pub(crate) struct Control {
    waker: Waker,
    is_stopping: AtomicBool,
    /// Pending pings; `None` once the loop has ended.
    pings: Mutex<Option<Vec<oneshot::Sender<()>>>>,
    has_ended: watch::Sender<bool>,
}

/// Reports the end of a server when it is dropped.
#[derive(Debug)]
pub(crate) struct EndGuard(Arc<Control>);

impl Drop for EndGuard {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl ServerHandle {
    pub(crate) const fn new(control: Arc<Control>) -> Self {
        Self(control)
    }

    /// Stops the server, or keeps it from starting. Returns at once; the server closes every
    /// connection and ends, within milliseconds as a rule. A client that has asked to be told gets
    /// half a second to receive the last replies and to close its connection first.
    pub fn stop(&self) {
        self.0.is_stopping.store(true, Ordering::Release);
        self.0.wake();
    }

    /// Stops the server and waits until it has ended. Works in any runtime.
    ///
    /// A server that does not run yet ends when it is dropped or run.
    ///
    /// ```
    /// use tcp_echo_server::{Server, ServerConfig};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let server = Server::bind(&"127.0.0.1:0".parse()?, ServerConfig::default()).await?;
    /// let (address, handle) = (server.local_addr(), server.handle());
    /// let running = std::thread::spawn(|| server.run_blocking());
    /// handle.close().await;
    /// // The port is free again.
    /// std::net::TcpListener::bind(address)?;
    /// # running.join().unwrap()?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn close(&self) {
        self.stop();
        self.closed().await;
    }

    /// Waits until the server has ended, for whatever reason: all of its sockets are closed. The
    /// reason is what [`Server::run`](crate::Server::run) returns. Works in any runtime.
    pub async fn closed(&self) {
        let mut has_ended = self.0.has_ended.subscribe();
        // It can't fail: the sender lives as long as this handle.
        let _ = has_ended.wait_for(|ended| *ended).await;
    }

    /// Waits for the next turn of the server's loop. Returns `true` then, and `false` if the
    /// server has ended.
    ///
    /// A loop that hangs does not answer, nor does a server that is not running yet: use a
    /// timeout.
    pub async fn ping(&self) -> bool {
        let (answer, answered) = oneshot::channel();
        match &mut *self.0.pings() {
            Some(waiting) => waiting.push(answer),
            None => return false,
        }
        self.0.wake();
        answered.await.is_ok()
    }
}

impl Control {
    pub(crate) fn new(registry: &Registry, token: Token) -> io::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            waker: Waker::new(registry, token)?,
            is_stopping: AtomicBool::new(false),
            pings: Mutex::new(Some(Vec::new())),
            has_ended: watch::Sender::new(false),
        }))
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Acquire)
    }

    /// Answers the pending pings.
    pub(crate) fn answer(&self) {
        for ping in self.pings().iter_mut().flat_map(|pings| pings.drain(..)) {
            // The receiver may be gone.
            let _ = ping.send(());
        }
    }

    /// Reports the end of the loop once the guard is dropped.
    pub(crate) fn end_guard(self: &Arc<Self>) -> EndGuard {
        EndGuard(Arc::clone(self))
    }

    /// The loop has ended: pings get no answer any more.
    fn end(&self) {
        self.pings().take();
        self.has_ended.send_replace(true);
    }

    pub(crate) fn wake(&self) {
        // Without memory for it the system fails; the loop then notices at its next turn.
        if let Err(error) = self.waker.wake() {
            tracing::error!(%error, "cannot wake the echo server");
        }
    }

    fn pings(&self) -> MutexGuard<'_, Option<Vec<oneshot::Sender<()>>>> {
        // No holder of the lock leaves the list half changed.
        self.pings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

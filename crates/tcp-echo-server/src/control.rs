//! What a running server is told, and asked, from other threads.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mio::{Registry, Token, Waker};
use tokio::sync::oneshot;

/// Stops a [`Server`](crate::Server), and asks it for a sign of life, from any thread.
#[derive(Clone, Debug)]
pub struct ServerHandle(Arc<Control>);

/// What the handles of a server and its loop share.
#[derive(Debug)]
pub(crate) struct Control {
    waker: Waker,
    is_stopping: AtomicBool,
    /// Those who wait for a sign of life; `None` once the loop has ended.
    pings: Mutex<Option<Vec<oneshot::Sender<()>>>>,
}

impl ServerHandle {
    pub(crate) const fn new(control: Arc<Control>) -> Self {
        Self(control)
    }

    /// Ends the server, or keeps it from beginning. It closes every connection, within
    /// milliseconds as a rule.
    pub fn stop(&self) {
        self.0.is_stopping.store(true, Ordering::Release);
        self.0.wake();
    }

    /// Resolves with `true` when the server's loop has come round, and with `false` if it has
    /// ended or ends. A loop that hangs does not answer: give this a timeout.
    ///
    /// Before the server runs nothing answers either.
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
        }))
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Acquire)
    }

    /// The loop lives: those who have asked hear it.
    pub(crate) fn answer(&self) {
        for ping in self.pings().iter_mut().flat_map(|pings| pings.drain(..)) {
            // Who no longer waits needs no answer.
            let _ = ping.send(());
        }
    }

    /// The loop has ended, and nobody gets an answer any more.
    pub(crate) fn end(&self) {
        self.pings().take();
    }

    pub(crate) fn wake(&self) {
        // It fails where the system has no memory for it, and then the loop hears at its next turn.
        if let Err(error) = self.waker.wake() {
            tracing::error!(%error, "the echo server cannot be woken");
        }
    }

    fn pings(&self) -> MutexGuard<'_, Option<Vec<oneshot::Sender<()>>>> {
        // Nothing that holds the lock can leave the list half changed.
        self.pings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

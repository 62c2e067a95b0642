//! A look-up in progress, and its waiters.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, mpsc},
    time::sleep,
};

use crate::Failure;

/// When waiters are notified that there is no answer yet.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// A look-up in progress.
///
/// Dropping this does not cancel the look-up.
#[derive(Debug)]
pub struct LookUp<T>(mpsc::UnboundedReceiver<Result<T, Failure>>);

impl<T> LookUp<T> {
    /// Waits for the next result; `None` at the end.
    ///
    /// Answers may be partial; each one includes those before. Without an answer five seconds
    /// after the start, [`Failure::NoAnswer`] is returned once, and a late answer may follow.
    /// Cancel safe: no result is lost if this future is dropped.
    pub async fn next(&mut self) -> Option<Result<T, Failure>> {
        self.0.recv().await
    }
}

/// The waiters of a look-up.
#[derive(Debug)]
pub(crate) struct Waiters<T> {
    inner: Mutex<Inner<T>>,
    begun: Notify,
    urgent: Notify,
}

#[derive(Debug)]
struct Inner<T> {
    senders: Vec<mpsc::UnboundedSender<Result<T, Failure>>>,
    last: Option<Result<T, Failure>>,
    has_begun: bool,
}

impl<T: Clone> Waiters<T> {
    pub(crate) fn new() -> Self {
        Self {
            inner: Mutex::new(Inner {
                senders: Vec::new(),
                last: None,
                has_begun: false,
            }),
            begun: Notify::new(),
            urgent: Notify::new(),
        }
    }

    /// Adds a waiter. It gets the last result at once, if there is one.
    pub(crate) fn join(&self, is_urgent: bool) -> LookUp<T> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut inner = self.lock();
        if let Some(last) = &inner.last {
            let _ = sender.send(last.clone());
        }
        inner.senders.push(sender);
        drop(inner);
        if is_urgent {
            self.urgent.notify_one();
        }
        LookUp(receiver)
    }

    /// Whether there is still a waiter.
    pub(crate) fn is_wanted(&self) -> bool {
        let inner = self.lock();
        inner.senders.iter().any(|sender| !sender.is_closed())
    }

    pub(crate) fn notify(&self, result: Result<T, Failure>) {
        let mut inner = self.lock();
        inner
            .senders
            .retain(|sender| sender.send(result.clone()).is_ok());
        inner.last = Some(result);
    }

    /// Whether there was an answer.
    pub(crate) fn is_answered(&self) -> bool {
        matches!(self.lock().last, Some(Ok(_)))
    }

    /// Notes that the look-up has started.
    pub(crate) fn begin(&self) {
        if !std::mem::replace(&mut self.lock().has_begun, true) {
            self.begun.notify_one();
        }
    }

    /// Waits for an urgent waiter, one without an earlier answer.
    pub(crate) async fn urgent(&self) {
        self.urgent.notified().await;
    }

    /// Reports a missing answer, five seconds after the start. Never returns.
    pub(crate) async fn notify_when_late(&self) -> std::convert::Infallible {
        self.begun.notified().await;
        sleep(ANSWER_TIMEOUT).await;
        if self.lock().last.is_none() {
            self.notify(Err(Failure::NoAnswer));
        }
        std::future::pending().await
    }

    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! A look-up under way, and those who wait for it.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, mpsc},
    time::sleep,
};

use crate::Failure;

/// After this long those who wait are told that there is no answer yet.
const PATIENCE: Duration = Duration::from_secs(5);

/// A look-up under way.
///
/// It goes on whether anybody waits or not; dropping this only ends the waiting.
#[derive(Debug)]
pub struct LookUp<T>(mpsc::UnboundedReceiver<Result<T, Failure>>);

impl<T> LookUp<T> {
    /// Waits for what comes next of it; `None` where nothing more does.
    ///
    /// Answers may come in parts: each holds what the ones before it said. When there is
    /// none five seconds after the look-up has begun, [`Failure::NoAnswer`] comes once in
    /// between, and a late answer after it. Nothing is lost where this is dropped while
    /// it waits.
    pub async fn next(&mut self) -> Option<Result<T, Failure>> {
        self.0.recv().await
    }
}

/// Those who wait for a look-up.
#[derive(Debug)]
pub(crate) struct Waiting<T> {
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

impl<T: Clone> Waiting<T> {
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

    /// One more who waits; told at once what was told before.
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

    /// Whether anybody still waits.
    pub(crate) fn is_wanted(&self) -> bool {
        let inner = self.lock();
        inner.senders.iter().any(|sender| !sender.is_closed())
    }

    pub(crate) fn tell(&self, what: Result<T, Failure>) {
        let mut inner = self.lock();
        inner
            .senders
            .retain(|sender| sender.send(what.clone()).is_ok());
        inner.last = Some(what);
    }

    /// Whether an answer was told.
    pub(crate) fn is_answered(&self) -> bool {
        matches!(self.lock().last, Some(Ok(_)))
    }

    /// Notes that it has its turn.
    pub(crate) fn begin(&self) {
        if !std::mem::replace(&mut self.lock().has_begun, true) {
            self.begun.notify_one();
        }
    }

    /// Waits until somebody waits who has nothing to go on with.
    pub(crate) async fn urgent(&self) {
        self.urgent.notified().await;
    }

    /// Tells when there is no answer for long, counted from its turn; never ends.
    pub(crate) async fn tell_when_late(&self) -> std::convert::Infallible {
        self.begun.notified().await;
        sleep(PATIENCE).await;
        if self.lock().last.is_none() {
            self.tell(Err(Failure::NoAnswer));
        }
        std::future::pending().await
    }

    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

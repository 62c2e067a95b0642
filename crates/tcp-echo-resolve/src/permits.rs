//! Limits of concurrent look-ups.

use std::{future::Future, pin::pin, sync::Arc, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

/// How long a look-up counts as prompt; then another one may start.
pub(crate) const PROMPT: Duration = Duration::from_millis(250);

/// How many look-ups a [`Resolver`](crate::Resolver) runs concurrently; others wait.
///
/// Most look-ups take milliseconds; those that hang take ten seconds or more. The number of
/// new ones is low, to spare the nameservers. A look-up that takes longer than a quarter of a
/// second lets another one start, up to the total. Names that have hung before get only a part
/// of the total.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Look-ups that started less than a quarter of a second ago.
    pub prompt: usize,
    /// Look-ups of names that have hung before.
    pub slow: usize,
    /// All look-ups. Each takes a thread or a socket.
    pub all: usize,
}

impl Default for Limits {
    /// 32, 64 and 256.
    fn default() -> Self {
        Self {
            prompt: 32,
            slow: 64,
            all: 256,
        }
    }
}

/// Hands out permits for look-ups.
#[derive(Debug)]
pub(crate) struct Permits {
    prompt: Arc<Semaphore>,
    slow: Arc<Semaphore>,
    all: Arc<Semaphore>,
}

/// The permit of a look-up, held until it ends.
#[derive(Debug)]
pub(crate) struct Permit {
    _all: OwnedSemaphorePermit,
    _slow: Option<OwnedSemaphorePermit>,
}

/// A second permit, held while the look-up is prompt.
#[derive(Debug)]
pub(crate) struct PromptPermit {
    _permit: OwnedSemaphorePermit,
}

impl Permits {
    pub(crate) fn new(limits: Limits) -> Self {
        let semaphore = |permits| Arc::new(Semaphore::new(permits));
        Self {
            prompt: semaphore(limits.prompt),
            slow: semaphore(limits.slow),
            all: semaphore(limits.all),
        }
    }

    /// Waits for the permits; `None` if the resolver has ended.
    pub(crate) async fn take(&self, is_slow: bool) -> Option<(Permit, PromptPermit)> {
        // In this order, so that a slow name that waits blocks no other.
        let slow = if is_slow {
            Some(self.slow.clone().acquire_owned().await.ok()?)
        } else {
            None
        };
        let all = self.all.clone().acquire_owned().await.ok()?;
        let prompt = self.prompt.clone().acquire_owned().await.ok()?;
        let permit = Permit {
            _all: all,
            _slow: slow,
        };
        Some((permit, PromptPermit { _permit: prompt }))
    }
}

impl PromptPermit {
    /// Waits for `work`, and drops the permit when it is no longer prompt.
    pub(crate) async fn during<T>(self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        if let Ok(done) = timeout(PROMPT, &mut work).await {
            return done;
        }
        drop(self);
        work.await
    }
}

//! How many look-ups are under way at once.

use std::{future::Future, pin::pin, sync::Arc, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

/// After this long a look-up no longer keeps others from beginning.
pub(crate) const PROMPT: Duration = Duration::from_millis(250);

/// How many look-ups a [`Resolver`](crate::Resolver) has under way at once; others wait
/// for their turn.
///
/// Most look-ups take milliseconds, and those that hang take ten seconds or more. So the
/// number of those that have just begun is kept low, for the nameservers' sake; one that
/// takes longer than a quarter of a second lets another begin, up to the number of all.
/// Names that have hung before have a share of these, and leave the rest to the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Look-ups that have begun less than a quarter of a second ago.
    pub prompt: usize,
    /// Look-ups of names that have hung before.
    pub slow: usize,
    /// All look-ups. Each has a thread or a socket.
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

/// Places for look-ups.
#[derive(Debug)]
pub(crate) struct Places {
    prompt: Arc<Semaphore>,
    slow: Arc<Semaphore>,
    all: Arc<Semaphore>,
}

/// A look-up's place, for as long as it takes.
#[derive(Debug)]
pub(crate) struct Place {
    _all: OwnedSemaphorePermit,
    _slow: Option<OwnedSemaphorePermit>,
}

/// What it has besides for as long as it is prompt.
#[derive(Debug)]
pub(crate) struct Prompt {
    _permit: OwnedSemaphorePermit,
}

impl Places {
    pub(crate) fn new(limits: Limits) -> Self {
        let semaphore = |permits| Arc::new(Semaphore::new(permits));
        Self {
            prompt: semaphore(limits.prompt),
            slow: semaphore(limits.slow),
            all: semaphore(limits.all),
        }
    }

    /// Waits for a place; nothing where they are no more.
    pub(crate) async fn take(&self, is_slow: bool) -> Option<(Place, Prompt)> {
        // In this order: what waits for its share holds up nothing else.
        let slow = if is_slow {
            Some(self.slow.clone().acquire_owned().await.ok()?)
        } else {
            None
        };
        let all = self.all.clone().acquire_owned().await.ok()?;
        let prompt = self.prompt.clone().acquire_owned().await.ok()?;
        let place = Place {
            _all: all,
            _slow: slow,
        };
        Some((place, Prompt { _permit: prompt }))
    }
}

impl Prompt {
    /// Waits for `work`, and lets others begin when it is no longer prompt.
    pub(crate) async fn while_it_lasts<T>(self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        if let Ok(done) = timeout(PROMPT, &mut work).await {
            return done;
        }
        drop(self);
        work.await
    }
}

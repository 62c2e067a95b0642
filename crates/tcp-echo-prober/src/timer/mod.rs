//! One precise timer for all targets of a runtime thread.
//!
//! The timers of an asynchronous runtime tick in milliseconds. Here one queue holds the
//! deadlines of all targets, and one alarm of the operating system is set to the earliest.

mod alarm;
mod grid;
mod queue;
#[cfg(any(test, not(target_os = "linux")))]
mod thread_alarm;

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Waker,
    time::Instant,
};

use alarm::Alarm;
use grid::Nanos;
pub(crate) use grid::{Density, Grid};
use queue::Queue;

/// The timer of one runtime thread. Clones share it.
#[derive(Clone)]
pub(crate) struct Timer {
    shared: Arc<Shared>,
}

struct Shared {
    /// Held for nanoseconds, by tasks of one thread where the prober has threads
    /// of its own.
    state: Mutex<State>,
    alarm: Alarm,
    grid: Arc<Grid>,
}

#[derive(Default)]
struct State {
    queue: Queue,
    /// The time that the alarm is set to.
    armed: Option<Nanos>,
}

impl Timer {
    /// A timer on the current runtime, whose thread sleeps by `grid`.
    pub(crate) fn new(grid: Arc<Grid>) -> io::Result<Self> {
        Ok(Self {
            shared: Arc::new(Shared {
                state: Mutex::default(),
                alarm: Alarm::new()?,
                grid,
            }),
        })
    }

    /// Fits the grid to the targets of the thread.
    pub(crate) fn fit(&self, density: &Density) {
        self.shared.grid.fit(density);
    }

    /// Adds an entry to the queue.
    pub(crate) fn sleeper(&self) -> Sleeper {
        let id = self.shared.state().queue.insert();
        Sleeper {
            shared: self.shared.clone(),
            id,
        }
    }

    /// Wakes the sleepers at their deadlines, until an error.
    pub(crate) async fn run(&self) -> io::Result<()> {
        let mut due = Vec::new();
        loop {
            self.shared.alarm.fired().await?;
            {
                let mut state = self.shared.state();
                state.armed = None;
                let now = self.shared.grid.nanos(Instant::now());
                while let Some(waker) = state.queue.pop_due(now) {
                    due.push(waker);
                }
                self.shared.arm(&mut state);
            }
            for waker in due.drain(..) {
                waker.wake();
            }
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the alarm to the earliest deadline, unless it is set to that already.
    fn arm(&self, state: &mut State) {
        let earliest = state.queue.earliest().map(|at| self.grid.at_or_after(at));
        if earliest != state.armed {
            if let Some(at) = earliest {
                self.alarm.set(self.grid.instant(at));
            }
            // An obsolete alarm fires once and finds nothing due.
            state.armed = earliest;
        }
    }
}

/// One task's entry in the queue of its thread's [`Timer`].
pub(crate) struct Sleeper {
    shared: Arc<Shared>,
    id: queue::Id,
}

impl Sleeper {
    /// Notes whether the kernel stamped a reply.
    #[inline]
    pub(crate) fn replied(&self, is_stamped: bool) {
        self.shared.grid.replied(is_stamped);
    }

    /// Wakes `waker` at `at`, which lies ahead. Replaces the deadline before.
    pub(crate) fn wake_at(&mut self, at: Instant, waker: &Waker) {
        let at = self.shared.grid.nanos(at);
        let mut state = self.shared.state();
        if state.queue.set(self.id, at, waker) {
            self.shared.arm(&mut state);
        }
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.queue.remove(self.id);
        self.shared.arm(&mut state);
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, task::Poll, time::Duration};

    use super::*;
    use crate::Coalesce;

    async fn sleep_until(sleeper: &mut Sleeper, at: Instant) {
        poll_fn(|cx| {
            if Instant::now() >= at {
                return Poll::Ready(());
            }
            sleeper.wake_at(at, cx.waker());
            Poll::Pending
        })
        .await;
    }

    #[tokio::test]
    async fn sleepers_wake_in_time_and_not_before() {
        let timer = Timer::new(Arc::new(Grid::new(Coalesce::Off))).unwrap();
        let pacer = tokio::spawn({
            let timer = timer.clone();
            async move { timer.run().await }
        });
        let start = Instant::now();
        let sleeps = (1..=50_u32).rev().map(|n| {
            let timer = timer.clone();
            tokio::spawn(async move {
                let mut sleeper = timer.sleeper();
                for round in 1..=5 {
                    let at = start + Duration::from_micros(700) * n * round;
                    sleep_until(&mut sleeper, at).await;
                    assert!(Instant::now() >= at);
                }
            })
        });
        for sleep in sleeps.collect::<Vec<_>>() {
            sleep.await.unwrap();
        }
        assert!(start.elapsed() < Duration::from_secs(5));
        assert_eq!(timer.shared.state().queue.earliest(), None);
        pacer.abort();
    }

    #[tokio::test]
    async fn an_earlier_deadline_replaces_a_later_one() {
        let timer = Timer::new(Arc::new(Grid::new(Coalesce::Off))).unwrap();
        let pacer = tokio::spawn({
            let timer = timer.clone();
            async move { timer.run().await }
        });
        let mut late = timer.sleeper();
        late.wake_at(Instant::now() + Duration::from_secs(3600), Waker::noop());
        let mut early = timer.sleeper();
        let start = Instant::now();
        sleep_until(&mut early, start + Duration::from_millis(5)).await;
        assert!(start.elapsed() < Duration::from_secs(5));
        pacer.abort();
    }
}

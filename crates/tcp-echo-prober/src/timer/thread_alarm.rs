//! The alarm of systems without `timerfd`: a thread that sleeps as precisely as possible.
//!
//! `std::thread::sleep` is the most precise wait that is portable: on Windows it
//! takes a high-resolution waitable timer, on macOS it is a kernel timer of
//! microseconds. It can't be cut short, so the thread sleeps in slices.

use std::{
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use tokio::sync::Notify;

/// How long before its deadline an alarm changes from a coarse, interruptible wait to slices
/// of precise sleep.
const FINE: Duration = Duration::from_millis(20);

/// The longest slice: how late an alarm may be after it was set to an earlier deadline.
const SLICE: Duration = Duration::from_millis(1);

/// An alarm with a thread of its own.
pub(super) struct ThreadAlarm {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    command: Mutex<Command>,
    changed: Condvar,
    fired: Notify,
}

#[derive(Clone, Copy, Default)]
enum Command {
    #[default]
    Idle,
    FireAt(Instant),
    End,
}

impl ThreadAlarm {
    pub(super) fn new() -> io::Result<Self> {
        let shared = Arc::<Shared>::default();
        thread::Builder::new().name("alarm".to_owned()).spawn({
            let shared = shared.clone();
            move || shared.run()
        })?;
        Ok(Self { shared })
    }

    /// Sets the alarm to `at`. Replaces the deadline before.
    pub(super) fn set(&self, at: Instant) {
        self.shared.send(Command::FireAt(at));
    }

    /// Waits until it has fired.
    pub(super) async fn fired(&self) -> io::Result<()> {
        self.shared.fired.notified().await;
        Ok(())
    }
}

impl Drop for ThreadAlarm {
    fn drop(&mut self) {
        self.shared.send(Command::End);
    }
}

impl Shared {
    fn command(&self) -> MutexGuard<'_, Command> {
        self.command.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(&self, command: Command) {
        *self.command() = command;
        self.changed.notify_one();
    }

    /// The thread: waits for deadlines, and notifies.
    fn run(&self) {
        let mut command = self.command();
        loop {
            let at = match *command {
                Command::End => return,
                Command::Idle => {
                    let woken = self.changed.wait(command);
                    command = woken.unwrap_or_else(PoisonError::into_inner);
                    continue;
                }
                Command::FireAt(at) => at,
            };
            let left = at.saturating_duration_since(Instant::now());
            if left.is_zero() {
                *command = Command::Idle;
                self.fired.notify_one();
            } else if let Some(coarse) = left.checked_sub(FINE).filter(|wait| !wait.is_zero()) {
                let woken = self.changed.wait_timeout(command, coarse);
                command = woken.unwrap_or_else(PoisonError::into_inner).0;
            } else {
                drop(command);
                thread::sleep(left.min(SLICE));
                command = self.command();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn rings_in_time_and_can_be_set_anew() {
        let alarm = ThreadAlarm::new().unwrap();
        for wait in [0, 1, 5, 30] {
            alarm.set(Instant::now() + Duration::from_secs(3600));
            let at = Instant::now() + Duration::from_millis(wait);
            alarm.set(at);
            alarm.fired().await.unwrap();
            assert!(Instant::now() >= at);
            assert!(at.elapsed() < Duration::from_secs(2));
        }
        let shared = alarm.shared.clone();
        drop(alarm);
        // The thread ends and drops its handle.
        let deadline = Instant::now() + Duration::from_secs(2);
        while Arc::strong_count(&shared) > 1 && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(Arc::strong_count(&shared), 1);
    }
}

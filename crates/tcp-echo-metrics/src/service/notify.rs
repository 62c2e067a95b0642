//! What systemd is told, by `sd_notify(3)`.

use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;
use std::time::Duration;

use sd_notify::NotifyState;

/// What systemd may be told.
#[derive(Debug)]
pub(super) enum State {
    /// Everything runs; in a few words, what.
    Ready(String),
    Stopping,
    Alive,
    /// Nothing more will be told.
    End,
}

/// How many messages may wait for a manager that is busy: ready, stopping, the end, and
/// a few signs of life.
const WAITING: usize = 8;
/// How long the last message is waited for.
const PATIENCE: Duration = Duration::from_millis(200);

/// Notifies systemd on a thread of its own: a manager that doesn't read blocks the thread that
/// writes to its socket.
#[derive(Debug)]
pub(super) struct Notifier {
    states: SyncSender<State>,
    ended: Receiver<()>,
}

impl Notifier {
    /// Begins, where a manager wants to be told.
    pub(super) fn start() -> Option<Self> {
        std::env::var_os("NOTIFY_SOCKET").filter(|socket| !socket.is_empty())?;
        let (states, waiting) = mpsc::sync_channel(WAITING);
        let (end, ended) = mpsc::channel();
        let thread = thread::Builder::new().name("notify".to_owned());
        let spawned = thread.spawn(move || {
            notify_all(&waiting);
            drop(end);
        });
        if let Err(error) = spawned {
            tracing::warn!(%error, "the service manager can't be told");
            return None;
        }
        Some(Self { states, ended })
    }

    /// Tells it when it can. What finds too much waiting is left out: the manager reads
    /// nothing, and a sign of life that comes late is none.
    pub(super) fn tell(&self, state: State) {
        let _ = self.states.try_send(state);
    }

    /// What tells it.
    pub(super) fn sender(&self) -> SyncSender<State> {
        self.states.clone()
    }
}

impl Drop for Notifier {
    /// Waits until all was told, where the manager reads.
    fn drop(&mut self) {
        if self.states.try_send(State::End).is_ok() {
            let _ = self.ended.recv_timeout(PATIENCE);
        }
    }
}

fn notify_all(waiting: &Receiver<State>) {
    while let Ok(state) = waiting.recv() {
        let sent = match &state {
            State::Ready(status) => {
                sd_notify::notify(&[NotifyState::Ready, NotifyState::Status(status)])
            }
            State::Stopping => sd_notify::notify(&[NotifyState::Stopping]),
            State::Alive => sd_notify::notify(&[NotifyState::Watchdog]),
            State::End => return,
        };
        // The manager acts on what it doesn't hear; there is nobody else to tell.
        if let Err(error) = sent {
            tracing::debug!(%error, "the service manager can't be told");
        }
    }
}

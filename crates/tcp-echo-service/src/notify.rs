//! Notifications to systemd: `sd_notify(3)`.

use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;
use std::time::Duration;

use sd_notify::NotifyState;

/// A notification.
#[derive(Debug)]
pub(crate) enum Notification {
    /// Everything runs, with a short status.
    Ready(String),
    Stopping,
    Alive,
    /// The last one: the thread ends.
    End,
}

/// The capacity of the queue for a manager that is busy: ready, stopping, the end, and a few
/// heartbeats.
const CAPACITY: usize = 8;
/// The timeout for the queue to drain at the end.
const DRAIN_TIMEOUT: Duration = Duration::from_millis(200);

/// Notifies systemd from a thread of its own, since a manager that does not read blocks writes to
/// its socket.
#[derive(Debug)]
pub(crate) struct Notifier {
    queue: SyncSender<Notification>,
    ended: Receiver<()>,
}

impl Notifier {
    /// Starts the thread, if a manager expects notifications.
    pub(crate) fn start() -> Option<Self> {
        std::env::var_os("NOTIFY_SOCKET").filter(|socket| !socket.is_empty())?;
        let (queue, notifications) = mpsc::sync_channel(CAPACITY);
        let (end, ended) = mpsc::channel();
        let thread = thread::Builder::new().name("notify".to_owned());
        let spawned = thread.spawn(move || {
            notify_all(&notifications);
            drop(end);
        });
        if let Err(error) = spawned {
            tracing::warn!(%error, "cannot notify the service manager");
            return None;
        }
        Some(Self { queue, ended })
    }

    /// Queues a notification. It is dropped while the queue is full: the manager reads nothing,
    /// and a late heartbeat is worthless.
    pub(crate) fn notify(&self, notification: Notification) {
        let _ = self.queue.try_send(notification);
    }

    /// The queue, for another thread.
    pub(crate) fn queue(&self) -> SyncSender<Notification> {
        self.queue.clone()
    }
}

impl Drop for Notifier {
    /// Waits until everything is sent, if the manager reads.
    fn drop(&mut self) {
        if self.queue.try_send(Notification::End).is_ok() {
            let _ = self.ended.recv_timeout(DRAIN_TIMEOUT);
        }
    }
}

fn notify_all(notifications: &Receiver<Notification>) {
    while let Ok(notification) = notifications.recv() {
        let sent = match &notification {
            Notification::Ready(status) => {
                sd_notify::notify(&[NotifyState::Ready, NotifyState::Status(status)])
            }
            Notification::Stopping => sd_notify::notify(&[NotifyState::Stopping]),
            Notification::Alive => sd_notify::notify(&[NotifyState::Watchdog]),
            Notification::End => return,
        };
        // The manager acts on missing notifications by itself.
        if let Err(error) = sent {
            tracing::debug!(%error, "cannot notify the service manager");
        }
    }
}

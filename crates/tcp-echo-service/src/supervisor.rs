//! Notifications to the manager that started the program, and its orders.

#[cfg(target_os = "linux")]
use std::sync::OnceLock;
use std::{future::Future, time::Duration};

#[cfg(target_os = "linux")]
use crate::notify::{Notification, Notifier};
use crate::watchdog::Watchdog;

/// The manager that started this program, if it expects notifications.
///
/// systemd is notified by `sd_notify(3)` when the program is ready, when it stops, and, for its
/// watchdog, that it is alive. Windows' service control manager is notified of the first two, and
/// orders the program to end. Other managers expect nothing.
///
/// No call blocks on the manager, except for a moment when this is dropped.
#[derive(Debug, Default)]
pub struct Supervisor {
    /// Set at the first notification: a supervisor may be made before threads may start.
    #[cfg(target_os = "linux")]
    notifier: OnceLock<Option<Notifier>>,
    #[cfg(windows)]
    control: Option<crate::control::Control>,
}

impl Supervisor {
    /// The supervisor of a service that Windows has started.
    #[cfg(windows)]
    pub(crate) fn of_windows(control: crate::control::Control) -> Self {
        Self {
            control: Some(control),
        }
    }

    /// Notifies that everything listens and runs, with a short status.
    pub fn ready(&self, status: &str) {
        #[cfg(target_os = "linux")]
        self.notify(Notification::Ready(status.to_owned()));
        #[cfg(not(target_os = "linux"))]
        tracing::trace!(status, "ready");
        #[cfg(windows)]
        if let Some(control) = &self.control {
            control.running();
        }
    }

    /// Notifies that the program stops.
    pub fn stopping(&self) {
        #[cfg(target_os = "linux")]
        self.notify(Notification::Stopping);
        #[cfg(windows)]
        if let Some(control) = &self.control {
            control.stopping();
        }
    }

    /// Waits, for a moment at most, until the manager has read the last notification, as dropping
    /// does.
    pub fn close(self) {}

    /// Sends heartbeats to the manager's watchdog, if it has one, until the returned value is
    /// dropped. A part that hangs gets the program restarted: `hung` is asked before each
    /// heartbeat, which is not sent if it returns the name of one. Its argument is the time that
    /// it may take.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with a timer, which sends the heartbeats, so it is watched as well.
    pub fn watch<F>(&self, hung: impl FnMut(Duration) -> F + Send + 'static) -> Watchdog
    where
        F: Future<Output = Option<String>> + Send + 'static,
    {
        match watchdog() {
            Some(timeout) => Watchdog::start(timeout, self.heartbeat(), hung),
            None => Watchdog::none(),
        }
    }

    /// A function that sends a heartbeat to the watchdog.
    #[cfg_attr(
        not(target_os = "linux"),
        expect(clippy::unused_self, reason = "only systemd has a watchdog")
    )]
    fn heartbeat(&self) -> impl Fn() + Send + use<> {
        #[cfg(target_os = "linux")]
        let queue = self.notifier().map(Notifier::queue);
        move || {
            #[cfg(target_os = "linux")]
            if let Some(queue) = &queue {
                let _ = queue.try_send(Notification::Alive);
            }
        }
    }

    #[cfg(target_os = "linux")]
    fn notifier(&self) -> Option<&Notifier> {
        self.notifier.get_or_init(Notifier::start).as_ref()
    }

    #[cfg(target_os = "linux")]
    fn notify(&self, notification: Notification) {
        if let Some(notifier) = self.notifier() {
            notifier.notify(notification);
        }
    }

    /// Waits until the manager orders the program to end by other means than a signal, and
    /// returns the name of the order.
    pub async fn order(&mut self) -> &'static str {
        #[cfg(windows)]
        if let Some(control) = &mut self.control {
            return control.order().await;
        }
        std::future::pending().await
    }
}

#[cfg(target_os = "linux")]
fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled().filter(|limit| !limit.is_zero())
}

#[cfg(not(target_os = "linux"))]
fn watchdog() -> Option<Duration> {
    None
}

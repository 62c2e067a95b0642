//! What a program and the manager that started it tell each other.

#[cfg(target_os = "linux")]
use std::sync::OnceLock;
use std::time::Duration;

#[cfg(target_os = "linux")]
use super::notify::{Notifier, State};

/// The manager that started this program, if one did that wants to be told.
///
/// systemd is told by `sd_notify(3)` when the program is ready, when it ends and, as its
/// watchdog, that it lives. Windows' service control manager is told of the first two,
/// and tells when to end. To others nothing is said.
///
/// Nothing here waits for the manager, but for a moment when this is dropped.
#[derive(Debug, Default)]
pub struct Supervisor {
    /// From the first message on: this may be made before there may be threads.
    #[cfg(target_os = "linux")]
    notifier: OnceLock<Option<Notifier>>,
    #[cfg(windows)]
    control: Option<super::scm::Control>,
}

impl Supervisor {
    /// The one of a service that Windows has started.
    #[cfg(windows)]
    pub(super) fn of_windows(control: super::scm::Control) -> Self {
        Self {
            control: Some(control),
        }
    }

    /// Everything listens and runs; `status` says in a few words what.
    pub fn ready(&self, status: &str) {
        #[cfg(target_os = "linux")]
        self.notify(State::Ready(status.to_owned()));
        #[cfg(not(target_os = "linux"))]
        tracing::trace!(status, "ready");
        #[cfg(windows)]
        if let Some(control) = &self.control {
            control.running();
        }
    }

    /// The program has been told to end, and does.
    pub fn stopping(&self) {
        #[cfg(target_os = "linux")]
        self.notify(State::Stopping);
        #[cfg(windows)]
        if let Some(control) = &self.control {
            control.stopping();
        }
    }

    /// How often the manager wants a sign of life at least.
    pub fn watchdog(&self) -> Option<Duration> {
        watchdog()
    }

    /// What gives a sign of life.
    pub fn signs(&self) -> impl Fn() + Send + use<> {
        #[cfg(target_os = "linux")]
        let sender = self.notifier().map(Notifier::sender);
        move || {
            #[cfg(target_os = "linux")]
            if let Some(sender) = &sender {
                let _ = sender.try_send(State::Alive);
            }
        }
    }

    #[cfg(target_os = "linux")]
    fn notifier(&self) -> Option<&Notifier> {
        self.notifier.get_or_init(Notifier::start).as_ref()
    }

    #[cfg(target_os = "linux")]
    fn notify(&self, state: State) {
        if let Some(notifier) = self.notifier() {
            notifier.tell(state);
        }
    }

    /// Waits until the manager tells the program to end by other means than a signal;
    /// gives how it is called.
    pub async fn told_to_end(&mut self) -> &'static str {
        #[cfg(windows)]
        if let Some(control) = &mut self.control {
            return control.told().await;
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

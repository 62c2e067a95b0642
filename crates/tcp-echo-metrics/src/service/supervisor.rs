//! What a program and the manager that started it tell each other.

use std::time::Duration;

/// The manager that started this program, if one did that wants to be told.
///
/// systemd is told by `sd_notify(3)` when the program is ready, when it ends and, as its
/// watchdog, that it lives. Windows' service control manager is told of the first two,
/// and tells when to end. To others nothing is said.
#[derive(Debug, Default)]
pub struct Supervisor {
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
        notify(&State::Ready(status));
        #[cfg(windows)]
        if let Some(control) = &self.control {
            control.running();
        }
    }

    /// The program has been told to end, and does.
    pub fn stopping(&self) {
        notify(&State::Stopping);
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
    pub fn signs(&self) -> fn() {
        || notify(&State::Alive)
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

/// What systemd may be told.
enum State<'a> {
    Ready(&'a str),
    Stopping,
    Alive,
}

#[cfg(target_os = "linux")]
fn notify(state: &State<'_>) {
    use sd_notify::NotifyState;

    let sent = match *state {
        State::Ready(status) => {
            sd_notify::notify(&[NotifyState::Ready, NotifyState::Status(status)])
        }
        State::Stopping => sd_notify::notify(&[NotifyState::Stopping]),
        State::Alive => sd_notify::notify(&[NotifyState::Watchdog]),
    };
    // The manager acts on what it doesn't hear; there is nobody else to tell.
    if let Err(error) = sent {
        tracing::debug!(%error, "the service manager can't be told");
    }
}

#[cfg(not(target_os = "linux"))]
fn notify(state: &State<'_>) {
    let state = match *state {
        State::Ready(status) => status,
        State::Stopping => "stopping",
        State::Alive => "alive",
    };
    tracing::trace!(state, "nobody wants to be told");
}

#[cfg(target_os = "linux")]
fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled().filter(|limit| !limit.is_zero())
}

#[cfg(not(target_os = "linux"))]
fn watchdog() -> Option<Duration> {
    None
}

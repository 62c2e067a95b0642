//! The state of a service.

/// The state of a service, as its manager sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The manager does not know it.
    NotInstalled,
    /// It is installed and does not run.
    Stopped,
    /// It fails, and the manager restarts it each time.
    Failing,
    /// It runs.
    Running,
}

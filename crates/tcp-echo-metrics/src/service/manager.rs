//! What every service manager can do.

use crate::cli::ServiceOptions;

use super::{ServiceError, Spec};

/// How a service is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The manager doesn't know it.
    NotInstalled,
    /// It is installed and doesn't run.
    Stopped,
    /// It ends by itself, and the manager starts it again.
    Failing,
    /// It runs.
    Running,
}

/// A service manager, with the one service in hand.
pub(super) trait Manager {
    /// How the service is now.
    fn state(&self) -> Result<State, ServiceError>;

    /// Writes its definition, or replaces it, and has it started with the system. Gives
    /// lines that say what was done. It is not started.
    fn install(&self, spec: &Spec) -> Result<Vec<String>, ServiceError>;

    /// Fails where what is known by the name was not installed by `install`.
    fn may_remove(&self) -> Result<(), ServiceError>;

    /// Removes it; it has been stopped. Gives lines that say what was done.
    fn uninstall(&self) -> Result<Vec<String>, ServiceError>;

    /// Starts it, and waits for what the manager takes for started.
    fn start(&self) -> Result<(), ServiceError>;

    /// Stops it, and waits until it has ended.
    fn stop(&self) -> Result<(), ServiceError>;

    /// Fails, with what to do, where the user may not change services.
    fn may_change(&self) -> Result<(), ServiceError>;

    /// Where the service's log is read.
    fn log(&self) -> String;
}

/// The manager of this system.
#[cfg(unix)]
pub(super) fn native(options: &ServiceOptions) -> Result<Box<dyn Manager>, ServiceError> {
    Ok(Box::new(super::native::Native::new(options)?))
}

/// The manager of this system.
#[cfg(windows)]
pub(super) fn native(options: &ServiceOptions) -> Result<Box<dyn Manager>, ServiceError> {
    Ok(Box::new(super::windows::Windows::new(options)?))
}

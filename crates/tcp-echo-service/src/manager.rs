//! The interface of every service manager.

use crate::error::ServiceError;
use crate::spec::Spec;
use crate::state::State;

/// A service manager, for one service.
pub(crate) trait Manager {
    /// The current state of the service.
    fn state(&self) -> Result<State, ServiceError>;

    /// Writes or replaces the definition, and enables it at boot. Does not start the service.
    /// Returns lines that say what was done.
    fn install(&self, spec: &Spec) -> Result<Vec<String>, ServiceError>;

    /// Fails if a service of that name was not installed by `install`.
    fn may_remove(&self) -> Result<(), ServiceError>;

    /// Removes the service, which is stopped. Returns lines that say what was done.
    fn uninstall(&self) -> Result<Vec<String>, ServiceError>;

    /// Starts the service, and waits until the manager considers it started.
    fn start(&self) -> Result<(), ServiceError>;

    /// Stops the service, and waits until it has ended.
    fn stop(&self) -> Result<(), ServiceError>;

    /// Fails with advice if the user may not change services.
    fn may_change(&self) -> Result<(), ServiceError>;

    /// Where to read the log of the service.
    fn log(&self) -> String;
}

//! The definitions of services, as text.

use crate::error::ServiceError;
use crate::spec::Spec;

mod common;
mod launchd;
mod openrc;
mod rcd;
mod shell;
mod systemd;

pub use systemd::packaged_unit;

/// A kind of service definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Definition {
    /// A unit of systemd.
    Systemd,
    /// A script of `OpenRC`.
    OpenRc,
    /// A script of FreeBSD's rc.d.
    Rcd,
    /// A property list of launchd.
    Launchd,
}

impl Definition {
    /// The text of the definition, which runs exactly the command of `spec`.
    ///
    /// # Errors
    /// [`ServiceError::Failed`], if it can't be written as text.
    pub fn render(self, spec: &Spec) -> Result<String, ServiceError> {
        match self {
            Self::Systemd => Ok(systemd::unit(spec)),
            Self::OpenRc => Ok(openrc::script(spec)),
            Self::Rcd => Ok(rcd::script(spec)),
            Self::Launchd => launchd::property_list(spec),
        }
    }
}

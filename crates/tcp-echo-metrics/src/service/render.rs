//! The definitions of services, as text.

use super::{ServiceError, Spec};

mod launchd;
mod openrc;
mod rcd;
mod shell;
mod systemd;

/// What a service does, in a line.
const DESCRIPTION: &str = "TCP echo: latency and loss between hosts, for Prometheus";
/// How long after a failure the service is started again, in seconds.
const RESTART_SECONDS: u32 = 5;
/// How many files it may open where a limit of the system's is in the way: one for
/// every connection, and some.
const FILES: u32 = 65_536;

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
    /// [`ServiceError::Failed`], when it can't be written as text.
    pub fn render(self, spec: &Spec) -> Result<String, ServiceError> {
        match self {
            Self::Systemd => Ok(systemd::unit(spec)),
            Self::OpenRc => Ok(openrc::script(spec)),
            Self::Rcd => Ok(rcd::script(spec)),
            Self::Launchd => launchd::property_list(spec),
        }
    }
}

pub use systemd::packaged_unit;

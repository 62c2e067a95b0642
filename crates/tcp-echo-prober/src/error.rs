//! Why a prober has ended, and what fails then.

use std::{any::Any, io, sync::Arc};

/// Why a prober has ended by itself.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProberError {
    /// The system refuses a timer, or has taken it away.
    #[error("no timer: {0}")]
    Timer(Arc<io::Error>),
    /// A [`Sensor`](crate::Sensor) panicked, or [`Observer::attach`](crate::Observer::attach)
    /// did.
    #[error("the observer of target {target:?} panicked: {message}")]
    Observer {
        /// The target's name.
        target: Arc<str>,
        /// The message of the panic.
        message: String,
    },
    /// A thread panicked outside any target.
    #[error("a prober's thread panicked: {0}")]
    Thread(String),
}

/// Why [`Handle::apply`](crate::Handle::apply) did not change the targets.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// The prober was stopped.
    #[error("the prober was stopped")]
    Stopped,
    /// The prober has ended by itself.
    #[error("the prober has ended: {0}")]
    Failed(#[source] ProberError),
}

/// What [`Handle::stop`](crate::Handle::stop) found.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StopError {
    /// The prober had ended by itself.
    #[error("the prober had ended: {0}")]
    Failed(#[source] ProberError),
    /// A thread has not ended in time. It still runs.
    #[error("a prober's thread does not end")]
    Timeout,
}

impl ProberError {
    pub(crate) fn timer(error: io::Error) -> Self {
        Self::Timer(Arc::new(error))
    }
}

/// The message of a panic.
pub(crate) fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no message").to_owned()
}

//! Why a prober ended.

use std::{any::Any, io, sync::Arc};

/// Why a prober, or one of its threads, ended without having been told to, or does not end.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProberError {
    /// The system gives no timer, or no longer.
    #[error("no timer: {0}")]
    Timer(Arc<io::Error>),
    /// A [`Sensor`](crate::Sensor), or attaching one, panicked.
    #[error("the observer of target {target:?} panicked: {message}")]
    Observer {
        /// The target's name.
        target: Arc<str>,
        /// What the panic said.
        message: String,
    },
    /// A thread panicked outside any target.
    #[error("a prober's thread panicked: {0}")]
    Thread(String),
    /// A thread has not ended in time; it is left to itself.
    #[error("a prober's thread does not end")]
    Hangs,
}

impl ProberError {
    pub(crate) fn timer(error: io::Error) -> Self {
        Self::Timer(Arc::new(error))
    }
}

/// What a panic said.
pub(crate) fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no message").to_owned()
}

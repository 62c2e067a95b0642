//! How the last reload of the configuration went.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::SystemTime,
};

use super::scalar::unix_seconds;

/// The result of the last reload of the configuration, for the metrics
/// `tcp_echo_config_last_reload_*`. Clones share the same status.
///
/// The code that reloads reports the result, whatever the cause: a changed file, a signal
/// or a request.
#[derive(Clone, Debug)]
pub struct ReloadStatus(Arc<State>);

#[derive(Debug)]
struct State {
    successful: AtomicBool,
    /// The bits of an `f64`: Unix seconds.
    last_success: AtomicU64,
}

impl ReloadStatus {
    /// The configuration was first loaded at `at`.
    pub fn loaded(at: SystemTime) -> Self {
        Self(Arc::new(State {
            successful: AtomicBool::new(true),
            last_success: AtomicU64::new(unix_seconds(at).to_bits()),
        }))
    }

    /// Records that the configuration was loaded again at `at`, and is in force.
    pub fn succeeded(&self, at: SystemTime) {
        let bits = unix_seconds(at).to_bits();
        self.0.last_success.store(bits, Ordering::Relaxed);
        self.0.successful.store(true, Ordering::Relaxed);
    }

    /// Records that a reload failed. The previous configuration stays in force.
    pub fn failed(&self) {
        self.0.successful.store(false, Ordering::Relaxed);
    }

    pub(crate) fn is_successful(&self) -> bool {
        self.0.successful.load(Ordering::Relaxed)
    }

    /// When the configuration was last loaded, in Unix seconds.
    pub(crate) fn last_success(&self) -> f64 {
        f64::from_bits(self.0.last_success.load(Ordering::Relaxed))
    }
}

//! The metrics of the process itself: its build, its reloads, its log, its certificate.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use prometheus_client::{collector::Collector, encoding::DescriptorEncoder, registry::Unit};

use super::scalar::ScalarEncoder;

/// What the program was built of, for `tcp_echo_build_info`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuildInfo {
    /// The program's version.
    pub version: &'static str,
    /// The revision of its source.
    pub revision: &'static str,
    /// The compiler's version.
    pub rustversion: &'static str,
}

/// How the last reload of the configuration went, for the metrics
/// `tcp_echo_config_last_reload_*`. Clones are handles to the same.
///
/// The code that reloads reports the result, whatever the cause: a changed file, a signal
/// or a request.
#[derive(Clone, Debug)]
pub struct ReloadStatus(Arc<ReloadState>);

#[derive(Debug)]
struct ReloadState {
    successful: AtomicBool,
    /// The bits of a float: Unix seconds.
    last_success: AtomicU64,
}

impl ReloadStatus {
    /// The configuration was first loaded at that time.
    pub fn loaded(at: SystemTime) -> Self {
        Self(Arc::new(ReloadState {
            successful: AtomicBool::new(true),
            last_success: AtomicU64::new(unix_seconds(at).to_bits()),
        }))
    }

    /// The configuration was loaded again at that time, and is in force.
    pub fn succeeded(&self, at: SystemTime) {
        let bits = unix_seconds(at).to_bits();
        self.0.last_success.store(bits, Ordering::Relaxed);
        self.0.successful.store(true, Ordering::Relaxed);
    }

    /// The configuration could not be loaded again; what was in force still is.
    pub fn failed(&self) {
        self.0.successful.store(false, Ordering::Relaxed);
    }
}

pub(crate) fn unix_seconds(at: SystemTime) -> f64 {
    at.duration_since(UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64())
}

/// Writes them.
pub(crate) struct BuildInfoCollector {
    pub(crate) build: BuildInfo,
    pub(crate) reload: Option<ReloadStatus>,
    pub(crate) dropped_log_lines: Option<Arc<CountFn>>,
    pub(crate) tls_cert_expiry: Option<Arc<TimestampFn>>,
}

/// Gives a number whenever it is asked for.
pub(crate) type CountFn = dyn Fn() -> u64 + Send + Sync;

/// Gives a moment whenever it is asked for, if there is one.
pub(crate) type TimestampFn = dyn Fn() -> Option<SystemTime> + Send + Sync;

impl fmt::Debug for BuildInfoCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BuildInfoCollector")
            .field("build", &self.build)
            .finish_non_exhaustive()
    }
}

impl Collector for BuildInfoCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut scalars = ScalarEncoder(&mut encoder);
        scalars.gauge(("tcp_echo_up", None, "Whether the exporter is up: 1."), 1)?;
        let build = &self.build;
        scalars.info(
            ("tcp_echo_build", None, "What the program was built of."),
            &[
                ("version", build.version),
                ("revision", build.revision),
                ("rustversion", build.rustversion),
            ],
        )?;
        if let Some(dropped) = &self.dropped_log_lines {
            scalars.counter(
                (
                    "tcp_echo_log_lines_dropped",
                    None,
                    "Log lines that could not be written in time.",
                ),
                dropped(),
            )?;
        }
        if let Some(expiry) = self.tls_cert_expiry.as_ref().and_then(|expiry| expiry()) {
            scalars.float_gauge(
                (
                    "tcp_echo_tls_cert_expiry_timestamp",
                    Some(&Unit::Seconds),
                    "End of validity of the certificate that the endpoints serve, in Unix seconds.",
                ),
                unix_seconds(expiry),
            )?;
        }
        let Some(ReloadStatus(reload)) = &self.reload else {
            return Ok(());
        };
        scalars.gauge(
            (
                "tcp_echo_config_last_reload_successful",
                None,
                "Whether the last reload of the configuration succeeded.",
            ),
            u64::from(reload.successful.load(Ordering::Relaxed)),
        )?;
        scalars.float_gauge(
            (
                "tcp_echo_config_last_reload_success_timestamp",
                Some(&Unit::Seconds),
                "When the configuration was last loaded, in Unix seconds.",
            ),
            f64::from_bits(reload.last_success.load(Ordering::Relaxed)),
        )
    }
}

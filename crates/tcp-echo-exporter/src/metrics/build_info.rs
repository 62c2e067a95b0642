//! The metrics of the program itself: its build, its log, its certificate, its reloads.

use std::{io, time::SystemTime};

use super::{
    reload_status::ReloadStatus,
    scalar::{ScalarEncoder, unix_seconds},
};
use crate::encoding::encoder::{Collector, Encoder, Unit};

/// The build of the program, for `tcp_echo_build_info`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuildInfo {
    /// The program's version.
    pub version: &'static str,
    /// The revision of its source.
    pub revision: &'static str,
    /// The compiler's version.
    pub rustversion: &'static str,
}

/// Writes the metrics of the program itself.
#[derive(Debug)]
pub(crate) struct BuildInfoCollector {
    pub(crate) build: BuildInfo,
    pub(crate) reload_status: Option<ReloadStatus>,
    pub(crate) dropped_log_lines: Option<u64>,
    pub(crate) tls_cert_expiry: Option<SystemTime>,
}

impl Collector for BuildInfoCollector {
    fn encode(&self, encoder: &mut Encoder<'_>) -> io::Result<()> {
        let mut scalars = ScalarEncoder(encoder);
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
        if let Some(dropped) = self.dropped_log_lines {
            scalars.counter(
                (
                    "tcp_echo_log_lines_dropped",
                    None,
                    "Log lines that could not be written in time.",
                ),
                dropped,
            )?;
        }
        if let Some(expiry) = self.tls_cert_expiry {
            scalars.float_gauge(
                (
                    "tcp_echo_tls_cert_expiry_timestamp",
                    Some(Unit::Seconds),
                    "End of validity of the certificate that the endpoints serve, in Unix seconds.",
                ),
                unix_seconds(expiry),
            )?;
        }
        let Some(reload) = &self.reload_status else {
            return Ok(());
        };
        scalars.gauge(
            (
                "tcp_echo_config_last_reload_successful",
                None,
                "Whether the last reload of the configuration succeeded.",
            ),
            u64::from(reload.is_successful()),
        )?;
        scalars.float_gauge(
            (
                "tcp_echo_config_last_reload_success_timestamp",
                Some(Unit::Seconds),
                "When the configuration was last loaded, in Unix seconds.",
            ),
            reload.last_success(),
        )
    }
}

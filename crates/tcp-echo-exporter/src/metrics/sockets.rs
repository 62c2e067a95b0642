//! The metrics of the prober's sockets.

use std::fmt;

use prometheus_client::{collector::Collector, encoding::DescriptorEncoder};
use tcp_echo_prober::SocketStats;

use super::scalar::ScalarEncoder;

/// Writes how many targets have no socket.
#[derive(Debug)]
pub(crate) struct SocketCollector(pub(crate) SocketStats);

impl Collector for SocketCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let without = self.0.targets_without_socket();
        ScalarEncoder(&mut encoder).gauge(
            (
                "tcp_echo_targets_without_socket",
                None,
                "Targets that have no socket, since the process has no file descriptor or memory \
                 for one.",
            ),
            u64::try_from(without).unwrap_or(u64::MAX),
        )
    }
}

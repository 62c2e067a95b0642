//! The metrics of the prober's sockets.

use std::io;

use tcp_echo_prober::SocketStats;

use super::scalar::ScalarEncoder;
use crate::encoding::encoder::{Collector, Encoder};

/// Writes how many targets have no socket.
#[derive(Debug)]
pub(crate) struct SocketCollector(pub(crate) SocketStats);

impl Collector for SocketCollector {
    fn encode(&self, encoder: &mut Encoder<'_>) -> io::Result<()> {
        let without = self.0.targets_without_socket();
        ScalarEncoder(encoder).gauge(
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

//! The metrics of the echo server.

use std::{fmt, sync::Arc};

use prometheus_client::{collector::Collector, encoding::DescriptorEncoder, registry::Unit};
use tcp_echo_server::{CloseReason, RejectReason, ServerStats};

use super::scalar::ScalarEncoder;

/// Writes the counts of an echo server.
#[derive(Debug)]
pub(crate) struct ServerCollector(pub(crate) Arc<ServerStats>);

impl Collector for ServerCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let stats = &self.0;
        let mut scalars = ScalarEncoder(&mut encoder);
        scalars.gauge(
            ("tcp_echo_server_connections", None, "Connections open now."),
            stats.connections(),
        )?;
        scalars.counter(
            (
                "tcp_echo_server_accepted",
                None,
                "Connections accepted and served.",
            ),
            stats.accepted(),
        )?;
        scalars.counter_by_reason(
            (
                "tcp_echo_server_rejected",
                None,
                "Connections closed at once, by the limit or the list that refused them.",
            ),
            RejectReason::ALL.map(|reason| (reason.as_str(), stats.rejected(reason))),
        )?;
        scalars.counter_by_reason(
            (
                "tcp_echo_server_closed",
                None,
                "Connections that the server ended after it had served them, by the reason.",
            ),
            CloseReason::ALL.map(|reason| (reason.as_str(), stats.closed(reason))),
        )?;
        scalars.counter(
            (
                "tcp_echo_server_echoed",
                Some(&Unit::Bytes),
                "Bytes sent back.",
            ),
            stats.echoed_bytes(),
        )?;
        scalars.counter(
            (
                "tcp_echo_server_accept_errors",
                None,
                "Times that accepting a connection failed.",
            ),
            stats.accept_errors(),
        )
    }
}

//! The metrics of the echo server.

use std::{io, sync::Arc};

use tcp_echo_server::{CloseReason, RejectReason, ServerStats};

use super::scalar::ScalarEncoder;
use crate::encoding::encoder::{Collector, Encoder, Unit};

/// Writes the counts of an echo server.
#[derive(Debug)]
pub(crate) struct ServerCollector(pub(crate) Arc<ServerStats>);

impl Collector for ServerCollector {
    fn encode(&self, encoder: &mut Encoder<'_>) -> io::Result<()> {
        let stats = &self.0;
        let mut scalars = ScalarEncoder(encoder);
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
                Some(Unit::Bytes),
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

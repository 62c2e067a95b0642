//! The metrics of the echo server.

use std::{io, sync::Arc};

use tcp_echo_server::{ClientStats, CloseReason, RejectReason, ServerStats};

use super::scalar::ScalarEncoder;
use crate::encoding::encoder::{Collector, Encoder, Kind, Number, Unit};

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
        )?;
        encode_clients(&mut scalars, stats)
    }
}

/// Writes what the server's kernel knows of the way to each client that is counted, if any is.
fn encode_clients(scalars: &mut ScalarEncoder<'_, '_>, stats: &ServerStats) -> io::Result<()> {
    let clients: Vec<_> = stats
        .clients()
        .into_iter()
        .map(|(ip, stats)| (ip.to_string(), stats))
        .collect();
    if clients.is_empty() {
        return Ok(());
    }
    let by_client = |value: fn(&ClientStats) -> Number| {
        let values = clients.iter();
        values.map(move |(ip, stats)| ([("client", &**ip)], value(stats)))
    };
    scalars.by_labels(
        (
            "tcp_echo_server_client_segments_sent",
            None,
            "Data segments that the kernel sent to a client, with retransmissions.",
        ),
        Kind::Counter,
        by_client(|stats| Number::Int(stats.segments_sent)),
    )?;
    scalars.by_labels(
        (
            "tcp_echo_server_client_segments_lost",
            None,
            "Those of them that were lost on the way to the client.",
        ),
        Kind::Counter,
        by_client(|stats| Number::Int(stats.segments_lost)),
    )?;
    scalars.by_labels(
        (
            "tcp_echo_server_client_rtt",
            Some(Unit::Seconds),
            "The kernel's smoothed RTT of a client's connection.",
        ),
        Kind::Gauge,
        by_client(|stats| Number::Float(stats.srtt.as_secs_f64())),
    )
}

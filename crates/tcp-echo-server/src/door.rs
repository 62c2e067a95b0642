//! What is done to a connection at the door, said once and not for every connection.

use std::net::SocketAddr;
use std::time::Instant;

use tokio::net::{TcpListener, TcpStream};

use crate::episode::Episode;
use crate::{RejectReason, options};

/// Prepares those who come in, and turns others away.
#[derive(Debug, Default)]
pub(crate) struct Door {
    options_failed: bool,
    rejecting: [Episode; RejectReason::ALL.len()],
}

impl Door {
    /// Before anybody comes.
    pub(crate) fn open(&mut self, listeners: &[TcpListener]) {
        for listener in listeners {
            if let Err(error) = options::bound_buffers(listener)
                && !std::mem::replace(&mut self.options_failed, true)
            {
                tracing::warn!(%error, "the buffers of connections cannot be bounded, serving them without");
            }
        }
    }

    pub(crate) fn prepare(&mut self, stream: &TcpStream) {
        if let Err(error) = options::prepare(stream)
            && !std::mem::replace(&mut self.options_failed, true)
        {
            tracing::warn!(%error, "a connection's options cannot be set, serving it without");
        }
    }

    pub(crate) fn reject(&mut self, stream: TcpStream, peer: SocketAddr, reason: RejectReason) {
        drop(stream);
        if !self.rejecting[reason as usize].event(Instant::now()) {
            return;
        }
        match reason {
            RejectReason::NotAllowed => {
                tracing::warn!(%peer, "connections of peers that are not allowed are closed");
            }
            RejectReason::MaxConnections | RejectReason::MaxConnectionsPerIp => {
                tracing::warn!(%peer, limit = reason.as_str(), "connections over the limit are closed");
            }
        }
    }
}

//! The limit of open streams, and which of them ends for another viewer.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tcp_echo_net::client_network;
use tokio::task::{AbortHandle, JoinHandle};

/// The tasks of all streams. At the limit, the oldest stream of the client with the most
/// streams ends for a client with fewer; its browser reconnects.
#[derive(Debug)]
pub(super) struct Viewers {
    limit: usize,
    streams: Arc<Mutex<Vec<Stream>>>,
}

#[derive(Debug)]
struct Stream {
    /// An IPv4 address or the /64 of an IPv6 address. Unknown clients count as one.
    client: Option<IpAddr>,
    task: AbortHandle,
}

/// An open stream. Its task ends when this is dropped.
#[derive(Debug)]
pub(super) struct Viewer {
    task: AbortHandle,
    streams: Arc<Mutex<Vec<Stream>>>,
}

impl Viewers {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            streams: Arc::default(),
        }
    }

    /// Starts another stream for `client`; `None` if no client has more streams.
    pub(super) fn admit(
        &self,
        client: Option<IpAddr>,
        start: impl FnOnce() -> JoinHandle<()>,
    ) -> Option<Viewer> {
        let client = client.map(client_network);
        let mut streams = lock(&self.streams);
        if streams.len() >= self.limit {
            let counts = streams.iter().map(|stream| count(&streams, stream.client));
            let largest = counts.max()?;
            if count(&streams, client) >= largest {
                return None;
            }
            let mut all = streams.iter();
            let oldest = all.position(|stream| count(&streams, stream.client) == largest)?;
            streams.remove(oldest).task.abort();
        }
        let task = start().abort_handle();
        streams.push(Stream {
            client,
            task: task.clone(),
        });
        Some(Viewer {
            task,
            streams: Arc::clone(&self.streams),
        })
    }
}

/// Counts the streams of this client.
fn count(streams: &[Stream], client: Option<IpAddr>) -> usize {
    let own = streams.iter().filter(|stream| stream.client == client);
    own.count()
}

impl Drop for Viewer {
    fn drop(&mut self) {
        self.task.abort();
        let id = self.task.id();
        lock(&self.streams).retain(|stream| stream.task.id() != id);
    }
}

fn lock(streams: &Mutex<Vec<Stream>>) -> MutexGuard<'_, Vec<Stream>> {
    streams.lock().unwrap_or_else(PoisonError::into_inner)
}

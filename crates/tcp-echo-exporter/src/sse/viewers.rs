//! The streams that are open, and which of them ends for another viewer.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tcp_echo_net::client_network;
use tokio::task::{AbortHandle, JoinHandle};

/// The tasks of all streams, up to a limit. Where it is reached, the oldest stream of the client
/// with the most of them ends for a client with fewer; its browser comes again.
#[derive(Debug)]
pub(super) struct Viewers {
    limit: usize,
    streams: Arc<Mutex<Vec<Stream>>>,
}

#[derive(Debug)]
struct Stream {
    /// An IPv4 address or the /64 of an IPv6 one; unknown clients are one.
    client: Option<IpAddr>,
    task: AbortHandle,
}

/// A stream that is open. Its task ends when this is dropped.
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

    /// Has `start` begin another stream of `client`, unless that has as many as any.
    pub(super) fn admit(
        &self,
        client: Option<IpAddr>,
        start: impl FnOnce() -> JoinHandle<()>,
    ) -> Option<Viewer> {
        let client = client.map(client_network);
        let mut streams = lock(&self.streams);
        if streams.len() >= self.limit {
            let counts = streams.iter().map(|stream| count(&streams, stream.client));
            let most = counts.max()?;
            if count(&streams, client) >= most {
                return None;
            }
            let mut all = streams.iter();
            let oldest = all.position(|stream| count(&streams, stream.client) == most)?;
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

/// How many of the streams are of this client.
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

//! The limit of responses in memory, and which of them is dropped for another one.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tcp_echo_net::{ClientQuotas, Eviction, LogLimiter, client_network};
use tokio::{
    sync::{Notify, oneshot},
    time::{Instant, sleep},
};

use super::{
    HELD_PER_FREE,
    client::Client,
    connection::{Connection, rate},
};

/// How long a request waits before a slow reader is evicted for it, and before the next
/// eviction.
const EVICTION_INTERVAL: Duration = Duration::from_millis(100);

/// The age at which a response's reader can be too slow for others.
const SLOW_AFTER: Duration = Duration::from_millis(250);

/// How long a reader has taken nothing when it is evicted for its own client.
const STALL_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a client whose reader was evicted is served after the others.
const SLOW_CLIENT_PENALTY: Duration = Duration::from_secs(10);

/// The permits for responses in memory. Each client has its [quota](ClientQuotas).
///
/// A response holds its permit from before it is rendered until its last byte has left memory.
/// A request without a permit waits for one. If slow readers hold the permits, the slowest is
/// evicted: for another client, a reader of the client with the most responses; for the same
/// client, only a reader that has stalled. A client whose reader was evicted is penalized for a
/// while: it gets a permit after all others, and only stalled readers are evicted for it. So
/// further requests of a slow client delay no other client.
#[derive(Debug)]
pub(crate) struct Responses(Arc<Mutex<Table>>);

#[derive(Debug)]
struct Table {
    limit: usize,
    quotas: ClientQuotas,
    readers: Vec<Arc<Reader>>,
    /// In the order of arrival.
    waiting: Vec<Waiter>,
    /// The clients whose readers were evicted recently, and when.
    penalized: HashMap<IpAddr, Instant>,
    log: LogLimiter,
}

#[derive(Debug)]
struct Waiter {
    client: Option<IpAddr>,
    connection: Option<Arc<Connection>>,
    permit_sender: oneshot::Sender<ResponsePermit>,
}

/// The reader of one response.
#[derive(Debug)]
pub(crate) struct Reader {
    client: Option<IpAddr>,
    connection: Option<Arc<Connection>>,
    start: Instant,
    /// Bytes that it has taken.
    bytes_taken: AtomicU64,
    /// When it took the last of them, in milliseconds since the start.
    last_taken_at: AtomicU64,
    /// Whether the writer is blocked until the reader takes more.
    writer_waits: AtomicBool,
    evicted: Notify,
}

impl Reader {
    fn new(client: Option<IpAddr>, connection: Option<Arc<Connection>>) -> Self {
        Self {
            client,
            connection,
            start: Instant::now(),
            bytes_taken: AtomicU64::new(0),
            last_taken_at: AtomicU64::new(0),
            writer_waits: AtomicBool::new(false),
            evicted: Notify::new(),
        }
    }

    /// The reader has taken this many bytes.
    pub(crate) fn on_taken(&self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.bytes_taken.fetch_add(bytes, Relaxed);
        let now = self.start.elapsed().as_millis();
        let now = u64::try_from(now).unwrap_or(u64::MAX);
        self.last_taken_at.store(now, Relaxed);
    }

    /// Sets whether the writer is blocked until the reader takes more.
    pub(crate) fn set_writer_waits(&self, writer_waits: bool) {
        self.writer_waits.store(writer_waits, Relaxed);
    }

    /// Waits until the reader is evicted. Only one task may wait.
    pub(crate) async fn evicted(&self) {
        self.evicted.notified().await;
    }

    fn evict(&self) {
        self.evicted.notify_one();
        // This stops the writer. The chunks in memory are freed with the connection.
        if let Some(connection) = &self.connection {
            connection.close();
        }
    }

    fn is_slow(&self, now: Instant) -> bool {
        self.writer_waits.load(Relaxed) && now.duration_since(self.start) >= SLOW_AFTER
    }

    fn is_stalled(&self, now: Instant) -> bool {
        let last_taken_at = Duration::from_millis(self.last_taken_at.load(Relaxed));
        let since = now.duration_since(self.start).saturating_sub(last_taken_at);
        self.is_slow(now) && since >= STALL_TIMEOUT
    }

    fn rate(&self, now: Instant) -> f64 {
        let time = now.duration_since(self.start);
        rate(self.bytes_taken.load(Relaxed), time)
    }
}

/// The permit for one response in memory. It is released when this is dropped, or earlier if
/// the reader is evicted.
#[derive(Debug)]
pub(crate) struct ResponsePermit {
    reader: Arc<Reader>,
    table: Arc<Mutex<Table>>,
}

impl ResponsePermit {
    pub(crate) fn reader(&self) -> &Reader {
        &self.reader
    }
}

impl Drop for ResponsePermit {
    fn drop(&mut self) {
        let is_released = lock(&self.table).release(&self.reader);
        if is_released {
            grant_waiters(&self.table);
        }
    }
}

impl Responses {
    pub(crate) fn new(limit: usize) -> Self {
        Self(Arc::new(Mutex::new(Table {
            limit,
            quotas: ClientQuotas::new(HELD_PER_FREE),
            readers: Vec::new(),
            waiting: Vec::new(),
            penalized: HashMap::new(),
            log: LogLimiter::default(),
        })))
    }

    /// Acquires a permit for a response to `client`; `None` if there is none within `max_wait`.
    pub(crate) async fn acquire(
        &self,
        client: &Client,
        max_wait: Duration,
    ) -> Option<ResponsePermit> {
        let mut granted = match self.take_or_wait(client) {
            Ok(permit) => return Some(permit),
            Err(granted) => granted,
        };
        let deadline = Instant::now() + max_wait;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            tokio::select! {
                permit = &mut granted => return permit.ok(),
                () = sleep(left.min(EVICTION_INTERVAL)) => self.evict_slowest(client.address),
            }
        }
    }

    fn take_or_wait(
        &self,
        client: &Client,
    ) -> Result<ResponsePermit, oneshot::Receiver<ResponsePermit>> {
        let mut table = lock(&self.0);
        let connection = client.connection.clone();
        // Waiters can be passed over: they wait because of their own quota.
        if table.has_free(client.address) {
            return Ok(table.take(&self.0, client.address, connection));
        }
        let (permit_sender, granted) = oneshot::channel();
        table.waiting.push(Waiter {
            client: client.address,
            connection,
            permit_sender,
        });
        Err(granted)
    }

    /// Evicts a reader for a request of `client`, if slow readers hold the permits.
    fn evict_slowest(&self, client: Option<IpAddr>) {
        let now = Instant::now();
        let mut table = lock(&self.0);
        let slowest = match table.quotas.eviction(client, table.limit) {
            None => None,
            Some(Eviction::Own) => {
                let network = client.map(client_network);
                table.slowest(now, |reader| {
                    reader.client.map(client_network) == network && reader.is_stalled(now)
                })
            }
            Some(Eviction::Largest(largest)) => {
                let quotas = &table.quotas;
                let is_penalized = table.is_penalized(client, now);
                table.slowest(now, |reader| {
                    quotas.held_by(reader.client) == largest
                        && reader.is_slow(now)
                        && (!is_penalized || reader.is_stalled(now))
                })
            }
        };
        let Some(reader) = slowest else {
            return;
        };
        table.release(&reader);
        table.penalize(reader.client, now);
        let should_log = table.log.allows(now.into_std());
        drop(table);
        if should_log {
            let slow = reader.client.map(tracing::field::display);
            tracing::warn!(
                client = slow,
                "too many responses are read slowly, dropping the slowest readers"
            );
        }
        reader.evict();
        grant_waiters(&self.0);
    }
}

impl Table {
    /// Returns whether there is a permit for `client`.
    fn has_free(&self, client: Option<IpAddr>) -> bool {
        self.quotas.check(client, self.limit).is_ok()
    }

    fn take(
        &mut self,
        table: &Arc<Mutex<Self>>,
        client: Option<IpAddr>,
        connection: Option<Arc<Connection>>,
    ) -> ResponsePermit {
        let reader = Arc::new(Reader::new(client, connection));
        self.quotas.take(client);
        self.readers.push(Arc::clone(&reader));
        ResponsePermit {
            reader,
            table: Arc::clone(table),
        }
    }

    /// Releases the reader's permit. Returns whether it had one.
    fn release(&mut self, reader: &Arc<Reader>) -> bool {
        let mut readers = self.readers.iter();
        let Some(index) = readers.position(|one| Arc::ptr_eq(one, reader)) else {
            return false;
        };
        self.readers.swap_remove(index);
        self.quotas.release(reader.client);
        true
    }

    /// Returns the slowest of the eligible readers.
    fn slowest(&self, now: Instant, is_eligible: impl Fn(&Reader) -> bool) -> Option<Arc<Reader>> {
        let readers = self.readers.iter().filter(|reader| is_eligible(reader));
        let slowest = readers.min_by(|one, other| one.rate(now).total_cmp(&other.rate(now)));
        slowest.cloned()
    }

    /// Penalizes the client whose reader is evicted.
    fn penalize(&mut self, client: Option<IpAddr>, now: Instant) {
        self.penalized
            .retain(|_, evicted| now.duration_since(*evicted) < SLOW_CLIENT_PENALTY);
        if let Some(client) = client {
            self.penalized.insert(client_network(client), now);
        }
    }

    /// Returns whether this client is served after the others.
    fn is_penalized(&self, client: Option<IpAddr>, now: Instant) -> bool {
        let evicted = client.and_then(|client| self.penalized.get(&client_network(client)));
        evicted.is_some_and(|evicted| now.duration_since(*evicted) < SLOW_CLIENT_PENALTY)
    }

    /// Removes the next waiter that may have a permit: clients without a penalty first, then
    /// those with the fewest responses, then in order of arrival.
    fn next(&mut self) -> Option<Waiter> {
        self.waiting
            .retain(|waiting| !waiting.permit_sender.is_closed());
        let now = Instant::now();
        let waiting = self.waiting.iter().enumerate();
        let (index, _) = waiting
            .filter(|(_, waiting)| self.has_free(waiting.client))
            .min_by_key(|(_, waiting)| {
                (
                    self.is_penalized(waiting.client, now),
                    self.quotas.held_by(waiting.client),
                )
            })?;
        Some(self.waiting.remove(index))
    }
}

/// Grants the free permits to waiters.
fn grant_waiters(shared: &Arc<Mutex<Table>>) {
    loop {
        let mut table = lock(shared);
        let Some(next) = table.next() else {
            return;
        };
        let permit = table.take(shared, next.client, next.connection);
        drop(table);
        // If the waiter is gone, its permit is released at once.
        drop(next.permit_sender.send(permit));
    }
}

fn lock(table: &Mutex<Table>) -> MutexGuard<'_, Table> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;

//! The answers that are in memory, and which of them is dropped for another one.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tcp_echo_address::client_network;
use tokio::{
    sync::{Notify, oneshot},
    time::{Instant, sleep},
};

use super::{
    client::Client,
    connection::{Connection, rate},
    log_limiter::LogLimiter,
    quota::{Admission, Quota},
};

/// How long a request waits before a slow reader is dropped for it, and for a next one.
const EVICTION_INTERVAL: Duration = Duration::from_millis(100);

/// For how long an answer is under way before its reader can be too slow for others.
const SLOW_AFTER: Duration = Duration::from_millis(250);

/// For how long a reader has taken nothing before it is dropped for its own client.
const STALL_TIMEOUT: Duration = Duration::from_secs(1);

/// For how long a client whose reader was dropped comes after the others.
const SLOW_CLIENT_PENALTY: Duration = Duration::from_secs(10);

/// Places for answers, up to a limit, of which each client has its [share](Quota).
///
/// An answer has its place from before it is made until the last of it is taken from memory.
/// A request that finds none waits for it. Where it waits since readers are slow, the slowest
/// of them is dropped: one of the client with the most answers for a client with fewer, and
/// one that has stalled for its own client. A client whose reader was dropped is the last to
/// get a place for a while, and has only those dropped that have stalled; so what comes
/// after a slow reader from the same client delays no other one.
#[derive(Debug)]
pub(crate) struct Responses(Arc<Mutex<Table>>);

#[derive(Debug)]
struct Table {
    quota: Quota,
    readers: Vec<Arc<Reader>>,
    /// In the order of their arrival.
    waiting: Vec<Waiter>,
    /// The clients whose readers were dropped of late, and when.
    penalized: HashMap<IpAddr, Instant>,
    log: LogLimiter,
}

#[derive(Debug)]
struct Waiter {
    client: Option<IpAddr>,
    connection: Option<Arc<Connection>>,
    permit_sender: oneshot::Sender<ResponsePermit>,
}

/// The reader of one answer.
#[derive(Debug)]
pub(crate) struct Reader {
    client: Option<IpAddr>,
    connection: Option<Arc<Connection>>,
    start: Instant,
    /// Bytes that it has taken.
    bytes_taken: AtomicU64,
    /// When it took the last of them, in milliseconds since the answer began.
    last_taken_at: AtomicU64,
    /// Whether the answer goes on only when it takes more.
    writer_waits: AtomicBool,
    dropped: Notify,
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
            dropped: Notify::new(),
        }
    }

    /// It has taken so many bytes.
    pub(crate) fn on_taken(&self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.bytes_taken.fetch_add(bytes, Relaxed);
        let now = self.start.elapsed().as_millis();
        let now = u64::try_from(now).unwrap_or(u64::MAX);
        self.last_taken_at.store(now, Relaxed);
    }

    /// The answer goes on only when it takes more, or by itself.
    pub(crate) fn set_writer_waits(&self, writer_waits: bool) {
        self.writer_waits.store(writer_waits, Relaxed);
    }

    /// Waits until it is dropped. For one task.
    pub(crate) async fn dropped(&self) {
        self.dropped.notified().await;
    }

    fn stop(&self) {
        self.dropped.notify_one();
        // Its writer is told, but what is in memory of the answer goes with the connection.
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

/// The right to have one answer in memory. It is given back when this is dropped, or before
/// where the reader is dropped for another one.
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
            quota: Quota::new(limit),
            readers: Vec::new(),
            waiting: Vec::new(),
            penalized: HashMap::new(),
            log: LogLimiter::default(),
        })))
    }

    /// A place for an answer to `client`, unless there is none within `max_wait`.
    pub(crate) async fn acquire(
        &self,
        client: &Client,
        max_wait: Duration,
    ) -> Option<ResponsePermit> {
        let mut permit_sender = match self.take_or_wait(client) {
            Ok(permit) => return Some(permit),
            Err(permit_sender) => permit_sender,
        };
        let until = Instant::now() + max_wait;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            tokio::select! {
                permit = &mut permit_sender => return permit.ok(),
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
        // Those that wait may not have one, or they would.
        if table.quota.check(client.address) == Admission::Free {
            return Ok(table.take(&self.0, client.address, connection));
        }
        let (permit_sender, receiver) = oneshot::channel();
        table.waiting.push(Waiter {
            client: client.address,
            connection,
            permit_sender,
        });
        Err(receiver)
    }

    /// Makes room for a request of `client` where slow readers are why there is none.
    fn evict_slowest(&self, client: Option<IpAddr>) {
        let now = Instant::now();
        let mut table = lock(&self.0);
        let slowest = match table.quota.check(client) {
            Admission::Free => None,
            Admission::EvictOwn => {
                let network = client.map(client_network);
                table.slowest(now, |reader| {
                    reader.client.map(client_network) == network && reader.is_stalled(now)
                })
            }
            Admission::EvictLargest(largest) => {
                let quota = &table.quota;
                let is_penalized = table.is_penalized(client, now);
                table.slowest(now, |reader| {
                    quota.held_by(reader.client) == largest
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
                "too many answers are read slowly, the slowest readers are dropped"
            );
        }
        reader.stop();
        grant_waiters(&self.0);
    }
}

impl Table {
    fn take(
        &mut self,
        table: &Arc<Mutex<Self>>,
        client: Option<IpAddr>,
        connection: Option<Arc<Connection>>,
    ) -> ResponsePermit {
        let reader = Arc::new(Reader::new(client, connection));
        self.quota.take(client);
        self.readers.push(Arc::clone(&reader));
        ResponsePermit {
            reader,
            table: Arc::clone(table),
        }
    }

    /// Takes the reader's place back; returns whether it had one.
    fn release(&mut self, reader: &Arc<Reader>) -> bool {
        let mut readers = self.readers.iter();
        let Some(index) = readers.position(|one| Arc::ptr_eq(one, reader)) else {
            return false;
        };
        self.readers.swap_remove(index);
        self.quota.release(reader.client);
        true
    }

    /// The slowest of the readers that `is_eligible` be dropped.
    fn slowest(&self, now: Instant, is_eligible: impl Fn(&Reader) -> bool) -> Option<Arc<Reader>> {
        let readers = self.readers.iter().filter(|reader| is_eligible(reader));
        let slowest = readers.min_by(|one, other| one.rate(now).total_cmp(&other.rate(now)));
        slowest.cloned()
    }

    /// A reader of this client is dropped.
    fn penalize(&mut self, client: Option<IpAddr>, now: Instant) {
        self.penalized
            .retain(|_, dropped| now.duration_since(*dropped) < SLOW_CLIENT_PENALTY);
        if let Some(client) = client {
            self.penalized.insert(client_network(client), now);
        }
    }

    /// Whether others come before this client.
    fn is_penalized(&self, client: Option<IpAddr>, now: Instant) -> bool {
        let dropped = client.and_then(|client| self.penalized.get(&client_network(client)));
        dropped.is_some_and(|dropped| now.duration_since(*dropped) < SLOW_CLIENT_PENALTY)
    }

    /// The next request that may have a place: of clients that were not slow, with the fewest
    /// answers, the first one.
    fn next(&mut self) -> Option<Waiter> {
        self.waiting
            .retain(|waiting| !waiting.permit_sender.is_closed());
        let now = Instant::now();
        let quota = &self.quota;
        let is_eligible = |waiting: &Waiter| quota.check(waiting.client) == Admission::Free;
        let waiting = self.waiting.iter().enumerate();
        let (index, _) = waiting
            .filter(|(_, waiting)| is_eligible(waiting))
            .min_by_key(|(_, waiting)| {
                (
                    self.is_penalized(waiting.client, now),
                    quota.held_by(waiting.client),
                )
            })?;
        Some(self.waiting.remove(index))
    }
}

/// Gives places to those that wait, as far as there are.
fn grant_waiters(shared: &Arc<Mutex<Table>>) {
    loop {
        let mut table = lock(shared);
        let Some(next) = table.next() else {
            return;
        };
        let permit = table.take(shared, next.client, next.connection);
        drop(table);
        // One that has gone meanwhile gives it back at once.
        drop(next.permit_sender.send(permit));
    }
}

fn lock(table: &Mutex<Table>) -> MutexGuard<'_, Table> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;

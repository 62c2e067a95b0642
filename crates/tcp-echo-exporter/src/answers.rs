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

use tcp_echo_net::client_network;
use tokio::{
    sync::{Notify, oneshot},
    time::{Instant, sleep},
};

use crate::{
    client::Client,
    connections::{Connection, rate},
    log_limiter::LogLimiter,
    quota::{Quota, Room},
};

/// How long a request waits before a slow reader is dropped for it, and for a next one.
const CHECK: Duration = Duration::from_millis(100);

/// For how long an answer is under way before its reader can be too slow for others.
const SLOW_AFTER: Duration = Duration::from_millis(250);

/// For how long a reader has taken nothing before it is dropped for its own client.
const STALLED_AFTER: Duration = Duration::from_secs(1);

/// For how long a client whose reader was dropped comes after the others.
const LAST_FOR: Duration = Duration::from_secs(10);

/// Places for answers, up to a limit, of which each client has its [share](Quota).
///
/// An answer has its place from before it is made until the last of it is taken from memory.
/// A request that finds none waits for it. Where it waits since readers are slow, the slowest
/// of them is dropped: one of the client with the most answers for a client with fewer, and
/// one that has stalled for its own client. A client whose reader was dropped is the last to
/// get a place for a while, and has only those dropped that have stalled; so what comes
/// after a slow reader from the same client delays no other one.
#[derive(Debug)]
pub(crate) struct Answers(Arc<Mutex<Table>>);

#[derive(Debug)]
struct Table {
    quota: Quota,
    readers: Vec<Arc<Reader>>,
    /// In the order of their arrival.
    waiting: Vec<Waiting>,
    /// The clients whose readers were dropped of late, and when.
    slow: HashMap<IpAddr, Instant>,
    log: LogLimiter,
}

#[derive(Debug)]
struct Waiting {
    client: Option<IpAddr>,
    connection: Option<Arc<Connection>>,
    granted: oneshot::Sender<Place>,
}

/// The reader of one answer.
#[derive(Debug)]
pub(crate) struct Reader {
    client: Option<IpAddr>,
    connection: Option<Arc<Connection>>,
    began: Instant,
    /// Bytes that it has taken.
    taken: AtomicU64,
    /// When it took the last of them, in milliseconds since the answer began.
    taken_at: AtomicU64,
    /// Whether the answer goes on only when it takes more.
    awaited: AtomicBool,
    dropped: Notify,
}

impl Reader {
    fn new(client: Option<IpAddr>, connection: Option<Arc<Connection>>) -> Self {
        Self {
            client,
            connection,
            began: Instant::now(),
            taken: AtomicU64::new(0),
            taken_at: AtomicU64::new(0),
            awaited: AtomicBool::new(false),
            dropped: Notify::new(),
        }
    }

    /// It has taken so many bytes.
    pub(crate) fn on_taken(&self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.taken.fetch_add(bytes, Relaxed);
        let now = self.began.elapsed().as_millis();
        let now = u64::try_from(now).unwrap_or(u64::MAX);
        self.taken_at.store(now, Relaxed);
    }

    /// The answer goes on only when it takes more, or by itself.
    pub(crate) fn set_awaited(&self, awaited: bool) {
        self.awaited.store(awaited, Relaxed);
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
        self.awaited.load(Relaxed) && now.duration_since(self.began) >= SLOW_AFTER
    }

    fn is_stalled(&self, now: Instant) -> bool {
        let taken_at = Duration::from_millis(self.taken_at.load(Relaxed));
        let since = now.duration_since(self.began).saturating_sub(taken_at);
        self.is_slow(now) && since >= STALLED_AFTER
    }

    fn rate(&self, now: Instant) -> f64 {
        let time = now.duration_since(self.began);
        rate(self.taken.load(Relaxed), time)
    }
}

/// The right to have one answer in memory. It is given back when this is dropped, or before
/// where the reader is dropped for another one.
#[derive(Debug)]
pub(crate) struct Place {
    reader: Arc<Reader>,
    table: Arc<Mutex<Table>>,
}

impl Place {
    pub(crate) fn reader(&self) -> &Reader {
        &self.reader
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let is_released = lock(&self.table).release(&self.reader);
        if is_released {
            grant(&self.table);
        }
    }
}

impl Answers {
    pub(crate) fn new(limit: usize) -> Self {
        Self(Arc::new(Mutex::new(Table {
            quota: Quota::new(limit),
            readers: Vec::new(),
            waiting: Vec::new(),
            slow: HashMap::new(),
            log: LogLimiter::default(),
        })))
    }

    /// A place for an answer to `client`, unless there is none within `patience`.
    pub(crate) async fn place(&self, client: &Client, patience: Duration) -> Option<Place> {
        let mut granted = match self.take_or_wait(client) {
            Ok(place) => return Some(place),
            Err(granted) => granted,
        };
        let until = Instant::now() + patience;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            tokio::select! {
                place = &mut granted => return place.ok(),
                () = sleep(left.min(CHECK)) => self.drop_slowest(client.address),
            }
        }
    }

    fn take_or_wait(&self, client: &Client) -> Result<Place, oneshot::Receiver<Place>> {
        let mut table = lock(&self.0);
        let connection = client.connection.clone();
        // Those that wait may not have one, or they would.
        if table.quota.room(client.address) == Room::Free {
            return Ok(table.take(&self.0, client.address, connection));
        }
        let (granted, receiver) = oneshot::channel();
        table.waiting.push(Waiting {
            client: client.address,
            connection,
            granted,
        });
        Err(receiver)
    }

    /// Makes room for a request of `client` where slow readers are why there is none.
    fn drop_slowest(&self, client: Option<IpAddr>) {
        let now = Instant::now();
        let mut table = lock(&self.0);
        let slowest = match table.quota.room(client) {
            Room::Free => None,
            Room::Own => {
                let network = client.map(client_network);
                table.slowest(now, |reader| {
                    reader.client.map(client_network) == network && reader.is_stalled(now)
                })
            }
            Room::Largest(most) => {
                let quota = &table.quota;
                let is_last = table.is_last(client, now);
                table.slowest(now, |reader| {
                    quota.of(reader.client) == most
                        && reader.is_slow(now)
                        && (!is_last || reader.is_stalled(now))
                })
            }
        };
        let Some(reader) = slowest else {
            return;
        };
        table.release(&reader);
        table.note_slow(reader.client, now);
        let is_told = table.log.allows(now.into_std());
        drop(table);
        if is_told {
            let slow = reader.client.map(tracing::field::display);
            tracing::warn!(
                client = slow,
                "too many answers are read slowly, the slowest readers are dropped"
            );
        }
        reader.stop();
        grant(&self.0);
    }
}

impl Table {
    fn take(
        &mut self,
        table: &Arc<Mutex<Self>>,
        client: Option<IpAddr>,
        connection: Option<Arc<Connection>>,
    ) -> Place {
        let reader = Arc::new(Reader::new(client, connection));
        self.quota.take(client);
        self.readers.push(Arc::clone(&reader));
        Place {
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

    /// The slowest of the readers that `may` be dropped.
    fn slowest(&self, now: Instant, may: impl Fn(&Reader) -> bool) -> Option<Arc<Reader>> {
        let readers = self.readers.iter().filter(|reader| may(reader));
        let slowest = readers.min_by(|one, other| one.rate(now).total_cmp(&other.rate(now)));
        slowest.cloned()
    }

    /// A reader of this client is dropped.
    fn note_slow(&mut self, client: Option<IpAddr>, now: Instant) {
        self.slow
            .retain(|_, dropped| now.duration_since(*dropped) < LAST_FOR);
        if let Some(client) = client {
            self.slow.insert(client_network(client), now);
        }
    }

    /// Whether others come before this client.
    fn is_last(&self, client: Option<IpAddr>, now: Instant) -> bool {
        let dropped = client.and_then(|client| self.slow.get(&client_network(client)));
        dropped.is_some_and(|dropped| now.duration_since(*dropped) < LAST_FOR)
    }

    /// The next request that may have a place: of clients that were not slow, with the fewest
    /// answers, the first one.
    fn next(&mut self) -> Option<Waiting> {
        self.waiting.retain(|waiting| !waiting.granted.is_closed());
        let now = Instant::now();
        let quota = &self.quota;
        let may = |waiting: &Waiting| quota.room(waiting.client) == Room::Free;
        let waiting = self.waiting.iter().enumerate();
        let (index, _) =
            waiting
                .filter(|(_, waiting)| may(waiting))
                .min_by_key(|(_, waiting)| {
                    (self.is_last(waiting.client, now), quota.of(waiting.client))
                })?;
        Some(self.waiting.remove(index))
    }
}

/// Gives places to those that wait, as far as there are.
fn grant(shared: &Arc<Mutex<Table>>) {
    loop {
        let mut table = lock(shared);
        let Some(next) = table.next() else {
            return;
        };
        let place = table.take(shared, next.client, next.connection);
        drop(table);
        // One that has gone meanwhile gives it back at once.
        drop(next.granted.send(place));
    }
}

fn lock(table: &Mutex<Table>) -> MutexGuard<'_, Table> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;

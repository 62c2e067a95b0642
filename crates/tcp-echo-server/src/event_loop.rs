//! The loop that serves every connection.

use std::io::{self, ErrorKind};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token};
use slab::Slab;
use tcp_echo_wire::Identity;

use crate::accept::Acceptor;
use crate::connection::{BUFFER, Connection, Load, Mode, Served};
use crate::control::{Control, EndGuard};
use crate::deadlines::{Deadlines, Timeouts};
use crate::fair_queue::FairQueue;
use crate::limiter::{ClientId, ConnectionLimiter};
use crate::{CloseReason, ServerConfig, ServerStats};

/// How many events one poll returns at most.
const EVENTS: usize = 1024;

/// How many light connections are served between two polls. An event waits for that many echoes
/// at most; a poll costs a tenth of an echo.
const QUANTUM: usize = 4;

/// The same with a single client, which delays no other.
const QUANTUM_OF_ONE_CLIENT: usize = 64;

/// How many deadlines are handled per turn: thousands may be due at once.
const DEADLINES: usize = 64;

/// How long a server that stops serves the clients that it has told so. They close their connections
/// after the last reply, so this is as long as an RTT may be.
const DEPARTURE: Duration = Duration::from_millis(500);

const WAKER: Token = Token(usize::MAX);

/// Tokens of listeners start here, those of connections at 0.
const FIRST_LISTENER: usize = 1 << 31;

/// Accepts, echoes and closes, all on one thread.
///
/// Each turn polls once and serves a few connections, client by client ([`FairQueue`]).
/// Connections with much to echo, now or the last time, wait in a second queue. A turn serves one
/// of these and accepts one connection, so a probe waits for one of each at most.
#[derive(Debug)]
pub(crate) struct EventLoop {
    poll: Poll,
    events: Events,
    control: Arc<Control>,
    acceptor: Acceptor,
    timeouts: Timeouts,
    limiter: ConnectionLimiter,
    answers_hello: bool,
    /// What clients may ask for, if it is known.
    identity: Option<Arc<Identity>>,
    connections: Slab<Connection>,
    light: FairQueue,
    heavy: FairQueue,
    deadlines: Deadlines,
    /// The read buffer, shared by all connections.
    buffer: Box<[u8; BUFFER]>,
    stats: Arc<ServerStats>,
    /// The start of the current turn.
    now: Instant,
    /// Set once it departs: when it ends at the latest.
    ends_by: Option<Instant>,
    /// The last field: by then every socket is closed.
    _end: EndGuard,
}

impl EventLoop {
    pub(crate) fn new(
        listeners: Vec<TcpListener>,
        config: ServerConfig,
        stats: Arc<ServerStats>,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        let control = Control::new(poll.registry(), WAKER)?;
        let acceptor =
            Acceptor::register(listeners, poll.registry(), |n| Token(FIRST_LISTENER + n))?;
        Ok(Self {
            poll,
            events: Events::with_capacity(EVENTS),
            _end: control.end_guard(),
            control,
            acceptor,
            timeouts: Timeouts::new(&config),
            answers_hello: config.hello,
            identity: Some(&config.identity)
                .filter(|identity| !identity.is_unknown())
                .map(|identity| Arc::new(identity.clone())),
            limiter: ConnectionLimiter::new(config),
            connections: Slab::new(),
            light: FairQueue::default(),
            heavy: FairQueue::default(),
            deadlines: Deadlines::default(),
            buffer: Box::new([0; BUFFER]),
            stats,
            now: Instant::now(),
            ends_by: None,
        })
    }

    pub(crate) fn control(&self) -> Arc<Control> {
        Arc::clone(&self.control)
    }

    /// Serves until it is stopped.
    pub(crate) fn run(&mut self) -> io::Result<()> {
        while !self.control.is_stopping() {
            self.turn()?;
        }
        self.depart()
    }

    /// Takes no more connections. Serves the clients that want to know that it stops until they have
    /// closed theirs, and closes all others.
    fn depart(&mut self) -> io::Result<()> {
        self.now = Instant::now();
        self.acceptor.close();
        let keys: Vec<_> = self.connections.iter().map(|(key, _)| key).collect();
        for key in keys {
            // A connection that fails has no client to tell.
            if !self.connections[key].depart().unwrap_or(false) {
                self.close(key);
            }
        }
        // Some of those that are closed were waiting to be served.
        (self.light, self.heavy) = Default::default();
        for (key, connection) in &self.connections {
            if connection.is_queued {
                self.heavy.push(connection.client(), key);
            }
        }
        let ends_by = self.now + DEPARTURE;
        self.ends_by = Some(ends_by);
        while !self.connections.is_empty() && self.now < ends_by {
            self.turn()?;
        }
        Ok(())
    }

    /// Waits for events if nothing else is to do, and does a little of everything.
    fn turn(&mut self) -> io::Result<()> {
        let poll_timeout = self.poll_timeout();
        match self.poll.poll(&mut self.events, poll_timeout) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        self.now = Instant::now();
        self.note_events();
        self.note_deadlines();
        let quantum = if self.limiter.clients() > 1 {
            QUANTUM
        } else {
            QUANTUM_OF_ONE_CLIENT
        };
        for _ in 0..quantum {
            let Some(key) = self.light.pop() else { break };
            self.serve(key);
        }
        if let Some(key) = self.heavy.pop() {
            self.serve(key);
        }
        self.accept();
        Ok(())
    }

    /// How long to wait for events.
    fn poll_timeout(&self) -> Option<Duration> {
        if !self.light.is_empty() || !self.heavy.is_empty() {
            return Some(Duration::ZERO);
        }
        let accept = self.acceptor.due(self.now);
        let others = self.deadlines.next().into_iter().chain(self.ends_by);
        let due = accept.into_iter().chain(others).min()?;
        Some(due.saturating_duration_since(self.now))
    }

    /// Queues the connections that are ready.
    fn note_events(&mut self) {
        for event in &self.events {
            let token = event.token();
            if token == WAKER {
                self.control.answer();
                continue;
            }
            let Some(connection) = self.connections.get_mut(token.0) else {
                self.acceptor.on_ready(token.0.wrapping_sub(FIRST_LISTENER));
                continue;
            };
            if event.is_read_closed() || event.is_error() {
                connection.on_read_closed();
            }
            if !std::mem::replace(&mut connection.is_queued, true) {
                let queue = match connection.load() {
                    Load::Light => &mut self.light,
                    Load::Heavy => &mut self.heavy,
                };
                queue.push(connection.client(), token.0);
            }
        }
    }

    /// Queues the connections whose deadline has passed. Serving one costs as much as the kernel
    /// holds for it, so they wait in the heavy queue.
    fn note_deadlines(&mut self) {
        for _ in 0..DEADLINES {
            let Some(key) = self.deadlines.pop(self.now) else {
                break;
            };
            let connection = &mut self.connections[key];
            connection.deadline = None;
            if connection.overdue(&self.timeouts, self.now).is_none() {
                self.set_deadline(key);
                continue;
            }
            connection.is_due = true;
            if !std::mem::replace(&mut connection.is_queued, true) {
                self.heavy.push(connection.client(), key);
            }
        }
    }

    fn serve(&mut self, key: usize) {
        let connection = &mut self.connections[key];
        connection.is_queued = false;
        let was_blocked = connection.is_blocked();
        connection.count_segments(self.now, self.stats.clients_table());
        match connection.serve(&mut self.buffer, self.now, &self.stats) {
            Ok(Served::All | Served::Blocked) => {}
            Ok(Served::Part) => {
                connection.is_queued = true;
                self.heavy.push(connection.client(), key);
            }
            Ok(Served::End) => return self.close(key),
            Err(error) => {
                tracing::debug!(%error, "connection failed");
                return self.close(key);
            }
        }
        if connection.is_blocked() != was_blocked {
            if let Err(error) = connection.reregister(self.poll.registry(), Token(key)) {
                tracing::warn!(%error, "cannot watch a connection any more; closing it");
                return self.close(key);
            }
            // The slow reader timeout may end sooner than the idle timeout.
            self.set_deadline(key);
        }
        let connection = &mut self.connections[key];
        if std::mem::take(&mut connection.is_due) {
            match connection.overdue(&self.timeouts, self.now) {
                Some(reason) => self.end(key, reason),
                None => self.set_deadline(key),
            }
        }
    }

    /// Accepts one connection, if any waits.
    fn accept(&mut self) {
        let Some((stream, peer)) = self.acceptor.accept(self.now, &self.stats) else {
            return;
        };
        let client = match self.limiter.admit(peer.ip()) {
            Ok(client) => client,
            Err(reason) => {
                self.stats.on_rejected(reason);
                return self.acceptor.reject(stream, peer, reason, self.now);
            }
        };
        let mode = if self.answers_hello {
            Mode::New(self.identity.clone())
        } else {
            Mode::Plain
        };
        let entry = self.connections.vacant_entry();
        let key = entry.key();
        let registry = self.poll.registry();
        match Connection::register(stream, client, self.now, registry, Token(key), mode) {
            Ok(mut connection) => {
                let clients = self.stats.clients_table();
                connection.set_counted(clients.on_open(peer.ip(), self.now));
                entry.insert(connection);
                self.stats.on_open();
                self.set_deadline(key);
            }
            Err(error) => {
                tracing::warn!(%error, "cannot watch a connection; closing it");
                self.release(client);
            }
        }
    }

    /// Sets the deadline of a connection from its current state.
    fn set_deadline(&mut self, key: usize) {
        let connection = &mut self.connections[key];
        let due = connection.due(&self.timeouts).map(|(due, _)| due);
        let before = std::mem::replace(&mut connection.deadline, due);
        if let Some(before) = before {
            self.deadlines.remove(before, key);
        }
        if let Some(due) = due {
            self.deadlines.insert(due, key);
        }
    }

    /// Closes a connection that has timed out.
    fn end(&mut self, key: usize, reason: CloseReason) {
        tracing::debug!(reason = reason.as_str(), "closing a connection");
        self.stats.on_closed(reason);
        if reason == CloseReason::SlowReader {
            self.connections[key].reset_on_close();
        }
        self.close(key);
    }

    fn close(&mut self, key: usize) {
        let mut connection = self.connections.remove(key);
        connection.count_last_segments(self.now, self.stats.clients_table());
        if let Some(due) = connection.deadline {
            self.deadlines.remove(due, key);
        }
        // Counted before it is closed: a peer that sees the end finds it counted.
        self.stats.on_close();
        self.release(connection.client());
        drop(connection);
        self.acceptor.on_closed();
    }

    fn release(&mut self, client: ClientId) {
        if self.limiter.release(client) {
            self.light.forget(client);
            self.heavy.forget(client);
        }
    }
}

impl Drop for EventLoop {
    fn drop(&mut self) {
        for connection in self.connections.drain() {
            self.stats.on_close();
            drop(connection);
        }
    }
}

#[cfg(test)]
mod tests;

//! One target's task: it feeds the session and does what the session says.

mod probing;

use std::{
    future::Future,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use tcp_echo_session::{DisconnectReason, Event, Session, Time};
use tokio::{
    sync::oneshot,
    time::{Sleep, sleep},
};
use tracing::{info, warn};

use crate::{
    Sensor, Target,
    backoff::Backoff,
    connection::{Connection, disconnect_reason},
    dial::{Connected, DialError, Dialer},
    names::Name,
    sockets::{Permit, Without},
    timer::Sleeper,
};

/// How long a connection waits for a new look-up of a name that was looked up before: the
/// addresses of the last answer are mostly right, and a nameserver may be out of reach for
/// as long as the peer was.
const FRESH: Duration = Duration::from_millis(100);

/// Drives one target until it is told to stop.
pub(crate) struct Driver<S> {
    target: Arc<Target>,
    session: Session,
    sensor: S,
    dialer: Arc<Dialer>,
    sleeper: Sleeper,
    stop: oneshot::Receiver<()>,
    link: Link,
    backoff: Backoff,
    /// The addresses that the target has; of a name, at the last look-up.
    addresses: Vec<SocketAddr>,
    /// Its name, where it has one.
    name: Option<Name>,
    next_tcp_info: Instant,
    /// When a reply was read last, since the session was last polled.
    read: Option<Time>,
    /// Without a socket, since there is none, until the next attempt's outcome.
    without: Option<Without>,
    /// What was logged last of failing to connect: logs speak on change.
    logged: Option<String>,
}

/// The way to the target.
enum Link {
    /// Waiting for the addresses of the name; until then, where there are some to go on
    /// with.
    LookingUp {
        started: Instant,
        until: Option<Pin<Box<Sleep>>>,
    },
    /// Waiting for a socket.
    Waiting(Boxed<Permit>),
    Dialing {
        started: Instant,
        attempt: Boxed<Result<Connected, DialError>>,
    },
    Up(Connection),
    /// Between two attempts.
    Down(Pin<Box<Sleep>>),
}

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

impl<S: Sensor> Driver<S> {
    pub(crate) fn new(
        target: Target,
        sensor: S,
        dialer: Arc<Dialer>,
        sleeper: Sleeper,
        origin: Instant,
        stop: oneshot::Receiver<()>,
    ) -> Self {
        let mut driver = Self {
            session: Session::new(target.session(), origin),
            backoff: Backoff::new(dialer.options.reconnect_max),
            link: Link::Down(Box::pin(sleep(Duration::ZERO))),
            name: dialer.name(&target),
            target: Arc::new(target),
            sensor,
            dialer,
            sleeper,
            stop,
            addresses: Vec::new(),
            next_tcp_info: Instant::now(),
            read: None,
            without: None,
            logged: None,
        };
        driver.dial();
        driver
    }

    fn tell(&mut self, event: &Event) {
        self.sensor.on_event(event, &self.session);
    }

    /// Does all there is to do now. Gives when to be polled again by the timer.
    fn poll_work(&mut self, cx: &mut Context<'_>) -> Instant {
        loop {
            self.poll_link(cx);
            if self.poll_name(cx) {
                continue;
            }
            if let Some(wait) = self.poll_session(cx) {
                return wait;
            }
        }
    }

    /// Goes on with the connection until it waits for something.
    fn poll_link(&mut self, cx: &mut Context<'_>) {
        loop {
            match &mut self.link {
                Link::Up(_) => match self.poll_connection(cx) {
                    Poll::Ready(error) => self.disconnect(disconnect_reason(&error)),
                    Poll::Pending => return,
                },
                Link::LookingUp { started, until } => {
                    let wait = until.as_mut().map(|wait| wait.as_mut().poll(cx));
                    if wait.is_none_or(|wait| wait.is_pending()) {
                        return;
                    }
                    let started = *started;
                    self.connect(started);
                }
                Link::Waiting(permit) => match permit.as_mut().poll(cx) {
                    // The name may have lost its addresses meanwhile.
                    Poll::Ready(_) if self.addresses.is_empty() => self.dial(),
                    Poll::Ready(permit) => self.connect_with(Instant::now(), permit),
                    Poll::Pending => return,
                },
                Link::Dialing { started, attempt } => match attempt.as_mut().poll(cx) {
                    Poll::Ready(dialed) => {
                        let started = *started;
                        self.dialed(started, dialed);
                    }
                    Poll::Pending => return,
                },
                Link::Down(wait) => match wait.as_mut().poll(cx) {
                    Poll::Ready(()) => self.dial(),
                    Poll::Pending => return,
                },
            }
        }
    }

    /// Begins an attempt: with a look-up, where there is a name.
    fn dial(&mut self) {
        let started = Instant::now();
        if let Some(name) = &mut self.name {
            let is_known = !self.addresses.is_empty();
            name.look_up(!is_known);
            let until = is_known.then(|| Box::pin(sleep(FRESH)));
            self.link = Link::LookingUp { started, until };
            return;
        }
        match self.dialer.fixed(&self.target) {
            Ok(addresses) => {
                self.addresses = addresses;
                self.connect(started);
            }
            Err(error) => self.dialed(started, Err(error)),
        }
    }

    /// Connects to the addresses that there are, as soon as there is a socket.
    fn connect(&mut self, started: Instant) {
        let sockets = &self.dialer.sockets;
        if let Some(permit) = sockets.try_permit() {
            self.connect_with(started, permit);
            return;
        }
        if self.without.is_none() {
            self.without = Some(sockets.shortage());
        }
        self.link = Link::Waiting(Box::pin(sockets.permit()));
        self.session.handle_out_of_resources(Instant::now());
    }

    fn connect_with(&mut self, started: Instant, permit: Permit) {
        let (target, addresses) = (self.target.clone(), self.addresses.clone());
        let attempt = self.dialer.clone().dial(target, addresses, permit);
        self.link = Link::Dialing {
            started,
            attempt: Box::pin(attempt),
        };
    }

    fn dialed(&mut self, started: Instant, dialed: Result<Connected, DialError>) {
        let now = Instant::now();
        match dialed {
            Ok(connected) => self.connected(now, connected),
            Err(error) if error.is_out_of_resources() => {
                if self.without.is_none() {
                    self.without = Some(self.dialer.sockets.refusal(&error));
                }
                self.session.handle_out_of_resources(now);
                self.down(now, started);
            }
            Err(error) => {
                self.failed(now, &error);
                self.down(now, started);
            }
        }
    }

    /// Sets the next attempt, after one that failed.
    fn down(&mut self, now: Instant, started: Instant) {
        // A delay counts from the attempt's start: one that took its time has kept
        // the distance already.
        let delay = self.backoff.delay().saturating_sub(now - started);
        self.link = Link::Down(Box::pin(sleep(delay)));
    }

    fn connected(&mut self, now: Instant, connected: Connected) {
        let Connected {
            stream,
            address,
            handshake,
            permit,
        } = connected;
        if self.dialer.may_log() {
            info!(target = %self.target.name(), %address, ?handshake, "connected");
        }
        self.logged = None;
        self.without = None;
        self.link = Link::Up(Connection::new(stream, address, permit));
        self.next_tcp_info = now;
        let event = self.session.handle_connected(now, address, handshake);
        self.tell(&event);
        // The name may stand for something else by now.
        self.leave_what_is_gone();
    }

    fn failed(&mut self, now: Instant, error: &DialError) {
        let text = error.to_string();
        if self.logged.as_ref() != Some(&text) {
            if self.dialer.may_log() {
                warn!(target = %self.target.name(), address = %self.target.address(), error = text,
                "cannot connect; trying again");
            }
            self.logged = Some(text);
        }
        self.without = None;
        let event = self.session.handle_connect_failed(now, error.reason());
        self.tell(&event);
    }

    /// Ends the connection and sets the next attempt.
    fn disconnect(&mut self, reason: DisconnectReason) {
        // A connection that is left for another address has a good one to go to.
        let delay = match reason {
            DisconnectReason::Closed => Duration::ZERO,
            _ => self.backoff.delay(),
        };
        let down = Link::Down(Box::pin(sleep(delay)));
        let Link::Up(connection) = std::mem::replace(&mut self.link, down) else {
            return;
        };
        // The last of its retransmissions are counted too.
        if let Some(info) = connection.tcp_info() {
            let event = self.session.handle_tcp_info(info);
            self.tell(&event);
        }
        connection.close(reason);
        if reason != DisconnectReason::Closed && self.dialer.may_log() {
            warn!(target = %self.target.name(), %reason, "disconnected");
        }
        let event = self.session.handle_disconnected(reason);
        self.tell(&event);
    }

    /// Takes what comes of looking the name up; tells whether anything did.
    fn poll_name(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(name) = &mut self.name else {
            return false;
        };
        let Poll::Ready(found) = name.poll(cx) else {
            return false;
        };
        let waiting_since = match &self.link {
            Link::LookingUp { started, .. } => Some(*started),
            _ => None,
        };
        let usable = found.map(|found| self.dialer.usable(&self.target, found?));
        let failure = match usable {
            Some(Ok(addresses)) => {
                self.addresses = addresses;
                if let Some(started) = waiting_since {
                    self.connect(started);
                } else {
                    self.leave_what_is_gone();
                }
                return true;
            }
            Some(Err(error)) => Some(error),
            // The look-up has ended.
            None => None,
        };
        if let Some(DialError::NotAllowed) = failure {
            // It stands for something else by now.
            self.addresses.clear();
        }
        // A look-up that fails keeps the last answer; while there is a connection, that
        // is nobody's business.
        let Some(started) = waiting_since else {
            return true;
        };
        let now = Instant::now();
        let has_ended = failure.is_none();
        if let Some(error) = failure {
            self.failed(now, &error);
        }
        if !self.addresses.is_empty() {
            self.connect(started);
        } else if has_ended {
            self.down(now, started);
        }
        true
    }

    /// Leaves a connection to an address that the name no longer has.
    fn leave_what_is_gone(&mut self) {
        if let Link::Up(connection) = &self.link
            && self.name.is_some()
            && !self.addresses.contains(&connection.address())
        {
            if self.dialer.may_log() {
                info!(target = %self.target.name(), address = %connection.address(),
                    "its address has changed");
            }
            self.disconnect(DisconnectReason::Closed);
        }
    }
}

/// The sensor is never pinned.
impl<S> Unpin for Driver<S> {}

impl<S: Sensor> Future for Driver<S> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let driver = self.get_mut();
        if Pin::new(&mut driver.stop).poll(cx).is_ready() {
            driver.disconnect(DisconnectReason::Closed);
            return Poll::Ready(());
        }
        let wait = driver.poll_work(cx);
        driver.sleeper.wake_at(wait, cx.waker());
        Poll::Pending
    }
}

//! The task of one target: it feeds the session and does the session's I/O.

mod flow;
mod ports;
mod probing;
mod traces;
mod voting;

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
use tracing::{debug, info, warn};

use self::traces::Traces;
use flow::Flow;

use crate::{
    Sensor, Target,
    backoff::Backoff,
    connection::{Closing, Connection, disconnect_reason},
    dial::{Boxed, Connected, DialError, Dialer, FlowPort},
    mtu::MtuWatch,
    names::Name,
    sockets::{Permit, SocketShortage},
    timer::Sleeper,
};

/// How long an attempt waits for a new look-up when an earlier answer exists. The last
/// addresses are usually still right, and the nameserver may be as unreachable as the peer.
const REFRESH_WAIT: Duration = Duration::from_millis(100);

/// A delay between two attempts that is shorter adds nothing to one that hung.
const MAX_GAP: Duration = Duration::from_secs(1);

/// Drives one target until it is stopped.
pub(crate) struct Driver<S> {
    target: Target,
    session: Session,
    sensor: S,
    dialer: Arc<Dialer>,
    sleeper: Sleeper,
    stop: oneshot::Receiver<()>,
    link: Link,
    /// Set if the target has several flows, or ports of its own.
    flow: Option<Box<Flow>>,
    /// `None` before the first wish for a trace.
    traces: Option<Box<Traces>>,
    backoff: Backoff,
    /// The target's addresses; for a name, those of the last look-up.
    addresses: Box<[SocketAddr]>,
    /// The name to look up, if the target has one.
    name: Option<Box<Name>>,
    /// The checks whether the path passes large packets, if there are any.
    mtu: Option<Box<MtuWatch>>,
    next_tcp_info: Instant,
    /// When the last reply was read since the last poll of the session.
    read: Option<Time>,
    /// Set while no socket is available, until the outcome of the next attempt.
    shortage: Option<SocketShortage>,
    /// The last error of connecting that was logged: only a change is logged.
    #[expect(
        clippy::box_collection,
        reason = "seldom there, and each task has room for it"
    )]
    logged: Option<Box<String>>,
}

/// The state of the connection.
enum Link {
    /// Waiting for the addresses of the name, until then if there are earlier ones.
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
    /// Waiting for the end of a trace, whose last handshake is the connection's.
    Tracing,
    Up(Connection),
    /// Between two attempts.
    Down(Pin<Box<Sleep>>),
}

impl<S: Sensor> Driver<S> {
    pub(crate) fn new(
        target: Target,
        flow: u16,
        sensor: S,
        dialer: Arc<Dialer>,
        sleeper: Sleeper,
        origin: Instant,
        stop: oneshot::Receiver<()>,
    ) -> Self {
        let mut driver = Self {
            session: Session::new(target.session(), origin).with_hello(dialer.options.features()),
            backoff: Backoff::new(),
            link: Link::Down(Box::pin(sleep(Duration::ZERO))),
            flow: Flow::new(&target, flow, &dialer.options, || {
                dialer.paths.attach(&target)
            }),
            traces: None,
            name: dialer.name(&target).map(Box::new),
            mtu: MtuWatch::new(flow, &dialer.options),
            target,
            sensor,
            dialer,
            sleeper,
            stop,
            addresses: Box::default(),
            next_tcp_info: Instant::now(),
            read: None,
            shortage: None,
            logged: None,
        };
        driver.dial();
        driver
    }

    pub(crate) const fn target(&self) -> &Target {
        &self.target
    }

    fn notify(&mut self, event: &Event) {
        if let Some(flow) = &mut self.flow {
            let now = Instant::now();
            flow.observe(event, &self.session, now);
            if let Event::TcpInfo(_) | Event::ConnectFailed { .. } = event {
                self.vote(now);
            }
        }
        self.sensor.on_event(event, &self.session);
    }

    /// Does everything that is due. Returns when the timer has to poll again.
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

    /// Advances the checks of large packets.
    fn poll_mtu(&mut self, cx: &mut Context<'_>) {
        let peer = match &self.link {
            Link::Up(connection) => Some(connection.address()),
            _ => None,
        };
        while let Some(mtu) = &mut self.mtu
            && let Poll::Ready(found) = mtu.poll(cx, peer, &self.target, &self.dialer)
        {
            let event = self.session.handle_mtu_probe(Instant::now(), found);
            self.notify(&event);
        }
    }

    /// Advances the connection until it waits for something.
    fn poll_link(&mut self, cx: &mut Context<'_>) {
        if self.traces.is_some() {
            self.poll_trace(cx);
        }
        loop {
            match &mut self.link {
                Link::Tracing => {
                    if !self.poll_trace(cx) {
                        return;
                    }
                }
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

    /// Starts an attempt, with a look-up if the target is a name.
    fn dial(&mut self) {
        let started = Instant::now();
        if let Some(name) = &mut self.name {
            let is_known = !self.addresses.is_empty();
            name.look_up(!is_known);
            let until = is_known.then(|| Box::pin(sleep(REFRESH_WAIT)));
            self.link = Link::LookingUp { started, until };
            return;
        }
        match self.dialer.fixed(&self.target) {
            Ok(addresses) => {
                self.addresses = addresses.into();
                self.connect(started);
            }
            Err(error) => self.dialed(started, Err(error)),
        }
    }

    /// Connects to the known addresses, as soon as a socket is available.
    fn connect(&mut self, started: Instant) {
        let sockets = &self.dialer.sockets;
        if let Some(permit) = sockets.try_permit() {
            self.connect_with(started, permit);
            return;
        }
        if self.shortage.is_none() {
            self.shortage = Some(sockets.limit_reached());
        }
        self.link = Link::Waiting(Box::pin(sockets.permit()));
        self.session.handle_out_of_resources(Instant::now());
    }

    fn connect_with(&mut self, started: Instant, permit: Permit) {
        match self.trace_before_connecting(started, permit) {
            Ok(()) => self.link = Link::Tracing,
            Err(permit) => self.connect_untraced(started, permit),
        }
    }

    fn connect_untraced(&mut self, started: Instant, permit: Permit) {
        let (session, addresses) = (self.target.session(), self.addresses.to_vec());
        let port = match &self.flow {
            Some(flow) => flow.flow_port(),
            None => FlowPort::default(),
        };
        let attempt = self.dialer.clone().dial(session, addresses, port, permit);
        self.link = Link::Dialing { started, attempt };
    }

    fn dialed(&mut self, started: Instant, dialed: Result<Connected, DialError>) {
        let now = Instant::now();
        match dialed {
            Ok(connected) => self.connected(now, connected),
            Err(error) if error.is_out_of_resources() => {
                if self.shortage.is_none() {
                    self.shortage = Some(self.dialer.sockets.refused(&error));
                }
                self.session.handle_out_of_resources(now);
                self.down(now, started);
            }
            Err(error) => {
                if let Some(flow) = &mut self.flow
                    && error.is_port_in_use()
                {
                    flow.take_other_port(now);
                }
                self.failed(now, &error);
                self.wish_trace_of_failed(&error);
                match error {
                    DialError::Timeout(_) => self.down_after_silence(now, started),
                    _ => self.down(now, started),
                }
            }
        }
    }

    /// Schedules the next attempt after a failed one.
    fn down(&mut self, now: Instant, started: Instant) {
        let delay = self.backoff.delay(self.dialer.options.reconnect_max);
        self.down_for(delay, now, started);
    }

    /// Schedules the next attempt after one that hung: at once, unless the delay has grown beyond
    /// [`MAX_GAP`]. No time passes without a handshake that waits for the network to return.
    fn down_after_silence(&mut self, now: Instant, started: Instant) {
        let mut delay = self.backoff.delay(self.dialer.options.reconnect_max);
        if delay < MAX_GAP {
            delay = Duration::ZERO;
        }
        self.down_for(delay, now, started);
    }

    /// Schedules the next attempt. The delay counts from the start of the last one: a slow attempt has
    /// waited already.
    fn down_for(&mut self, delay: Duration, now: Instant, started: Instant) {
        let delay = delay.saturating_sub(now - started);
        self.link = Link::Down(Box::pin(sleep(delay)));
    }

    fn connected(&mut self, now: Instant, connected: Connected) {
        let Connected {
            stream,
            address,
            handshake,
            permit,
        } = connected;
        let source_port = stream.local_addr().ok().map(|local| local.port());
        if self.flow.as_ref().is_some_and(|flow| flow.is_exploring()) {
            debug!(target = %self.target.name(), %address, source_port, ?handshake, "connected");
        } else if self.dialer.may_log() {
            info!(target = %self.target.name(), %address, ?handshake, "connected");
        }
        if let Some(flow) = &mut self.flow {
            flow.connected(source_port, handshake);
        }
        self.logged = None;
        self.shortage = None;
        if let Some(traces) = &mut self.traces {
            traces.connected();
        }
        self.link = Link::Up(Connection::new(
            stream,
            address,
            self.dialer.options.wire,
            permit,
        ));
        self.next_tcp_info = now;
        let event = self.session.handle_connected(now, address, handshake);
        self.notify(&event);
        // The name may resolve to other addresses by now.
        self.leave_stale_address();
    }

    fn failed(&mut self, now: Instant, error: &DialError) {
        let text = error.to_string();
        // The peer has said that it stops, which was logged.
        if self.logged.as_deref() != Some(&text) && !self.session.is_departed() {
            if self.dialer.may_log() {
                warn!(target = %self.target.name(), address = %self.target.address(), error = &*text,
                "cannot connect; retrying");
            }
            self.logged = Some(Box::new(text));
        }
        self.shortage = None;
        let event = self.session.handle_connect_failed(now, error.reason());
        self.notify(&event);
    }

    /// Ends the connection and schedules the next attempt.
    fn disconnect(&mut self, reason: DisconnectReason) {
        // A connection that is replaced by one to another address needs no delay.
        let delay = match reason {
            DisconnectReason::Closed if !self.session.is_departed() => Duration::ZERO,
            _ => self.backoff.delay(self.dialer.options.reconnect_max),
        };
        let down = Link::Down(Box::pin(sleep(delay)));
        let Link::Up(mut connection) = std::mem::replace(&mut self.link, down) else {
            return;
        };
        // Count its last retransmissions, too.
        if let Some((info, soft_error)) = connection.tcp_info() {
            self.handle_tcp_info(Instant::now(), info, soft_error);
        }
        let soft_error = connection.last_soft_error();
        let ends = (reason == DisconnectReason::Stalled).then(|| connection.ends());
        connection.close(match (&self.flow, reason) {
            // The port must be free for the next connection.
            (Some(flow), _) if flow.keeps_port() => Closing::Reset,
            (_, DisconnectReason::Stalled) => Closing::Reset,
            _ => Closing::Orderly,
        });
        if reason == DisconnectReason::Closed {
            if self.session.is_departed() && self.dialer.may_log() {
                info!(target = %self.target.name(), "departed: it has said that it stops");
            }
        } else if self.dialer.may_log() {
            let soft_error = soft_error.map(tracing::field::display);
            warn!(target = %self.target.name(), %reason, soft_error, "disconnected");
        }
        let event = self.session.handle_disconnected(reason);
        self.notify(&event);
        if let Some(ends) = ends {
            self.wish_trace_of_stalled(ends);
        }
    }

    /// Replaces the connection, to explore another path or to trace this one, while nothing is in flight that
    /// would be lost. Nothing is due before `until`. Returns whether it does.
    fn replace(&mut self, now: Instant, until: Instant) -> bool {
        if self.flow.is_none()
            || self.session.in_flight() > 0
            || self.session.is_writing()
            || !matches!(self.link, Link::Up(_))
        {
            return false;
        }
        let time = until.saturating_duration_since(now);
        let explores = self.flow.as_ref().is_some_and(|flow| flow.moves(now, time));
        if !explores && !self.wants_trace(now, time) {
            return false;
        }
        if let Some(flow) = self.flow.as_mut().filter(|_| explores) {
            flow.take_other_port(now);
        }
        self.disconnect(DisconnectReason::Closed);
        true
    }

    /// Handles the results of the look-up. Returns whether there was one.
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
                self.addresses = addresses.into();
                if let Some(started) = waiting_since {
                    self.connect(started);
                } else {
                    self.leave_stale_address();
                }
                return true;
            }
            Some(Err(error)) => Some(error),
            // The look-up has ended.
            None => None,
        };
        if let Some(DialError::NotAllowed) = failure {
            // It resolves to other addresses by now.
            self.addresses = Box::default();
        }
        // A failed look-up keeps the last answer, and matters only without a connection.
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
    fn leave_stale_address(&mut self) {
        if let Link::Up(connection) = &self.link
            && self.name.is_some()
            && !self.addresses.contains(&connection.address())
        {
            if self.dialer.may_log() {
                info!(target = %self.target.name(), address = %connection.address(),
                    "address changed; reconnecting");
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
        driver.poll_mtu(cx);
        let wait = driver.poll_work(cx);
        driver.sleeper.wake_at(wait, cx.waker());
        Poll::Pending
    }
}

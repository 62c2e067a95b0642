//! When a flow is traced, and what becomes of the result.

use std::{
    net::SocketAddr,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use tcp_echo_session::ConnectFailure;
use tcp_echo_socket::OpenError;
use tracing::{debug, info};

use super::{Driver, flow::Flow};
use crate::{
    Path, Sensor, SocketOptions, Trace, TraceEnd, TraceError, TraceLimits, Traced,
    dial::{Boxed, DialError},
    sockets::Permit,
    trace,
};

/// How long the result of a trace is used before the next one, for as long as a flow is bad or
/// can't connect.
const USED_FOR: Duration = Duration::from_secs(30);

/// The same for a flow that loses no more than others: the trace interrupts its probing, and all flows
/// may lose.
const USED_FOR_IF_ALL_LOSE: Duration = Duration::from_secs(5 * 60);

/// How long a flow waits if there are too many traces at the moment, or if one was not possible.
const PACE_WAIT: Duration = Duration::from_secs(1);

/// What a flow is traced for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TraceFor {
    /// It is about to connect.
    Connect,
    /// Nothing comes back any more.
    Stall,
    /// It loses more than others.
    Loss,
}

/// The traces of a driver.
#[derive(Default)]
pub(super) struct Traces {
    /// What the next one is for.
    wish: Option<TraceFor>,
    /// The ends of the connection that has stalled, which a trace can have again.
    stalled: Option<(SocketAddr, SocketAddr)>,
    running: Option<Running>,
    /// No other trace of a stall begins before.
    no_stall_before: Option<Instant>,
    /// No other trace of losses begins before.
    no_loss_before: Option<Instant>,
    /// There were too many traces; the flow goes on without one until then.
    waits_until: Option<Instant>,
    /// Whether the wished trace counts already against the pace of all traces.
    is_counted: bool,
}

impl Traces {
    /// There is a connection: what ended the last one is over.
    pub(super) fn connected(&mut self) {
        self.wish = None;
        self.stalled = None;
        self.is_counted = false;
    }
}

/// A trace that has begun.
struct Running {
    of: TraceFor,
    /// When the attempt began to connect, if the connection waits for the trace.
    connects: Option<Instant>,
    ended: Boxed<(Result<Traced, TraceError>, Permit)>,
}

impl<S: Sensor> Driver<S> {
    /// Whether the driver may trace at all.
    fn traces(&self) -> bool {
        self.dialer.options.trace != Trace::Off && cfg!(target_os = "linux")
    }

    /// Wishes for a trace as soon as there may be one.
    pub(super) fn wish_trace(&mut self, of: TraceFor, now: Instant) {
        if !self.traces() {
            return;
        }
        let traces = self.traces.get_or_insert_default();
        if of == TraceFor::Connect || traces.no_stall_before.is_none_or(|at| at <= now) {
            traces.wish.get_or_insert(of);
        }
    }

    /// A connection between these ends has stalled.
    pub(super) fn wish_trace_of_stalled(&mut self, ends: Option<(SocketAddr, SocketAddr)>) {
        self.wish_trace(TraceFor::Stall, Instant::now());
        if let Some(traces) = &mut self.traces {
            traces.stalled = ends;
        }
        if !self.keeps_port() {
            // It connects from another port meanwhile.
            self.trace_beside();
        }
    }

    /// Wishes for a trace if a flow that loses has none that is recent, or if one that is to have a trace
    /// has none and there is time for it. It gets it when it connects, so this returns whether the
    /// connection should be replaced.
    pub(super) fn wants_trace(&mut self, now: Instant, time: Duration) -> bool {
        let Some(flow) = self.flow.as_ref().filter(|flow| flow.keeps_port()) else {
            return false;
        };
        if !self.traces() {
            return false;
        }
        let is_always = self.dialer.options.trace == Trace::Always;
        let has_path = flow.has_path();
        let of = if flow.is_lossy() && !(is_always && has_path) {
            TraceFor::Loss
        } else if is_always && !has_path && !flow.is_exploring() && flow.has_time_to_trace(time) {
            TraceFor::Connect
        } else {
            return false;
        };
        let traces = self.traces.get_or_insert_default();
        let is_recent = of == TraceFor::Loss && traces.no_loss_before.is_some_and(|at| at > now);
        let waits = traces.waits_until.is_some_and(|at| at > now);
        if traces.running.is_some() || waits || is_recent {
            return false;
        }
        // The connection ends only for a trace that may begin.
        if !self.dialer.trace_pace.try_take() {
            traces.waits_until = Some(now + PACE_WAIT);
            return false;
        }
        traces.wish = Some(of);
        traces.is_counted = true;
        true
    }

    /// Begins the wished trace from the flow's own port before it connects to `address`. Returns
    /// the permit if there is none to begin.
    pub(super) fn trace_before_connecting(
        &mut self,
        started: Instant,
        permit: Permit,
    ) -> Result<(), Permit> {
        // What an explorer passes by is not traced.
        let explores = self.flow.as_ref().is_some_and(|flow| flow.is_exploring());
        if self.dialer.options.trace == Trace::Always && !self.has_path() && !explores {
            self.wish_trace(TraceFor::Connect, started);
        }
        let keeps_port = self.keeps_port();
        let Some(traces) = &self.traces else {
            return Err(permit);
        };
        let is_first = match traces.wish {
            Some(TraceFor::Connect) => true,
            Some(TraceFor::Stall | TraceFor::Loss) => keeps_port,
            None => false,
        };
        let stalled = traces.stalled.map(|(_, peer)| peer);
        let address = stalled.filter(|peer| self.addresses.contains(peer));
        if !is_first || traces.running.is_some() {
            return Err(permit);
        }
        let Some(address) = address.or_else(|| self.addresses.first().copied()) else {
            return Err(permit);
        };
        let port = self.flow.as_ref().and_then(|flow| flow.flow_port().port);
        self.begin_trace(address, None, port, Some(started), permit)
    }

    /// Begins a trace of the connection that has stalled, beside the next attempt to connect.
    fn trace_beside(&mut self) {
        let Some(traces) = &mut self.traces else {
            return;
        };
        if traces.wish.is_none() || traces.running.is_some() {
            return;
        }
        let ends = traces.stalled.take();
        let address = ends
            .map(|(_, peer)| peer)
            .or(self.addresses.first().copied());
        if let Some(address) = address
            && let Some(permit) = self.dialer.sockets.try_permit()
        {
            let local = ends.map(|(local, _)| local);
            let port = local.map(|local| local.port());
            // Without a place for it the wish stays.
            let _ = self.begin_trace(address, local, port, None, permit);
        }
    }

    fn begin_trace(
        &mut self,
        address: SocketAddr,
        local: Option<SocketAddr>,
        port: Option<u16>,
        connects: Option<Instant>,
        permit: Permit,
    ) -> Result<(), Permit> {
        let handshake = self
            .flow
            .as_ref()
            .and_then(|flow| flow.flow_port().handshake);
        let is_bad = self.flow.as_ref().is_some_and(|flow| flow.is_bad());
        let Some(traces) = &mut self.traces else {
            return Err(permit);
        };
        let is_allowed = traces.is_counted || self.dialer.trace_pace.try_take();
        let Some(of) = traces.wish.filter(|_| is_allowed) else {
            return Err(permit);
        };
        traces.is_counted = false;
        traces.wish = None;
        traces.stalled = None;
        let now = Instant::now();
        match of {
            TraceFor::Connect => {}
            TraceFor::Stall => {
                traces.no_stall_before = Some(now + USED_FOR);
                traces.no_loss_before = Some(now + USED_FOR);
            }
            TraceFor::Loss if is_bad => traces.no_loss_before = Some(now + USED_FOR),
            TraceFor::Loss => traces.no_loss_before = Some(now + USED_FOR_IF_ALL_LOSE),
        }
        let socket = &self.dialer.options.socket;
        let options = SocketOptions {
            source: local.map(|local| local.ip()).or(socket.source),
            source_port: port,
            ..socket.clone()
        };
        let limits = TraceLimits {
            smoothed_rtt: handshake,
            is_lossy: of == TraceFor::Loss,
            ..match of {
                TraceFor::Stall => TraceLimits::AFTER_STALL,
                TraceFor::Connect | TraceFor::Loss => TraceLimits::AT_CONNECT,
            }
        };
        // A socket of another program can have the port of a connection that has ended. The path from
        // another port is worth more than none, unless the flow keeps its own.
        let may_leave_port = connects.is_none();
        let ended = Box::pin(async move {
            let mut result = trace(address, &options, &limits).await;
            if may_leave_port && let Err(TraceError::Open(OpenError::SourcePort { .. })) = result {
                let options = SocketOptions {
                    source_port: None,
                    ..options
                };
                result = trace(address, &options, &limits).await;
            }
            (result, permit)
        });
        traces.running = Some(Running {
            of,
            connects,
            ended,
        });
        Ok(())
    }

    /// Advances a trace. Returns whether the link has changed.
    pub(super) fn poll_trace(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(running) = self
            .traces
            .as_mut()
            .and_then(|traces| traces.running.as_mut())
        else {
            return false;
        };
        let Poll::Ready((traced, permit)) = running.ended.as_mut().poll(cx) else {
            return false;
        };
        let (of, connects) = (running.of, running.connects);
        if let Some(traces) = &mut self.traces {
            traces.running = None;
        }
        let end = match traced {
            Ok(Traced { path, end }) => {
                let peer = path.destination;
                self.traced(of, path);
                Some((end, peer))
            }
            Err(error) => {
                debug!(target = %self.target.name(), %error, "no trace");
                if let Some(traces) = &mut self.traces {
                    traces.no_stall_before = Some(Instant::now() + PACE_WAIT);
                }
                None
            }
        };
        match (connects, end) {
            (Some(started), Some((TraceEnd::Connected { stream, handshake }, peer))) => {
                let dialed = self.dialer.adopt(stream, peer, handshake, permit);
                self.dialed(started, dialed);
                true
            }
            (Some(started), _) => {
                self.connect_untraced(started, permit);
                true
            }
            (None, Some((TraceEnd::Connected { stream, .. }, _))) => {
                // The path lives again. A connection from another port does, too, by now.
                let _ = tcp_echo_socket::abort(stream);
                false
            }
            (None, _) => false,
        }
    }

    /// Keeps the path, and lets the flow vote.
    fn traced(&mut self, of: TraceFor, path: Path) {
        let last_hop = path.last_hop().and_then(|hop| hop.address);
        if of != TraceFor::Connect && self.dialer.may_log() {
            let (hops, source_port) = (path.hops.len(), path.source.port());
            let last_hop = last_hop.map(tracing::field::display);
            let is_complete = path.is_complete;
            info!(target = %self.target.name(), source_port, hops, last_hop, is_complete, "traced");
        }
        let flow = self.flow.get_or_insert_with(|| {
            Box::new(Flow::traced_from(
                path.source.port(),
                self.dialer.paths.attach(&self.target),
            ))
        });
        flow.traced(path);
        self.vote(Instant::now());
    }

    /// Lets a flow vote for the links of its path, if it should.
    pub(super) fn vote(&mut self, now: Instant) {
        let Some(flow) = &mut self.flow else {
            return;
        };
        let links = flow.take_vote(now);
        if !links.is_empty() {
            self.dialer.paths.vote(&links);
        }
    }

    /// An attempt to connect failed, so that a trace may tell where.
    pub(super) fn wish_trace_of_failed(&mut self, error: &DialError) {
        let is_silent = matches!(
            error.reason(),
            ConnectFailure::Timeout | ConnectFailure::Unreachable
        );
        // What an explorer meets by chance is traced once it is bad: others may need the trace more.
        let passes_by = |flow: &Flow| flow.is_exploring() && !flow.is_bad();
        let passes_by = self.flow.as_ref().is_some_and(|flow| passes_by(flow));
        if is_silent && !passes_by && !self.addresses.is_empty() && !self.session.is_departed() {
            self.wish_trace(TraceFor::Stall, Instant::now());
            if !self.keeps_port() {
                self.trace_beside();
            }
        }
    }

    /// Whether the path from the port of the next connection is known.
    fn has_path(&self) -> bool {
        let known = |flow: &Flow| flow.keeps_port() && flow.has_path();
        self.flow.as_ref().is_some_and(|flow| known(flow))
    }

    /// Whether the flow connects from the same port again.
    pub(super) fn keeps_port(&self) -> bool {
        self.flow.as_ref().is_some_and(|flow| flow.keeps_port())
    }
}

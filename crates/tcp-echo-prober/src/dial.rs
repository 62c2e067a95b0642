//! One attempt to connect: race the addresses, set the options.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::{Arc, Once},
    time::{Duration, Instant},
};

use tcp_echo_net::{LogDecision, LogLimiter};
use tcp_echo_resolve::{Failure, Limits, Resolver};
use tcp_echo_session::{ConnectFailure, SessionConfig};
use tcp_echo_socket::{OpenError, SockRef};
use tokio::{
    net::{TcpSocket, TcpStream},
    task::JoinSet,
    time::{MissedTickBehavior, interval_at, sleep, timeout},
};
use tracing::{info, warn};

use crate::{
    Host, Options, Paths, SocketOptions, SocketStats, Target, Timestamps, TracePace, link_local,
    names::{Name, interleaved, this_host},
    sockets::{Permit, Sockets},
};

/// The shortest timeout of a handshake, however short the probes' timeout. A new attempt
/// repairs a lost SYN sooner than the kernel's retransmission after a second.
const MIN_HANDSHAKE_TIMEOUT: Duration = Duration::from_millis(500);

/// How long an attempt is polled once more after its timeout. In a process that was paused,
/// timers expire before the runtime has polled the sockets, and a handshake that the kernel
/// has completed meanwhile counts.
const FINAL_POLL: Duration = Duration::from_millis(20);

/// The Connection Attempt Delay of RFC 8305, section 5: how long to wait for one address
/// before the next one is tried.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Concurrent look-ups for targets on demand. They have their own limit, so that names that
/// hang delay no other target.
const LOOKUPS_ON_DEMAND: Limits = Limits {
    prompt: 8,
    slow: 4,
    all: 8,
};

/// How long a request for a target waits for the look-up of its name.
const LOOKUP_TIMEOUT_ON_DEMAND: Duration = Duration::from_secs(5);

/// A handshake that hangs does not hold up the next: while it hangs, another one is begun after
/// half an interval and timeout, within these bounds. So replies return soon after the network
/// does, though the kernel sends a SYN again only after a second.
const MIN_REPEAT: Duration = Duration::from_millis(100);
const MAX_REPEAT: Duration = Duration::from_millis(500);

/// A handshake from a port of its own can't be repeated beside another one. It ends after so many
/// times the last one, within [`MIN_REPEAT`] and [`MIN_HANDSHAKE_TIMEOUT`], and the next begins.
const HANDSHAKES: u32 = 4;

/// How many addresses of one name are raced at most.
const MAX_ADDRESSES: usize = 8;

/// Log lines about single targets that may come at once …
const LOG_BURST: u32 = 50;

/// … and how long it takes until one more may. So the log stays readable where thousands of
/// targets change at once.
const LOG_INTERVAL: Duration = Duration::from_secs(1);

/// A future that exists for a moment.
pub(crate) type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The source port of a flow.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct FlowPort {
    /// `None` lets the system choose.
    pub(crate) port: Option<u16>,
    /// How long the last handshake took.
    pub(crate) handshake: Option<Duration>,
}

impl FlowPort {
    /// How long an attempt may take, if not all of its time.
    fn limit(self) -> Option<Duration> {
        let usual = self.port.and(self.handshake)?;
        Some(
            usual
                .saturating_mul(HANDSHAKES)
                .clamp(MIN_REPEAT, MIN_HANDSHAKE_TIMEOUT),
        )
    }
}

/// Shared by all attempts of a prober.
pub(crate) struct Dialer {
    pub(crate) options: Options,
    resolver: Resolver,
    resolver_on_demand: Resolver,
    pub(crate) sockets: Sockets,
    pub(crate) paths: Paths,
    pub(crate) trace_pace: TracePace,
    /// For lines about single targets.
    log_limiter: LogLimiter,
    no_stamps: Once,
    no_dscp: Once,
}

/// An established connection.
pub(crate) struct Connected {
    pub(crate) stream: TcpStream,
    pub(crate) address: SocketAddr,
    pub(crate) handshake: Duration,
    pub(crate) permit: Permit,
}

/// Why an attempt failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DialError {
    #[error("DNS lookup failed: {0}")]
    LookUp(#[from] Failure),
    #[error("there is no network interface {zone:?}{}", link_local::hint(zone))]
    NoInterface { zone: String },
    #[error("no address in the allowed networks")]
    NotAllowed,
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("{address}: {error}")]
    Connect {
        address: SocketAddr,
        error: io::Error,
    },
    #[error("no answer within {0:?}")]
    Timeout(Duration),
}

impl DialError {
    /// Whether this host lacks a descriptor or memory for a socket. That is no failure of the
    /// peer.
    pub(crate) fn is_out_of_resources(&self) -> bool {
        match self {
            Self::Open(error) => error.is_out_of_resources(),
            Self::Connect { error, .. } => tcp_echo_socket::is_out_of_resources(error),
            _ => false,
        }
    }

    /// Whether the source port is not available, or not for this peer: a connection that has ended
    /// still has it.
    pub(crate) fn is_port_in_use(&self) -> bool {
        use io::ErrorKind as Kind;
        match self {
            Self::Open(OpenError::SourcePort { .. }) => true,
            Self::Connect { error, .. } => {
                matches!(error.kind(), Kind::AddrInUse | Kind::AddrNotAvailable)
            }
            _ => false,
        }
    }

    pub(crate) fn reason(&self) -> ConnectFailure {
        use io::ErrorKind as Kind;
        match self {
            Self::LookUp(_) => ConnectFailure::Dns,
            Self::NoInterface { .. } => ConnectFailure::Unreachable,
            Self::Timeout(_) => ConnectFailure::Timeout,
            Self::Open(_) | Self::NotAllowed => ConnectFailure::Other,
            Self::Connect { error, .. } => match error.kind() {
                // A peer that resets a handshake refuses it, too.
                Kind::ConnectionRefused | Kind::ConnectionReset => ConnectFailure::Refused,
                Kind::TimedOut => ConnectFailure::Timeout,
                Kind::HostUnreachable | Kind::NetworkUnreachable | Kind::NetworkDown => {
                    ConnectFailure::Unreachable
                }
                _ => ConnectFailure::Other,
            },
        }
    }
}

impl Dialer {
    pub(crate) fn new(
        options: Options,
        resolver: Resolver,
        stats: SocketStats,
        paths: Paths,
    ) -> Self {
        let resolver_on_demand = Resolver::builder()
            .limits(LOOKUPS_ON_DEMAND)
            .stats(resolver.stats().clone())
            .build();
        Self {
            resolver,
            resolver_on_demand,
            sockets: Sockets::new(options.max_sockets, stats),
            paths,
            trace_pace: TracePace::new(),
            options: options.bounded(),
            log_limiter: LogLimiter::new(LOG_BURST, LOG_INTERVAL),
            no_stamps: Once::new(),
            no_dscp: Once::new(),
        }
    }

    /// Whether a line about a single target may be logged now.
    pub(crate) fn may_log(&self) -> bool {
        let decision = self.log_limiter.check(Instant::now());
        if decision == LogDecision::OmitFirst {
            info!("too many targets change at once; omitting lines about single targets");
        }
        decision == LogDecision::Log
    }

    /// The name of `target` to look up; `None` if the target is an address.
    pub(crate) fn name(&self, target: &Target) -> Option<Name> {
        let Some(Host::Name(name)) = target.address().host() else {
            return None;
        };
        let (ip, every) = (self.options.ip, self.options.dns_refresh);
        let resolver = self.resolver_of(target).clone();
        Some(Name::new(resolver, name.ascii().to_owned(), ip, every))
    }

    fn resolver_of(&self, target: &Target) -> &Resolver {
        if target.is_on_demand() {
            &self.resolver_on_demand
        } else {
            &self.resolver
        }
    }

    /// The addresses of `target` that need no look-up.
    pub(crate) fn fixed(&self, target: &Target) -> Result<Vec<SocketAddr>, DialError> {
        let found = match target.address().host() {
            Some(Host::Ip(ip)) => vec![SocketAddr::new(*ip, 0)],
            Some(Host::LinkLocal(host)) => vec![link_local::with_scope(host, 0)?],
            None => this_host(),
            Some(Host::Name(_)) => vec![],
        };
        self.usable(target, found)
    }

    /// Filters and sorts the addresses found: those that the target may use, at least one, in
    /// the order to try. Every connection uses an address from here, so a name that changes
    /// can't lead outside the target's networks.
    pub(crate) fn usable(
        &self,
        target: &Target,
        found: Vec<SocketAddr>,
    ) -> Result<Vec<SocketAddr>, DialError> {
        let mut usable = interleaved(found, target.address().port(), self.options.ip)?;
        if let Some(networks) = target.networks() {
            usable.retain(|address| networks.contains(address.ip()));
            if usable.is_empty() {
                return Err(DialError::NotAllowed);
            }
        }
        Ok(usable)
    }

    /// Looks `target` up once, for a request that waits.
    pub(crate) async fn resolve(&self, target: &Target) -> Result<Vec<SocketAddr>, DialError> {
        let Some(Host::Name(name)) = target.address().host() else {
            return self.fixed(target);
        };
        let resolver = self.resolver_of(target);
        let mut look_up = resolver.look_up(name.ascii(), self.options.ip, true);
        let found = timeout(LOOKUP_TIMEOUT_ON_DEMAND, look_up.next()).await;
        let found = found.ok().flatten().unwrap_or(Err(Failure::NoAnswer))?;
        self.usable(target, found)
    }

    /// Connects to one of these addresses, to one at a time if no other permit is free.
    pub(crate) fn dial(
        self: Arc<Self>,
        session: &SessionConfig,
        addresses: Vec<SocketAddr>,
        from: FlowPort,
        permit: Permit,
    ) -> Boxed<Result<Connected, DialError>> {
        let limit = session.timeout().max(MIN_HANDSHAKE_TIMEOUT);
        let limit = from.limit().unwrap_or(limit);
        let repeat = (session.interval() + session.timeout()) / 2;
        let repeat = repeat.clamp(MIN_REPEAT, MAX_REPEAT);
        let repeats = from.port.is_none();
        let repeats = repeats.then(|| self.clone().repeat(addresses.clone(), repeat));
        // At the start of a program all targets do this at once, so the usual case is kept small.
        if let [address] = *addresses {
            let attempt = self.connect(address, from.port, permit);
            let attempt = async { attempt.await.map_err(|(error, _)| error) };
            Box::pin(limited(limit, repeated(attempt, repeats)))
        } else {
            let attempt = self.race(addresses, from.port, permit);
            Box::pin(limited(limit, repeated(attempt, repeats)))
        }
    }

    /// Begins attempts to connect to these addresses in turn, each time after so long. Ends only with a
    /// connection.
    async fn repeat(self: Arc<Self>, addresses: Vec<SocketAddr>, every: Duration) -> Connected {
        let mut attempts = JoinSet::new();
        let mut begin = interval_at(Instant::now().into(), every);
        begin.set_missed_tick_behavior(MissedTickBehavior::Delay);
        begin.tick().await;
        for address in addresses.iter().cycle() {
            loop {
                tokio::select! {
                    ended = attempts.join_next(), if !attempts.is_empty() => {
                        if let Some(Ok(Ok(connected))) = ended {
                            return connected;
                        }
                    }
                    _ = begin.tick() => break,
                }
            }
            if let Some(permit) = self.sockets.try_permit() {
                attempts.spawn(self.clone().connect(*address, None, permit));
            }
        }
        std::future::pending().await
    }

    /// Connects to the address that answers first (RFC 8305).
    async fn race(
        self: Arc<Self>,
        addresses: Vec<SocketAddr>,
        port: Option<u16>,
        permit: Permit,
    ) -> Result<Connected, DialError> {
        let mut attempts = JoinSet::new();
        let mut addresses = addresses.into_iter().take(MAX_ADDRESSES);
        let mut failure = None;
        let mut permit = Some(permit);
        loop {
            if addresses.len() > 0
                && let Some(permit) = permit.take().or_else(|| self.sockets.try_permit())
                && let Some(address) = addresses.next()
            {
                attempts.spawn(self.clone().connect(address, port, permit));
            }
            let ended = if addresses.len() > 0 {
                tokio::select! {
                    ended = attempts.join_next() => ended,
                    () = sleep(ATTEMPT_DELAY) => continue,
                }
            } else {
                attempts.join_next().await
            };
            match ended {
                Some(Ok(Ok(connected))) => return Ok(connected),
                Some(Ok(Err((error, given_back)))) => {
                    permit = Some(given_back);
                    // The peer's answer is worth more than this host's lack of a socket.
                    if failure.is_none() || !error.is_out_of_resources() {
                        failure = Some(error);
                    }
                }
                // Cancelled with the runtime.
                Some(Err(_)) => {}
                None => {
                    return Err(failure.unwrap_or(DialError::LookUp(Failure::NoRecords)));
                }
            }
        }
    }

    /// Connects to this address. Returns the permit with an error.
    async fn connect(
        self: Arc<Self>,
        address: SocketAddr,
        port: Option<u16>,
        permit: Permit,
    ) -> Result<Connected, (DialError, Permit)> {
        match self.stream(address, port).await {
            Ok((stream, handshake)) => Ok(Connected {
                stream,
                address,
                handshake,
                permit,
            }),
            Err(error) => Err((error, permit)),
        }
    }

    /// Opens a stream to this address. Returns the duration of the handshake, too.
    async fn stream(
        &self,
        address: SocketAddr,
        port: Option<u16>,
    ) -> Result<(TcpStream, Duration), DialError> {
        let failed = |error| DialError::Connect { address, error };
        let opened = if port.is_some() {
            let options = SocketOptions {
                source_port: port,
                ..self.options.socket.clone()
            };
            tcp_echo_socket::open(address, &options)
        } else {
            tcp_echo_socket::open(address, &self.options.socket)
        }?;
        if let Some(warning) = opened.warning {
            self.no_dscp.call_once(|| warn!("{warning}"));
        }
        // Before the handshake, so that the first reply is stamped too.
        self.enable_stamps(&opened.socket);
        let socket = TcpSocket::from_std_stream(opened.socket.into());
        let started = Instant::now();
        let stream = socket.connect(address).await.map_err(failed)?;
        let handshake = started.elapsed();
        prepare(&stream).map_err(failed)?;
        Ok((stream, handshake))
    }

    /// Takes over the connection that a trace has made.
    pub(crate) fn adopt(
        &self,
        stream: TcpStream,
        address: SocketAddr,
        handshake: Duration,
        permit: Permit,
    ) -> Result<Connected, DialError> {
        self.enable_stamps(&stream);
        prepare(&stream).map_err(|error| DialError::Connect { address, error })?;
        Ok(Connected {
            stream,
            address,
            handshake,
            permit,
        })
    }

    fn enable_stamps<'s>(&self, socket: impl Into<SockRef<'s>>) {
        if self.options.timestamps != Timestamps::User
            && let Err(error) = tcp_echo_socket::enable_receive_timestamps(socket)
            && self.options.timestamps == Timestamps::Kernel
        {
            self.no_stamps.call_once(|| {
                warn!(%error, "no receive timestamps from the kernel; using the process's clock");
            });
        }
    }
}

/// Makes a new connection ready for probes.
fn prepare(stream: &TcpStream) -> io::Result<()> {
    refuse_self(stream)?;
    // A stream that refuses an option, mostly since the peer has reset it, fails when it is used.
    let _ = tcp_echo_socket::configure_stream(stream);
    Ok(())
}

/// An attempt, beside others that it may be repeated by. The first that connects ends it, and so does its own
/// failure.
async fn repeated(
    attempt: impl Future<Output = Result<Connected, DialError>>,
    repeats: Option<impl Future<Output = Connected>>,
) -> Result<Connected, DialError> {
    let Some(repeats) = repeats else {
        return attempt.await;
    };
    tokio::select! {
        attempted = attempt => attempted,
        connected = repeats => Ok(connected),
    }
}

/// Polls an attempt until its timeout, and a little longer.
async fn limited(
    limit: Duration,
    attempt: impl Future<Output = Result<Connected, DialError>>,
) -> Result<Connected, DialError> {
    let mut attempt = pin!(attempt);
    if let Ok(ended) = timeout(limit, &mut attempt).await {
        return ended;
    }
    let ended = timeout(FINAL_POLL, attempt).await;
    ended.unwrap_or(Err(DialError::Timeout(limit)))
}

/// Refuses a connection to itself: nothing listens there, and its echo would look like a
/// peer's. Dropping the stream resets it, so that it blocks the port for no listener.
pub(crate) fn refuse_self(stream: &TcpStream) -> io::Result<()> {
    // A stream that has lost its ends fails when it is used.
    if tcp_echo_socket::is_self_connected(stream).unwrap_or(false) {
        let _ = tcp_echo_socket::abort(stream);
        return Err(io::Error::new(
            io::ErrorKind::ConnectionRefused,
            "nothing listens there: the socket connected to itself",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As it is after a name was looked up once and allowed: the answer has changed.
    #[tokio::test]
    async fn addresses_are_checked_each_time_that_they_are_found() {
        let second = Duration::from_secs(1);
        let session = SessionConfig::new(second, second).unwrap();
        let target = Target::new("localhost:4000".parse().unwrap(), session);
        let dialer = Dialer::new(
            Options::default(),
            Resolver::default(),
            SocketStats::default(),
            Paths::default(),
        );
        let target = |networks: &str| target.clone().on_demand(networks.parse().unwrap());
        let found = dialer.resolve(&target("127.0.0.1")).await.unwrap();
        assert_eq!(found, ["127.0.0.1:4000".parse().unwrap()]);

        let refused = dialer.usable(&target("10.0.0.0/8"), found).unwrap_err();
        assert!(matches!(refused, DialError::NotAllowed));
        assert_eq!(refused.reason(), ConnectFailure::Other);
        let refused = dialer.resolve(&target("10.0.0.0/8")).await.unwrap_err();
        assert!(matches!(refused, DialError::NotAllowed));
    }

    /// Bound to the port that it connects to, a socket meets itself.
    #[cfg(unix)]
    #[tokio::test]
    async fn a_connection_to_itself_is_reset_and_refused() {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = socket.local_addr().unwrap();
        let stream = socket.connect(address).await.unwrap();
        let error = refuse_self(&stream).unwrap_err();
        let error = DialError::Connect { address, error };
        assert_eq!(error.reason(), ConnectFailure::Refused);
        let linger = SockRef::from(&stream).linger().unwrap();
        assert_eq!(linger, Some(Duration::ZERO), "it ends with a reset");
        drop(stream);

        let listener = tokio::net::TcpListener::bind(address).await.unwrap();
        let stream = TcpStream::connect(address).await.unwrap();
        refuse_self(&stream).unwrap();
        drop(listener);
    }
}

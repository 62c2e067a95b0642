//! One attempt to connect: look the name up, race its addresses, set the options.

use std::{
    io,
    net::SocketAddr,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use tcp_echo_session::ConnectFailure;
use tcp_echo_socket::OpenError;
use tokio::{
    net::{TcpSocket, TcpStream},
    task::JoinSet,
    time::{sleep, timeout},
};
use tracing::warn;

use crate::{
    Options, Target, Timestamps,
    chatter::{Chatter, Once},
    link_local,
    resolve::Resolver,
};

/// The least time that a handshake is given, however short the probes' timeout: a
/// first segment that is lost is sent again by a new attempt, not by the kernel's
/// retransmission a second later.
const LEAST_PATIENCE: Duration = Duration::from_millis(500);

/// How long an attempt is looked at once more when its time is up. A process that was
/// paused finds its timers due before the runtime has asked which sockets are ready, and
/// what the kernel did in the meantime counts.
const LAST_LOOK: Duration = Duration::from_millis(20);

/// How much of a head start an address has before the next one is tried
/// (RFC 8305, section 5).
const HEAD_START: Duration = Duration::from_millis(250);

/// Look-ups under way at once for the targets of the set …
const LOOKUPS: usize = 32;

/// … and for those that were asked for. They have places of their own, so that names
/// that hang, asked for by whoever likes, hold up none of the others.
const LOOKUPS_ON_DEMAND: usize = 8;

/// More addresses of one name than this are not raced.
const MOST_ADDRESSES: usize = 8;

/// What all attempts of a prober share.
pub(crate) struct Dialer {
    pub(crate) options: Options,
    resolver: Resolver,
    resolver_on_demand: Resolver,
    /// How much is said of single targets.
    pub(crate) chatter: Chatter,
    no_stamps: Once,
    no_dscp: Once,
}

/// What came of an attempt.
pub(crate) struct Dialed {
    /// The addresses that the name stands for now.
    pub(crate) look_up: Result<Vec<SocketAddr>, DialError>,
    /// What came of connecting to them, or where there are none to those of the
    /// last answer; nothing where there never was one.
    pub(crate) connected: Option<Result<Connected, DialError>>,
}

/// A connection, just made.
pub(crate) struct Connected {
    pub(crate) stream: TcpStream,
    pub(crate) address: SocketAddr,
    pub(crate) handshake: Duration,
}

/// Why an attempt failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DialError {
    #[error("cannot look it up: {0}")]
    LookUp(io::Error),
    #[error("there is no network interface {zone:?}{}", link_local::hint(zone))]
    NoInterface { zone: String },
    #[error("it has no address in the networks that are allowed")]
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
    pub(crate) fn reason(&self) -> ConnectFailure {
        use io::ErrorKind as Kind;
        match self {
            Self::LookUp(_) => ConnectFailure::Dns,
            Self::NoInterface { .. } => ConnectFailure::Unreachable,
            Self::Timeout(_) => ConnectFailure::Timeout,
            Self::Open(_) | Self::NotAllowed => ConnectFailure::Other,
            Self::Connect { error, .. } => match error.kind() {
                // A peer that resets a handshake does not want it either.
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
    pub(crate) fn new(options: Options) -> Self {
        Self {
            resolver: Resolver::new(options.ip, LOOKUPS),
            resolver_on_demand: Resolver::new(options.ip, LOOKUPS_ON_DEMAND),
            options,
            chatter: Chatter::new(),
            no_stamps: Once::default(),
            no_dscp: Once::default(),
        }
    }

    /// The addresses that `target` stands for and that may be connected to, at least
    /// one. Nothing connects to an address that did not come from here, so a name that
    /// changes its mind leads nowhere else.
    pub(crate) async fn resolve(&self, target: &Target) -> Result<Vec<SocketAddr>, DialError> {
        let resolver = if target.is_on_demand() {
            &self.resolver_on_demand
        } else {
            &self.resolver
        };
        let mut found = resolver.resolve(target.address()).await?;
        if let Some(networks) = target.networks() {
            found.retain(|address| networks.contains(address.ip()));
            if found.is_empty() {
                return Err(DialError::NotAllowed);
            }
        }
        Ok(found)
    }

    /// Connects to `target`; where its name can't be looked up, to one of the
    /// addresses that it had before.
    pub(crate) async fn dial(
        self: Arc<Self>,
        target: Arc<Target>,
        before: Vec<SocketAddr>,
    ) -> Dialed {
        let look_up = self.resolve(&target).await;
        let addresses = match &look_up {
            Ok(found) => found.clone(),
            // The name stands for something else by now.
            Err(DialError::NotAllowed) => Vec::new(),
            Err(_) => before,
        };
        let connected = if addresses.is_empty() {
            None
        } else {
            let patience = target.session().timeout().max(LEAST_PATIENCE);
            Some(self.race_within(patience, addresses).await)
        };
        Dialed { look_up, connected }
    }

    async fn race_within(
        self: Arc<Self>,
        patience: Duration,
        addresses: Vec<SocketAddr>,
    ) -> Result<Connected, DialError> {
        let mut race = pin!(self.race(addresses));
        if let Ok(ended) = timeout(patience, &mut race).await {
            return ended;
        }
        let ended = timeout(LAST_LOOK, race).await;
        ended.unwrap_or(Err(DialError::Timeout(patience)))
    }

    /// Connects to the address that answers first (RFC 8305).
    async fn race(self: Arc<Self>, addresses: Vec<SocketAddr>) -> Result<Connected, DialError> {
        let mut attempts = JoinSet::new();
        let mut addresses = addresses.into_iter().take(MOST_ADDRESSES);
        let mut failure = None;
        loop {
            let more = addresses.next();
            if let Some(address) = more {
                attempts.spawn(self.clone().connect(address));
            }
            let ended = if addresses.len() > 0 {
                tokio::select! {
                    ended = attempts.join_next() => ended,
                    () = sleep(HEAD_START) => continue,
                }
            } else {
                attempts.join_next().await
            };
            match ended {
                Some(Ok(Ok(connected))) => return Ok(connected),
                Some(Ok(Err(error))) => failure = Some(error),
                // It was told to end, with the runtime.
                Some(Err(_)) => {}
                None => {
                    let none = || DialError::LookUp(io::ErrorKind::NotFound.into());
                    return Err(failure.unwrap_or_else(none));
                }
            }
        }
    }

    async fn connect(self: Arc<Self>, address: SocketAddr) -> Result<Connected, DialError> {
        let failed = |error| DialError::Connect { address, error };
        let opened = tcp_echo_socket::open(address, &self.options.socket)?;
        if let Some(warning) = opened.warning
            && self.no_dscp.first()
        {
            warn!("{warning}");
        }
        // Before the handshake, so that the first reply is stamped too.
        if self.options.timestamps != Timestamps::User
            && let Err(error) = tcp_echo_socket::enable_receive_timestamps(&opened.socket)
            && self.options.timestamps == Timestamps::Kernel
            && self.no_stamps.first()
        {
            warn!(%error, "the kernel gives no receive timestamps; the process's clock is used");
        }
        let socket = TcpSocket::from_std_stream(opened.socket.into());
        let started = Instant::now();
        let stream = socket.connect(address).await.map_err(failed)?;
        let handshake = started.elapsed();
        // A stream that refuses an option, mostly because the peer has reset it by
        // now, says so when it is used.
        let _ = tcp_echo_socket::configure_stream(&stream);
        Ok(Connected {
            stream,
            address,
            handshake,
        })
    }
}

#[cfg(test)]
mod tests {
    use tcp_echo_session::SessionConfig;
    use tokio::net::TcpListener;

    use super::*;

    /// As it is after a name was looked up once and allowed: the answer has changed.
    #[tokio::test]
    async fn addresses_are_checked_at_each_attempt() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let before = listener.local_addr().unwrap();
        let second = Duration::from_secs(1);
        let session = SessionConfig::new(second, second).unwrap();
        let address = format!("localhost:{}", before.port()).parse().unwrap();
        let target = Target::new(address, session);
        let dialer = Arc::new(Dialer::new(Options::default()));
        let dial = async |networks: &str| {
            let target = target.clone().on_demand(networks.parse().unwrap());
            dialer.clone().dial(Arc::new(target), vec![before]).await
        };
        let refused = dial("10.0.0.0/8").await;
        assert!(matches!(refused.look_up, Err(DialError::NotAllowed)));
        assert!(refused.connected.is_none());
        let error = refused.look_up.unwrap_err();
        assert_eq!(error.reason(), ConnectFailure::Other);
        let accepted = timeout(Duration::from_millis(200), listener.accept()).await;
        assert!(accepted.is_err(), "{accepted:?}");

        let allowed = dial("127.0.0.1").await;
        assert_eq!(allowed.look_up.unwrap(), [before]);
        assert_eq!(allowed.connected.unwrap().unwrap().address, before);
    }
}

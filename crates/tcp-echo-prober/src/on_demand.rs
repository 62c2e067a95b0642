//! Targets that are probed for as long as clients ask for them.

use std::{
    convert::Infallible,
    fmt, io,
    net::IpAddr,
    num::NonZeroU16,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use tcp_echo_net::{ClientQuotas, LogLimiter, QuotaError};
use tokio::{sync::Notify, time::sleep_until};
use tracing::{debug, warn};

use crate::{
    Address, Networks, SessionConfig, Target,
    active_targets::{ActiveTargets, Answer, HELD_PER_FREE},
    dial::{DialError, Dialer},
    options::MAX_DURATION,
};

/// How many requests may wait for a look-up; further ones are refused.
const MAX_WAITING: usize = 64;

/// Limits of targets on demand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnDemandLimits {
    /// The networks that targets may be in. Each address is checked after the look-up, before
    /// each attempt to connect.
    pub networks: Networks,
    /// How long a target is probed after the last request for it; at most 10 years.
    pub idle: Duration,
    /// How many targets are probed at once. A client may start one more while it has started
    /// fewer than three times as many as are left, so one client alone gets three quarters.
    pub max: usize,
}

/// Targets besides those of a prober's set. Each is probed from the first
/// [request](Self::ask) for it until there was none in a while. Clones share everything.
///
/// It belongs to the prober that is [built](crate::Builder::on_demand) with it (to the last
/// one, if there are several), and works from its start to its end. Clients need not be
/// trusted: the [limits](OnDemandLimits) apply to all of them.
///
/// ```
/// use std::time::Duration;
/// use tcp_echo_prober::{AskError, OnDemand, OnDemandLimits, Prober, SessionConfig};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let on_demand = OnDemand::new(OnDemandLimits {
///     networks: "127.0.0.0/8".parse()?,
///     idle: Duration::from_secs(300),
///     max: 1000,
/// });
/// let prober = Prober::builder().on_demand(on_demand.clone()).start()?;
/// // Ends the targets that nobody asks for any more.
/// let ending = on_demand.clone();
/// let ending = tokio::spawn(async move { ending.run().await });
///
/// let session = SessionConfig::new(Duration::from_millis(200), Duration::from_millis(800))?;
/// let client = Some("192.0.2.7".parse()?);
/// on_demand.ask("127.0.0.1:4000".parse()?, session.clone(), client).await?;
/// let refused = on_demand.ask("192.0.2.1:4000".parse()?, session, client).await;
/// assert!(matches!(refused, Err(AskError::NotAllowed)));
/// # ending.abort();
/// # prober.stop()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct OnDemand(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    limits: OnDemandLimits,
    /// How many flows probe each target; one by default.
    flows: OnceLock<NonZeroU16>,
    prober: Mutex<Option<Link>>,
    /// Requests that wait for a look-up.
    waiting: Mutex<ClientQuotas>,
    started: Notify,
    /// For the line that the limit is reached.
    log_limiter: LogLimiter,
}

/// The parts of a prober that requests need.
#[derive(Clone)]
pub(crate) struct Link {
    pub(crate) active: Arc<Mutex<ActiveTargets>>,
    pub(crate) dialer: Arc<Dialer>,
}

/// Why a target is not probed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AskError {
    /// None of its addresses is in the networks of the limits.
    #[error("it has no address in the networks that are allowed")]
    NotAllowed,
    /// The look-up of its name failed.
    #[error("it can't be looked up: {0}")]
    LookUp(io::Error),
    /// The limit is reached.
    #[error("{max} targets are probed on demand, which is the limit")]
    Full {
        /// The limit.
        max: usize,
    },
    /// The client has reached its quota.
    #[error("{max} targets may be probed on demand, and this client has its share of them")]
    Quota {
        /// The limit for all clients.
        max: usize,
    },
    /// Too many requests wait for a look-up, of all clients or of this one.
    #[error("too many names are being looked up")]
    Busy,
    /// No prober is running.
    #[error("nothing is probed")]
    Ended,
}

impl OnDemand {
    /// Targets on demand within these limits, for a prober to be built.
    pub fn new(mut limits: OnDemandLimits) -> Self {
        limits.idle = limits.idle.min(MAX_DURATION);
        Self(Arc::new(Shared {
            limits,
            flows: OnceLock::new(),
            prober: Mutex::default(),
            waiting: Mutex::new(ClientQuotas::new(HELD_PER_FREE)),
            started: Notify::new(),
            log_limiter: LogLimiter::default(),
        }))
    }

    /// Has so many flows probe each target, rather than one. The first call counts.
    #[must_use]
    pub fn with_flows(self, flows: NonZeroU16) -> Self {
        self.0.flows.get_or_init(|| flows);
        self
    }

    pub(crate) fn link(&self, link: Link) {
        *self.0.lock() = Some(link);
    }

    /// Whether the prober's own set has a target of this name, which needs no request.
    pub fn is_listed(&self, name: &str) -> bool {
        let link = self.0.lock().clone();
        link.is_some_and(|link| link.lock().set().contains(name))
    }

    /// Requests the target at this address, whose name is the address as written. A target of
    /// the name in the prober's own set, or of an earlier request, is kept with its own
    /// session. Otherwise a new one starts, with this session.
    ///
    /// `client` is the address of a client that need not be trusted: an IPv4 address, or the
    /// /64 of an IPv6 one, has a quota. A target counts for the client that started it while
    /// that keeps asking, then for the next client that asks.
    ///
    /// A name is looked up the first time, which takes at most a few seconds and needs a
    /// tokio runtime.
    ///
    /// # Errors
    /// [`AskError`]; no target was started.
    pub async fn ask(
        &self,
        address: Address,
        session: SessionConfig,
        client: Option<IpAddr>,
    ) -> Result<(), AskError> {
        let limits = &self.0.limits;
        let flows = self.0.flows.get().copied().unwrap_or(NonZeroU16::MIN);
        let target = Target::new(address, session).with_flows(flows);
        let target = target.on_demand(limits.networks.clone());
        let link = self.0.lock().clone().ok_or(AskError::Ended)?;
        let answer = link.lock().ask(&target, client, Instant::now(), limits);
        if !self.is_new(answer)? {
            return Ok(());
        }
        {
            let _waiting = Waiting::new(&self.0.waiting, client).ok_or(AskError::Busy)?;
            link.dialer.resolve(&target).await?;
        }
        // The answer may have changed during the look-up.
        let now = Instant::now();
        let mut active = link.lock();
        if self.is_new(active.ask(&target, client, now, limits))? {
            debug!(target = %target.name(), "starting a target on demand");
            active.start(target, client, now);
            self.0.started.notify_one();
        }
        Ok(())
    }

    /// Ends targets that nobody asks for any more, for as long as it is polled. One such task
    /// serves all clones. Needs a tokio runtime with time enabled.
    pub async fn run(&self) -> Infallible {
        loop {
            let link = self.0.lock().clone();
            let next = link.and_then(|link| {
                let idle = self.0.limits.idle;
                let (ended, next) = link.lock().end_idle(Instant::now(), idle);
                if ended > 0 {
                    debug!(targets = ended, "ending idle targets on demand");
                }
                next
            });
            match next {
                Some(next) => sleep_until(next.into()).await,
                // A target that starts later ends later, so until then no end is missed.
                None => self.0.started.notified().await,
            }
        }
    }

    fn is_new(&self, answer: Answer) -> Result<bool, AskError> {
        match answer {
            Answer::New => Ok(true),
            Answer::Active => Ok(false),
            Answer::Ended => Err(AskError::Ended),
            Answer::Refused(error) => {
                let max = self.0.limits.max;
                if self.0.log_limiter.allows(Instant::now()) {
                    warn!(
                        max,
                        "limit of targets on demand reached, for all clients or for one"
                    );
                }
                Err(match error {
                    QuotaError::Full => AskError::Full { max },
                    QuotaError::Reached => AskError::Quota { max },
                })
            }
        }
    }
}

/// A request that waits for a look-up.
struct Waiting<'a> {
    quotas: &'a Mutex<ClientQuotas>,
    client: Option<IpAddr>,
}

impl<'a> Waiting<'a> {
    /// `None` when `client` may wait no more.
    fn new(quotas: &'a Mutex<ClientQuotas>, client: Option<IpAddr>) -> Option<Self> {
        let mut places = quotas.lock().unwrap_or_else(PoisonError::into_inner);
        places.check(client, MAX_WAITING).ok()?;
        places.take(client);
        Some(Self { quotas, client })
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let places = self.quotas.lock();
        let mut places = places.unwrap_or_else(PoisonError::into_inner);
        places.release(self.client);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Option<Link>> {
        self.prober.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Link {
    fn lock(&self) -> MutexGuard<'_, ActiveTargets> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").finish_non_exhaustive()
    }
}

impl From<DialError> for AskError {
    fn from(error: DialError) -> Self {
        match error {
            DialError::LookUp(failure) => Self::LookUp(io::Error::other(failure)),
            DialError::NoInterface { .. } => {
                Self::LookUp(io::Error::new(io::ErrorKind::NotFound, error.to_string()))
            }
            _ => Self::NotAllowed,
        }
    }
}

//! Targets that are probed for as long as somebody asks for them.

use std::{
    convert::Infallible,
    fmt, io,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tcp_echo_net::LogLimiter;
use tokio::{sync::Notify, time::sleep_until};
use tracing::{debug, warn};

use crate::{
    Address, Networks, SessionConfig, Target,
    active_targets::{ActiveTargets, Answer},
    client_quotas::{ClientQuotas, Refusal},
    dial::{DialError, Dialer},
    options::LONGEST,
};

/// Questions that wait for a look-up at once; further ones are refused.
const MOST_WAITING: usize = 64;

/// What may be asked for, and for how long it is probed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnDemandLimits {
    /// Where connections may be made to. Each address is checked after it was looked
    /// up, before each attempt to connect.
    pub networks: Networks,
    /// For how long a target is probed after it was last asked for; 10 years at most.
    pub idle: Duration,
    /// How many are probed at once. A client may begin one more while it has begun fewer
    /// than three times as many as can still be begun, so one alone three quarters.
    pub most: usize,
}

/// Targets besides those of a prober's set, each probed from when it is
/// [asked for](Self::ask) until it was not asked for in a while. Clones are handles to
/// the same.
///
/// It belongs to the prober that is [built](crate::Builder::on_demand) with it, to the
/// last one where there were several, and serves from its start to its end. Clients
/// need not be trusted: they can ask only within the [limits](OnDemandLimits).
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
///     most: 1000,
/// });
/// let prober = Prober::builder().on_demand(on_demand.clone()).start()?;
/// // Whatever serves the requests also ends what nobody asks for any more.
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
    prober: Mutex<Option<Link>>,
    /// Places of questions that wait for a look-up.
    waiting: Mutex<ClientQuotas>,
    begun: Notify,
    /// For the line that the limit is reached.
    log_limiter: LogLimiter,
}

/// What is needed of the prober.
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
    /// Its name can't be looked up.
    #[error("it can't be looked up: {0}")]
    LookUp(io::Error),
    /// There are as many as the limits allow.
    #[error("{most} targets are probed on demand, which is the limit")]
    Full {
        /// How many that is.
        most: usize,
    },
    /// The client has begun as many as its share allows.
    #[error("{most} targets may be probed on demand, and this client has its share of them")]
    Share {
        /// How many may be probed, of all clients.
        most: usize,
    },
    /// Too many names are being looked up, for all who ask or for this client.
    #[error("too many names are being looked up")]
    Busy,
    /// There is no prober at work.
    #[error("nothing is probed")]
    Ended,
}

impl OnDemand {
    /// Within these limits, for a prober that is yet to be built.
    pub fn new(mut limits: OnDemandLimits) -> Self {
        limits.idle = limits.idle.min(LONGEST);
        Self(Arc::new(Shared {
            limits,
            prober: Mutex::default(),
            waiting: Mutex::default(),
            begun: Notify::new(),
            log_limiter: LogLimiter::default(),
        }))
    }

    pub(crate) fn link(&self, link: Link) {
        *self.0.lock() = Some(link);
    }

    /// Whether the prober's own set has a target of this name, which is probed without
    /// being asked for.
    pub fn is_listed(&self, name: &str) -> bool {
        let link = self.0.lock().clone();
        link.is_some_and(|link| link.lock().set().contains(name))
    }

    /// Asks for the target at this address, which is named by it as written. Where one
    /// of the name is in the prober's own set, or was asked for before, that is the one,
    /// with the session that it has; else it is probed from now on, with the one given here.
    ///
    /// `client` is the address of who asks, where that is somebody who need not be trusted:
    /// an IPv4 address, or the /64 of an IPv6 one, has a share of the places. A place is
    /// that of the client who began the target, for as long as it asks for it; then of
    /// the next one who asks.
    ///
    /// A name is looked up the first time, which takes a few seconds at most and needs a
    /// tokio runtime.
    ///
    /// # Errors
    /// [`AskError`]; nothing was begun.
    pub async fn ask(
        &self,
        address: Address,
        session: SessionConfig,
        client: Option<IpAddr>,
    ) -> Result<(), AskError> {
        let limits = &self.0.limits;
        let target = Target::new(address, session).on_demand(limits.networks.clone());
        let link = self.0.lock().clone().ok_or(AskError::Ended)?;
        let answer = link.lock().ask(&target, client, Instant::now(), limits);
        if !self.is_new(answer)? {
            return Ok(());
        }
        {
            let _waiting = Waiting::new(&self.0.waiting, client).ok_or(AskError::Busy)?;
            link.dialer.resolve(&target).await?;
        }
        // Meanwhile others have asked too.
        let now = Instant::now();
        let mut active = link.lock();
        if self.is_new(active.ask(&target, client, now, limits))? {
            debug!(target = %target.name(), "asked for: probing begins");
            active.begin(target, client, now);
            self.0.begun.notify_one();
        }
        Ok(())
    }

    /// Ends what was not asked for in a while, for as long as it is polled; it needs a
    /// tokio runtime with time. One such task does for all clones.
    pub async fn run(&self) -> Infallible {
        loop {
            let link = self.0.lock().clone();
            let next = link.and_then(|link| {
                let idle = self.0.limits.idle;
                let (ended, next) = link.lock().end_idle(Instant::now(), idle);
                if ended > 0 {
                    debug!(targets = ended, "no longer asked for: probing ends");
                }
                next
            });
            match next {
                Some(next) => sleep_until(next.into()).await,
                // Whatever begins later ends later: the earliest end is known until then.
                None => self.0.begun.notified().await,
            }
        }
    }

    fn is_new(&self, answer: Answer) -> Result<bool, AskError> {
        match answer {
            Answer::New => Ok(true),
            Answer::Active => Ok(false),
            Answer::Ended => Err(AskError::Ended),
            Answer::Refused(refusal) => {
                let most = self.0.limits.most;
                if self.0.log_limiter.allows(Instant::now()) {
                    warn!(
                        most,
                        "limit of targets on demand reached, for all clients or for one"
                    );
                }
                Err(match refusal {
                    Refusal::Full => AskError::Full { most },
                    Refusal::Share => AskError::Share { most },
                })
            }
        }
    }
}

/// A place among the questions that wait for a look-up.
struct Waiting<'a> {
    quotas: &'a Mutex<ClientQuotas>,
    client: Option<IpAddr>,
}

impl<'a> Waiting<'a> {
    /// None where there is no place for `client`.
    fn new(quotas: &'a Mutex<ClientQuotas>, client: Option<IpAddr>) -> Option<Self> {
        let mut places = quotas.lock().unwrap_or_else(PoisonError::into_inner);
        places.check(client, MOST_WAITING).ok()?;
        places.take(client);
        Some(Self { quotas, client })
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let places = self.quotas.lock();
        let mut places = places.unwrap_or_else(PoisonError::into_inner);
        places.give_back(self.client);
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

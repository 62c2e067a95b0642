//! Targets that are probed for as long as somebody asks for them.

use std::{
    convert::Infallible,
    fmt, io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    sync::{Notify, Semaphore},
    time::sleep_until,
};
use tracing::{debug, warn};

use crate::{
    Address, Networks, SessionConfig, Target,
    dial::{DialError, Dialer},
    probed::{Answer, Probed},
};

/// Questions that wait for a look-up at once; further ones are refused.
const MOST_WAITING: usize = 64;

/// What may be asked for, and for how long it is probed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnDemandLimits {
    /// Where connections may be made to. Each address is checked after it was looked
    /// up, before each attempt to connect.
    pub networks: Networks,
    /// For how long a target is probed after it was last asked for.
    pub idle: Duration,
    /// How many are probed at once.
    pub most: usize,
}

/// Targets besides those of a prober's set, each probed from when it is
/// [asked for](Self::ask) until it was not asked for in a while. Clones are handles to
/// the same.
///
/// It belongs to the prober that is [built](crate::Builder::on_demand) with it, to the
/// last one where there were several, and serves from its start to its end. Whoever asks
/// need not be trusted with more than to ask within the [limits](OnDemandLimits).
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
/// on_demand.ask("127.0.0.1:4000".parse()?, session.clone()).await?;
/// let refused = on_demand.ask("192.0.2.1:4000".parse()?, session).await;
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
    waiting: Semaphore,
    begun: Notify,
    /// Whether it was said that there are no more places.
    said_full: AtomicBool,
}

/// What is needed of the prober.
#[derive(Clone)]
pub(crate) struct Link {
    pub(crate) probed: Arc<Mutex<Probed>>,
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
    /// It is probed already, and otherwise than is asked for.
    #[error("it is probed with another interval, timeout or window, until nobody asks for that")]
    Differs,
    /// There are as many as the limits allow.
    #[error("{most} targets are probed on demand, which is the limit")]
    Full {
        /// How many that is.
        most: usize,
    },
    /// Too many names are being looked up for others who ask.
    #[error("too many names are being looked up")]
    Busy,
    /// There is no prober at work.
    #[error("nothing is probed")]
    Ended,
}

impl OnDemand {
    /// Within these limits, for a prober that is yet to be built.
    pub fn new(limits: OnDemandLimits) -> Self {
        Self(Arc::new(Shared {
            limits,
            prober: Mutex::default(),
            waiting: Semaphore::new(MOST_WAITING),
            begun: Notify::new(),
            said_full: AtomicBool::new(false),
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
    /// of the name is in the prober's own set, that is the one; else it is probed from
    /// now on, with this session, or goes on to be.
    ///
    /// A name is looked up the first time, which takes a few seconds at most and needs a
    /// tokio runtime.
    ///
    /// # Errors
    /// [`AskError`]; nothing was begun.
    pub async fn ask(&self, address: Address, session: SessionConfig) -> Result<(), AskError> {
        let limits = &self.0.limits;
        let target = Target::new(address, session).on_demand(limits.networks.clone());
        let link = self.0.lock().clone().ok_or(AskError::Ended)?;
        if !self.is_new(link.lock().ask(&target, Instant::now(), limits.most))? {
            return Ok(());
        }
        {
            let _place = self.0.waiting.try_acquire().map_err(|_| AskError::Busy)?;
            link.dialer.resolve(&target).await?;
        }
        // Meanwhile others have asked too.
        let now = Instant::now();
        let mut probed = link.lock();
        if self.is_new(probed.ask(&target, now, limits.most))? {
            debug!(target = %target.name(), "asked for: probing begins");
            probed.begin(target, now);
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
                    self.0.said_full.store(false, Ordering::Relaxed);
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
            Answer::Probed => Ok(false),
            Answer::Differs => Err(AskError::Differs),
            Answer::Ended => Err(AskError::Ended),
            Answer::Full => {
                let most = self.0.limits.most;
                if !self.0.said_full.swap(true, Ordering::Relaxed) {
                    warn!(
                        most,
                        "more targets are asked for than may be probed on demand"
                    );
                }
                Err(AskError::Full { most })
            }
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Option<Link>> {
        self.prober.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Link {
    fn lock(&self) -> MutexGuard<'_, Probed> {
        self.probed.lock().unwrap_or_else(PoisonError::into_inner)
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

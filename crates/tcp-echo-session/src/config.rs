//! The configuration of a session.

use std::{error::Error, fmt, num::NonZeroU32, time::Duration};

use crate::{adaptive::Adaptive, span::Span};

/// How one target is probed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionConfig {
    interval: Span,
    timeout: Span,
    window: NonZeroU32,
    stall: Option<Span>,
    is_adaptive: bool,
}

/// The minimum of the automatic stall limit: a hiccup of the path is no stall.
const MIN_AUTO_STALL: Duration = Duration::from_millis(500);

/// The bounds of an adaptive timeout, where the stall limit is not shorter.
const MIN_ADAPTIVE: Duration = Duration::from_millis(200);
const MAX_ADAPTIVE: Duration = Duration::from_secs(3);

/// The maximum of interval, timeout and stall limit, so that no sum of times overflows the
/// clock.
const MAX_DURATION: Duration = Duration::from_secs(24 * 60 * 60);

impl SessionConfig {
    /// The default size of the loss window, in slots.
    pub const DEFAULT_WINDOW: NonZeroU32 = NonZeroU32::new(100).unwrap();

    /// The maximum of probes in flight that a configuration may ask for. The in-flight table
    /// takes 32 bytes per probe, so 32 MiB at most.
    pub const MAX_IN_FLIGHT: u64 = 1 << 20;

    /// A probe every `interval`, lost if its reply takes longer than `timeout`. The timeout
    /// may exceed the interval: probes are pipelined.
    ///
    /// # Errors
    /// [`ConfigError`] if either is zero or longer than a day, or if more than
    /// [`MAX_IN_FLIGHT`](Self::MAX_IN_FLIGHT) intervals fit into the timeout.
    pub fn new(interval: Duration, timeout: Duration) -> Result<Self, ConfigError> {
        let config = Self {
            interval: Span::new(checked("interval", interval)?),
            timeout: Span::new(checked("timeout", timeout)?),
            window: Self::DEFAULT_WINDOW,
            stall: None,
            is_adaptive: false,
        };
        config.bounded()
    }

    /// Sets the time from one slot to the next.
    ///
    /// # Errors
    /// [`ConfigError`] as by [`new`](Self::new).
    pub fn with_interval(mut self, interval: Duration) -> Result<Self, ConfigError> {
        self.interval = Span::new(checked("interval", interval)?);
        self.bounded()
    }

    /// Sets how long a reply may take.
    ///
    /// # Errors
    /// [`ConfigError`] as by [`new`](Self::new).
    pub fn with_timeout(mut self, timeout: Duration) -> Result<Self, ConfigError> {
        self.timeout = Span::new(checked("timeout", timeout)?);
        self.bounded()
    }

    /// Sets the size of the loss window, in slots.
    #[must_use]
    pub const fn with_window(mut self, window: NonZeroU32) -> Self {
        self.window = window;
        self
    }

    /// Sets the stall limit: how long a connection that awaits replies may get none before it
    /// is replaced. The default is three timeouts, at least 500 ms.
    ///
    /// # Errors
    /// [`ConfigError`] if it is zero or longer than a day, and as by [`new`](Self::new) with
    /// an adaptive timeout.
    pub fn with_stall(mut self, stall: Duration) -> Result<Self, ConfigError> {
        self.stall = Some(Span::new(checked("stall", stall)?));
        self.bounded()
    }

    /// Has the timeout follow the RTT as in RFC 6298, section 2: it is the smoothed RTT and four
    /// times its variation, and doubles when a probe times out. It begins with
    /// [`timeout`](Self::timeout), and is at least 200 ms and at most
    /// [`max_timeout`](Self::max_timeout).
    ///
    /// # Errors
    /// [`ConfigError`] as by [`new`](Self::new).
    pub fn with_adaptive_timeout(mut self) -> Result<Self, ConfigError> {
        self.is_adaptive = true;
        self.bounded()
    }

    /// The time from one slot to the next.
    #[inline]
    pub const fn interval(&self) -> Duration {
        self.interval.get()
    }

    /// How long a reply may take, at first if the timeout is adaptive.
    #[inline]
    pub const fn timeout(&self) -> Duration {
        self.timeout.get()
    }

    /// Whether the timeout is adaptive.
    pub const fn is_adaptive(&self) -> bool {
        self.is_adaptive
    }

    /// How long a reply may take at most. If the timeout is adaptive, that is 3 s or the stall
    /// limit, whichever is shorter, and not less than [`timeout`](Self::timeout).
    pub fn max_timeout(&self) -> Duration {
        if self.is_adaptive {
            self.timeout().max(MAX_ADAPTIVE.min(self.stall()))
        } else {
            self.timeout()
        }
    }

    /// How long the first reply may take: [`timeout`](Self::timeout), within its bounds if it is
    /// adaptive.
    pub fn first_timeout(&self) -> Duration {
        let adaptive = self.adaptive();
        adaptive.map_or(self.timeout(), |adaptive| adaptive.timeout())
    }

    /// The adaptive timeout of a session, if it has one.
    pub(crate) fn adaptive(&self) -> Option<Adaptive> {
        let max = self.max_timeout();
        self.is_adaptive
            .then(|| Adaptive::new(self.timeout(), MIN_ADAPTIVE.min(max), max))
    }

    /// Over how many slots the loss window slides.
    pub const fn window(&self) -> NonZeroU32 {
        self.window
    }

    /// The stall limit in force.
    pub fn stall(&self) -> Duration {
        match self.stall {
            Some(stall) => stall.get(),
            None => (3 * self.timeout()).max(MIN_AUTO_STALL),
        }
    }

    /// Refuses a pair of durations whose in-flight table would have no bound to speak of.
    fn bounded(self) -> Result<Self, ConfigError> {
        let (interval, timeout) = (self.interval(), self.max_timeout());
        if in_flight(interval, timeout) > u128::from(Self::MAX_IN_FLIGHT) {
            return Err(ConfigError::InFlight { interval, timeout });
        }
        Ok(self)
    }
}

/// How many probes are in flight where none is answered.
fn in_flight(interval: Duration, timeout: Duration) -> u128 {
    timeout.as_nanos().div_ceil(interval.as_nanos().max(1))
}

fn checked(name: &'static str, value: Duration) -> Result<Duration, ConfigError> {
    if value.is_zero() || value > MAX_DURATION {
        return Err(ConfigError::Duration { name, value });
    }
    Ok(value)
}

/// What no session can be run with.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// A duration that is zero or longer than a day.
    Duration {
        /// Which one: `interval`, `timeout` or `stall`.
        name: &'static str,
        /// What was asked for.
        value: Duration,
    },
    /// A timeout that is too long for its interval: more than
    /// [`SessionConfig::MAX_IN_FLIGHT`] probes would be in flight.
    InFlight {
        /// The time from one slot to the next.
        interval: Duration,
        /// How long a reply may take.
        timeout: Duration,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Duration { name, value } => {
                write!(f, "{name} {value:?} is not above 0 and at most 24h")
            }
            Self::InFlight { interval, timeout } => write!(
                f,
                "timeout {timeout:?} at interval {interval:?} means {} probes in flight, \
                 more than {}",
                in_flight(*interval, *timeout),
                SessionConfig::MAX_IN_FLIGHT
            ),
        }
    }
}

impl Error for ConfigError {}

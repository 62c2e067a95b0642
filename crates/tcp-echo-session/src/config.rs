//! What a session is told at its start.

use std::{error::Error, fmt, num::NonZeroU32, time::Duration};

/// How one target is probed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionConfig {
    pub(crate) interval: Duration,
    pub(crate) timeout: Duration,
    pub(crate) window: NonZeroU32,
    stall: Option<Duration>,
}

/// The shortest automatic stall limit: a hiccup of the path is not a stall.
const MIN_AUTO_STALL: Duration = Duration::from_millis(500);

/// The longest interval, timeout or stall limit. It keeps every sum of moments
/// far from the end of the clock.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

impl SessionConfig {
    /// Over how many slots the loss window slides by default.
    pub const DEFAULT_WINDOW: NonZeroU32 = NonZeroU32::new(100).unwrap();

    /// A probe every `interval`, lost where its reply takes longer than `timeout`.
    /// The timeout may exceed the interval: probes are pipelined.
    ///
    /// # Errors
    /// [`ConfigError`] where either is zero or longer than a day.
    pub fn new(interval: Duration, timeout: Duration) -> Result<Self, ConfigError> {
        Ok(Self {
            interval: checked("interval", interval)?,
            timeout: checked("timeout", timeout)?,
            window: Self::DEFAULT_WINDOW,
            stall: None,
        })
    }

    /// Sets the time from one slot to the next.
    ///
    /// # Errors
    /// [`ConfigError`] where it is zero or longer than a day.
    pub fn with_interval(mut self, interval: Duration) -> Result<Self, ConfigError> {
        self.interval = checked("interval", interval)?;
        Ok(self)
    }

    /// Sets how long a reply may take.
    ///
    /// # Errors
    /// [`ConfigError`] where it is zero or longer than a day.
    pub fn with_timeout(mut self, timeout: Duration) -> Result<Self, ConfigError> {
        self.timeout = checked("timeout", timeout)?;
        Ok(self)
    }

    /// Sets over how many slots the loss window slides.
    #[must_use]
    pub const fn with_window(mut self, window: NonZeroU32) -> Self {
        self.window = window;
        self
    }

    /// Sets the stall limit: how long nothing may come back on a connection that
    /// awaits replies before it is replaced. Without one it is three timeouts, at
    /// least 500 ms.
    ///
    /// # Errors
    /// [`ConfigError`] where it is zero or longer than a day.
    pub fn with_stall(mut self, stall: Duration) -> Result<Self, ConfigError> {
        self.stall = Some(checked("stall", stall)?);
        Ok(self)
    }

    /// The time from one slot to the next.
    pub const fn interval(&self) -> Duration {
        self.interval
    }

    /// How long a reply may take.
    pub const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Over how many slots the loss window slides.
    pub const fn window(&self) -> NonZeroU32 {
        self.window
    }

    /// The stall limit in force.
    pub fn stall(&self) -> Duration {
        self.stall
            .unwrap_or_else(|| (3 * self.timeout).max(MIN_AUTO_STALL))
    }
}

fn checked(name: &'static str, value: Duration) -> Result<Duration, ConfigError> {
    if value.is_zero() || value > LONGEST {
        return Err(ConfigError { name, value });
    }
    Ok(value)
}

/// A duration that no session can be run with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// Which one: `interval`, `timeout` or `stall`.
    pub name: &'static str,
    /// What was asked for.
    pub value: Duration,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {:?} is not above 0 and at most 24h",
            self.name, self.value
        )
    }
}

impl Error for ConfigError {}

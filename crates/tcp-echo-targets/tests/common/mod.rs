//! A running source, and its status.
#![expect(clippy::expect_used, reason = "tests")]
#![allow(dead_code, reason = "each test uses a part")]

#[cfg(feature = "discovery")]
pub(crate) mod server;

use std::{future::Future, num::NonZeroU16, time::Duration};

use tcp_echo_prober::TargetSet;
use tcp_echo_targets::{Config, Defaults, Handle, LoadError, Source, Status};
use tokio::{sync::mpsc, task::JoinHandle, time::timeout};

pub(crate) const DEFAULTS: Defaults = Defaults {
    interval: Duration::from_millis(200),
    timeout: Duration::from_millis(800),
    window: std::num::NonZeroU32::new(100).unwrap(),
    stall: None,
    is_adaptive: false,
    flows: NonZeroU16::MIN,
};

pub(crate) fn config() -> Config {
    let mut config = Config::new(DEFAULTS);
    config.poll = Duration::from_millis(20);
    #[cfg(feature = "discovery")]
    {
        config.dns_refresh = Duration::from_millis(50);
    }
    config
}

/// Fails if this takes far longer than expected.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    let limit = Duration::from_secs(20);
    timeout(limit, future).await.expect("it takes too long")
}

pub(crate) fn names(targets: &TargetSet) -> Vec<String> {
    let names = targets.iter().map(|target| target.name().to_string());
    names.collect()
}

/// A running source, and its sets.
pub(crate) struct Running {
    pub(crate) handle: Handle,
    pub(crate) first: TargetSet,
    sets: mpsc::UnboundedReceiver<TargetSet>,
    task: JoinHandle<std::convert::Infallible>,
}

impl Running {
    pub(crate) fn start(config: Config) -> Result<Self, LoadError> {
        Ok(Self::run(Source::load(config)?))
    }

    pub(crate) fn run(source: Source) -> Self {
        let (given, sets) = mpsc::unbounded_channel();
        Self {
            handle: source.handle(),
            first: source.targets().clone(),
            sets,
            task: tokio::spawn(source.run(move |set| {
                let _ = given.send(set);
            })),
        }
    }

    /// The next set.
    pub(crate) async fn next(&mut self) -> TargetSet {
        soon(self.sets.recv()).await.expect("it has ended")
    }

    /// Waits for the set of these names.
    pub(crate) async fn until(&mut self, expected: &[&str]) -> TargetSet {
        loop {
            let set = self.next().await;
            if names(&set) == expected {
                return set;
            }
        }
    }

    /// Whether there is no set that was not taken.
    pub(crate) fn is_quiet(&mut self) -> bool {
        self.sets.try_recv().is_err()
    }

    /// Waits until the status matches.
    pub(crate) async fn status(&self, matches: impl Fn(&Status) -> bool) -> Status {
        soon(async {
            loop {
                let status = self.handle.status();
                if matches(&status) {
                    return status;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

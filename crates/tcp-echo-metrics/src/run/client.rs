//! The prober, on threads of its own.

use tcp_echo_exporter::{Buckets, TargetMetrics};
use tcp_echo_metrics::cli::{ClientConfig, IpFamily, TargetSpec, Timestamps};
use tcp_echo_prober::{
    Handle, IpVersion, Observer, Options, Prober, SessionConfig, SocketOptions, Target, TargetSet,
};

use super::RunError;

/// A running prober.
pub(super) struct Client {
    handle: Handle,
}

/// Where the prober's numbers go.
pub(super) fn metrics(config: &ClientConfig) -> Result<TargetMetrics, RunError> {
    let buckets = Buckets::new(config.buckets.iter().copied());
    let buckets = buckets.map_err(|error| RunError::Usage(format!("-buckets: {error}")))?;
    Ok(TargetMetrics::with_buckets(buckets))
}

impl Client {
    /// Begins to probe.
    pub(super) fn start(config: &ClientConfig, observer: impl Observer) -> Result<Self, RunError> {
        let handle = Prober::builder()
            .observer(observer)
            .options(options(config))
            .targets(targets(config)?)
            .start()
            .map_err(|error| RunError::Start {
                part: "prober",
                error,
            })?;
        Ok(Self { handle })
    }

    /// Ends it, and waits until it has.
    pub(super) fn stop(self) {
        // What went wrong with a thread of its is in the log.
        let _ = self.handle.stop();
    }
}

fn options(config: &ClientConfig) -> Options {
    let mut options = Options::default();
    options.socket = SocketOptions {
        source: config.source,
        interface: config.interface.clone(),
        dscp: config.dscp,
    };
    options.ip = match config.ip {
        IpFamily::Auto => IpVersion::Auto,
        IpFamily::V4 => IpVersion::V4,
        IpFamily::V6 => IpVersion::V6,
    };
    options.timestamps = match config.timestamps {
        Timestamps::Auto => tcp_echo_prober::Timestamps::Auto,
        Timestamps::Kernel => tcp_echo_prober::Timestamps::Kernel,
        Timestamps::User => tcp_echo_prober::Timestamps::User,
    };
    options.dns_refresh = config.dns_refresh;
    options.reconnect_max = config.reconnect_max;
    options
}

fn targets(config: &ClientConfig) -> Result<TargetSet, RunError> {
    let usage = |text: String| RunError::Usage(text);
    let mut session = SessionConfig::new(config.interval, config.timeout)
        .map_err(|error| usage(format!("-{error}")))?
        .with_window(config.window);
    if let Some(stall) = config.stall {
        session = session
            .with_stall(stall)
            .map_err(|error| usage(format!("-{error}")))?;
    }
    let target = |spec: &TargetSpec| {
        Target::new(spec.address.clone(), session.clone()).named(spec.name.as_str())
    };
    TargetSet::new(config.targets.iter().map(target)).map_err(|error| usage(error.to_string()))
}

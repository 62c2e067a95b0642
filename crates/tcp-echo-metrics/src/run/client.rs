//! The prober, on threads of its own, and its targets.

use std::sync::Arc;

use tcp_echo_exporter::{Buckets, Probe, Readiness, TargetMetrics};
use tcp_echo_metrics::cli::{ClientConfig, Config, Hello, IpFamily, Timestamps};
use tcp_echo_prober::{
    Builder, Handle, IpVersion, Observer, OnDemand, Options, Paths, Prober, Resolver,
    SessionConfig, SocketOptions, TargetSet,
};
use tcp_echo_targets::{Defaults, Mesh, MeshDegree, NamedEndpoint, Source, Spec};

use super::{discovery, error::RunError, files::Budget};

/// A running prober.
pub(super) struct Client {
    handle: Handle,
}

/// The metrics of the targets.
pub(super) fn metrics(config: &ClientConfig, paths: &Paths) -> Result<TargetMetrics, RunError> {
    let buckets = Buckets::new(config.buckets.iter().copied());
    let buckets = buckets.map_err(|error| RunError::Usage(format!("-buckets: {error}")))?;
    let metrics = TargetMetrics::with_series(buckets, config.series);
    Ok(metrics.with_paths(paths.clone(), config.source_ports))
}

/// Targets on demand, if they are enabled.
pub(super) fn on_demand(config: &Config) -> Result<Option<Probe>, RunError> {
    let Some(limits) = config.on_demand.clone() else {
        return Ok(None);
    };
    Ok(Some(Probe {
        on_demand: OnDemand::new(limits).with_flows(config.client.flows),
        session: session(&config.client)?,
    }))
}

/// The source of targets, if there is a prober, and its targets at the start.
pub(super) async fn targets(
    config: &Config,
    resolver: &Resolver,
) -> Result<(Option<Source>, TargetSet), RunError> {
    if !config.mode.probes() {
        return Ok((None, TargetSet::default()));
    }
    let mut source = source(config, resolver)?;
    if config.watch.is_some() {
        // A run in the foreground has a fixed set of targets.
        source.discover().await;
    }
    let targets = source.targets().clone();
    Ok((Some(source), targets))
}

fn defaults(config: &ClientConfig) -> Defaults {
    Defaults {
        interval: config.interval,
        timeout: config.timeout,
        window: config.window,
        stall: config.stall,
        is_adaptive: config.adaptive,
        flows: config.flows,
    }
}

/// The session of targets without settings of their own.
fn session(config: &ClientConfig) -> Result<SessionConfig, RunError> {
    let session = defaults(config).session();
    session.map_err(|error| RunError::Usage(format!("-{error}")))
}

/// Which lists of targets are meshes: none where neither a node nor a degree is given, so that command
/// lines without them probe what they list.
fn mesh(config: &Config) -> Option<Mesh> {
    let (degree, node) = (config.client.mesh_degree, config.identity.node());
    let has_degree = degree != MeshDegree::Auto;
    let is_member = config.mode.serves() && node.is_some();
    if !has_degree && !is_member {
        return None;
    }
    let mut mesh = Mesh::new(degree).of_every_list();
    if config.mode.serves() {
        mesh = mesh.serving(config.server.listen.port());
    }
    Some(match node {
        Some(node) => mesh.named(node),
        None => mesh,
    })
}

fn source(config: &Config, resolver: &Resolver) -> Result<Source, RunError> {
    let mesh = mesh(config);
    let config = &config.client;
    let session = session(config)?;
    let spec = |target: &NamedEndpoint| {
        Spec::new(target.endpoint.clone(), session.clone())
            .named(target.name.as_str())
            .with_flows(config.flows)
    };
    let mut list = tcp_echo_targets::Config::new(defaults(config));
    list.targets = config.targets.iter().map(spec).collect();
    list.files.clone_from(&config.files);
    list.shard = config.shard;
    list.mesh = mesh;
    discovery::configure(&mut list, config, resolver);
    list.discover_allow.clone_from(&config.discover_allow);
    Ok(Source::load(list)?)
}

/// The prober, within its share of open files.
pub(super) fn prober(
    config: &ClientConfig,
    budget: Budget,
    on_demand: Option<&OnDemand>,
    paths: Paths,
) -> Builder {
    let mut options = options(config);
    options.max_sockets = budget.shares.targets;
    let prober = Prober::builder()
        .options(options)
        .socket_stats(budget.socket_stats)
        .coalesce(config.coalesce)
        .paths(paths);
    let prober = match config.threads {
        Some(threads) => prober.threads(threads),
        None => prober.threads_for(budget.flows),
    };
    match on_demand {
        Some(on_demand) => prober.on_demand(on_demand.clone()),
        None => prober,
    }
}

impl Client {
    /// Starts to probe.
    pub(super) fn start(prober: Builder<impl Observer>) -> Result<Self, RunError> {
        let handle = prober.start().map_err(|error| RunError::Start {
            part: "prober",
            error,
        })?;
        Ok(Self { handle })
    }

    /// A function that replaces the targets. The program is ready after an attempt to connect to
    /// each target of the current list, which is `first` at the start.
    pub(super) fn apply(
        &self,
        first: &TargetSet,
        readiness: &Readiness,
    ) -> impl FnMut(TargetSet) + Send + use<> {
        let names = |targets: &TargetSet| {
            let names = targets.iter().map(|target| Arc::clone(target.name()));
            names.collect::<Vec<_>>()
        };
        readiness.configured(names(first));
        let (handle, readiness) = (self.handle.clone(), readiness.clone());
        move |targets| {
            readiness.configured(names(&targets));
            // The source logs the changes; `ended` reports the unexpected end of the prober.
            let _ = handle.apply(targets);
        }
    }

    /// Waits for its unexpected end.
    pub(super) async fn ended(&self) -> RunError {
        let reason = match self.handle.closed().await {
            Ok(()) => "it was stopped".to_owned(),
            Err(error) => error.to_string(),
        };
        RunError::Ended {
            part: "prober",
            reason,
        }
    }

    /// Stops it, and waits until it has ended.
    pub(super) fn stop(&self) {
        // Errors of its threads are logged.
        let _ = self.handle.stop();
    }
}

fn options(config: &ClientConfig) -> Options {
    let mut options = Options::default();
    options.socket = SocketOptions {
        source: config.source,
        interface: config.interface.clone(),
        dscp: config.dscp,
        ..SocketOptions::default()
    };
    options.ip = ip(config);
    options.timestamps = match config.timestamps {
        Timestamps::Auto => tcp_echo_prober::Timestamps::Auto,
        Timestamps::Kernel => tcp_echo_prober::Timestamps::Kernel,
        Timestamps::User => tcp_echo_prober::Timestamps::User,
    };
    options.hello = match config.hello {
        Hello::Auto => tcp_echo_prober::Hello::Auto,
        Hello::Off => tcp_echo_prober::Hello::Off,
    };
    options.dns_refresh = config.dns_refresh;
    options.reconnect_max = config.reconnect_max;
    options.wire = config.wire;
    options.mtu_probe = config.mtu_probe;
    options.source_ports = config.source_ports;
    options.trace = config.trace;
    options
}

pub(super) fn ip(config: &ClientConfig) -> IpVersion {
    match config.ip {
        IpFamily::Auto => IpVersion::Auto,
        IpFamily::V4 => IpVersion::V4,
        IpFamily::V6 => IpVersion::V6,
    }
}

//! Validates flags against each other, and converts them to a configuration.

use std::collections::{BTreeMap, HashSet};

use tcp_echo_exporter::{GlobalLabel, GlobalLabels, Lifecycle};
use tcp_echo_flags::{FlagError, is_given};
use tcp_echo_log::{LogConfig, LogFormat, LogLevel};
use tcp_echo_prober::{
    Coalesce, ConfigError, Identity, Networks, OnDemandLimits, SessionConfig, Trace,
};
use tcp_echo_report::{Output, ReportConfig, WatchConfig};
#[cfg(feature = "service")]
use tcp_echo_service::ServiceOptions;
use tcp_echo_targets::{HostArgument, NamedEndpoint};

use super::config::{ClientConfig, Config, IpFamily, Mode, ServerConfig, Timestamps};
use super::error::UsageError;
use super::flags::Flags;
use super::values::Source;

/// Validates flags and converts them. `origin` returns the name of a flag as the user gave it;
/// `given` becomes a part of the configuration.
pub(super) fn config(
    mut flags: Flags,
    given: Vec<String>,
    origin: impl Fn(&str) -> String,
) -> Result<Config, UsageError> {
    probe_hosts(&mut flags, &given, &origin)?;
    let targets = targets(&flags, &given, &origin)?;
    refuse_contradictions(&flags, &origin)?;
    refuse_both_names(&flags, &given, &origin)?;
    refuse_session(&flags, &origin)?;
    let identity = Identity::new(&flags.node, &flags.zone)
        .map_err(|error| FlagError::Other(error.to_string()))?;
    let labels = labels(&flags, &identity, &origin)?;
    #[cfg(feature = "tls")]
    let web_options = super::web_options::of(&flags.web, &origin)?;
    let watch = watch(&flags, &given, &labels, &origin)?;
    let on_demand = on_demand(&flags, watch.is_some(), &origin)?;
    let level = log_level(&flags, &given, watch.as_ref());
    Ok(Config {
        mode: flags.mode,
        server: ServerConfig {
            listen: flags.listen,
            max_connections: flags.max_connections,
            max_connections_per_ip: flags.max_connections_per_ip,
            idle_timeout: flags.original.read_timeout.or(flags.idle_timeout),
            slow_reader_timeout: flags.slow_reader_timeout,
            allow: networks(flags.allow),
            hello: flags.hello,
            server_clients: flags.server_clients,
        },
        client: ClientConfig {
            targets,
            files: flags.targets,
            shard: flags.shard,
            threads: flags.threads,
            mesh_degree: flags.mesh_degree,
            coalesce: flags.coalesce,
            wire: flags.wire,
            interval: flags.interval,
            timeout: flags.timeout,
            adaptive: flags.adaptive,
            window: flags.window,
            buckets: flags.buckets.0,
            series: flags.series,
            stall: flags.stall,
            reconnect_max: flags.reconnect_max,
            dns_refresh: flags.dns_refresh,
            #[cfg(feature = "discovery")]
            dns_max: flags.dns_max,
            discover_allow: networks(flags.discover_allow),
            #[cfg(feature = "discovery")]
            dns_stale: flags.dns_stale,
            timestamps: flags.timestamps,
            hello: flags.hello,
            ip: flags.ip,
            source: match flags.source {
                Some(Source::Address(address)) => Some(address),
                _ => None,
            },
            interface: flags.interface,
            flows: flags.flows,
            source_ports: flags.source_ports,
            trace: flags.trace,
            votes_max: flags.votes_max,
            state: flags.state,
            dscp: flags.dscp,
            mtu_probe: flags.mtu_probe,
        },
        metrics: flags.web.metrics,
        #[cfg(feature = "tls")]
        web_config: flags.web.web_config,
        #[cfg(feature = "tls")]
        web_options,
        health: flags.health,
        identity,
        labels,
        allowed_hosts: flags.web.allowed_hosts,
        lifecycle: match flags.web.enable_lifecycle {
            None => Lifecycle::ThisHost,
            Some(true) => Lifecycle::Anyone,
            Some(false) => Lifecycle::Nobody,
        },
        on_demand,
        #[cfg(feature = "service")]
        service: flags.service.svc,
        #[cfg(feature = "service")]
        service_options: ServiceOptions {
            name: flags.service.svc_name,
            user: flags.service.svc_user,
            account: flags.service.svc_account,
        },
        watch,
        log: LogConfig {
            format: if flags.original.json_logs {
                LogFormat::Json
            } else {
                flags.log_format
            },
            level,
        },
        given,
    })
}

/// Has hosts among the arguments be probed like ping.
fn probe_hosts(
    flags: &mut Flags,
    given: &[String],
    origin: impl Fn(&str) -> String,
) -> Result<(), UsageError> {
    let Some(HostArgument(host)) = flags.hosts.first() else {
        return Ok(());
    };
    if is_given(given, "targets") {
        return Err(UsageError::UnexpectedFile(host.name.clone()));
    }
    if is_given(given, "mode") && flags.mode != Mode::Client {
        return Err(UsageError::HostAndMode {
            host: host.name.clone(),
            mode: origin("mode"),
        });
    }
    flags.mode = Mode::Client;
    Ok(())
}

/// The networks of a repeatable flag; `None` if it is not given.
fn networks(lists: Vec<Networks>) -> Option<Networks> {
    Some(lists.into_iter().collect()).filter(|networks: &Networks| !networks.is_empty())
}

/// The level of the log. Only warnings belong around a report.
fn log_level(flags: &Flags, given: &[String], watch: Option<&WatchConfig>) -> LogLevel {
    let is_report = watch.is_some_and(|watch| !watch.live);
    if is_report && !is_given(given, "log-level") {
        LogLevel::Warn
    } else {
        flags.log_level
    }
}

/// The labels of every series.
fn labels(
    flags: &Flags,
    identity: &Identity,
    origin: impl Fn(&str) -> String,
) -> Result<GlobalLabels, UsageError> {
    let source = match &flags.source {
        Some(Source::Name(label)) => Some(label),
        _ => None,
    };
    let failed = |error| FlagError::Other(format!("{}: {error}", origin("label")));
    let names = [("node", identity.node()), ("zone", identity.zone())];
    let names = names
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)));
    let names = names.map(|(name, value)| format!("{name}={value}").parse());
    let names: Vec<GlobalLabel> = names.collect::<Result<_, _>>().map_err(failed)?;
    let labels = flags.web.label.iter().chain(source).chain(&names);
    Ok(GlobalLabels::new(labels.cloned()).map_err(failed)?)
}

/// Refuses a flag beside one of the original with the same meaning.
fn refuse_both_names(
    flags: &Flags,
    given: &[String],
    origin: impl Fn(&str) -> String,
) -> Result<(), UsageError> {
    let refused = |one: &str, other: &str| {
        let (one, other) = (origin(one), origin(other));
        Err(FlagError::Other(format!("{one} and {other} are the same: use one of them")).into())
    };
    if flags.original.read_timeout.is_some() && is_given(given, "idle-timeout") {
        return refused("read-timeout", "idle-timeout");
    }
    if flags.original.json_logs && is_given(given, "log-format") {
        return refused("json-logs", "log-format");
    }
    Ok(())
}

/// Refuses values that contradict those of other flags.
fn refuse_contradictions(flags: &Flags, origin: impl Fn(&str) -> String) -> Result<(), UsageError> {
    #[cfg(feature = "service")]
    if flags.service.svc_user
        && let Some(account) = &flags.service.svc_account
    {
        return Err(FlagError::InvalidValue {
            value: account.clone(),
            origin: origin("svc-account"),
            reason: format!(
                "with {} the service runs as the user who installs it",
                origin("svc-user")
            ),
        }
        .into());
    }
    refuse_health(flags, &origin)?;
    if let Coalesce::Every(_) = flags.coalesce
        && flags.timestamps == Timestamps::User
    {
        return Err(FlagError::InvalidValue {
            value: "user".to_owned(),
            origin: origin("timestamps"),
            reason: format!(
                "{} requires the kernel's timestamps: without them its window would be part of \
                 the RTT",
                origin("coalesce")
            ),
        }
        .into());
    }
    if let Some(Source::Address(source)) = flags.source {
        let excluded = if source.is_ipv4() {
            IpFamily::V6
        } else {
            IpFamily::V4
        };
        if flags.ip == excluded {
            return Err(FlagError::InvalidValue {
                value: source.to_string(),
                origin: origin("source"),
                reason: format!("{} selects the other family", origin("ip")),
            }
            .into());
        }
    }
    Ok(())
}

/// Refuses a question to the running process beside another action.
fn refuse_health(flags: &Flags, origin: impl Fn(&str) -> String) -> Result<(), UsageError> {
    #[cfg(feature = "service")]
    let is_service = flags.service.svc.is_some();
    #[cfg(not(feature = "service"))]
    let is_service = false;
    let reason = if !flags.health {
        return Ok(());
    } else if is_service {
        format!("{} is another action: use one of them", origin("svc"))
    } else if !flags.hosts.is_empty() {
        format!(
            "it asks the process whose endpoints are at {}, and takes no hosts",
            origin("metrics")
        )
    } else {
        return Ok(());
    };
    Err(FlagError::InvalidValue {
        value: "true".to_owned(),
        origin: origin("health"),
        reason,
    }
    .into())
}

/// Refuses durations that no session accepts, if there are sessions.
fn refuse_session(flags: &Flags, origin: impl Fn(&str) -> String) -> Result<(), UsageError> {
    if !flags.mode.probes() {
        return Ok(());
    }
    let session = SessionConfig::new(flags.interval, flags.timeout);
    let session = session.and_then(|session| match flags.stall {
        Some(stall) => session.with_stall(stall),
        None => Ok(session),
    });
    let session = match session {
        Ok(session) if flags.adaptive => session.with_adaptive_timeout(),
        session => session,
    };
    let Err(error) = session else {
        return Ok(());
    };
    let (value, name, reason) = match error {
        ConfigError::Duration { name, value } => (value, name, "use at most 24h".to_owned()),
        ConfigError::InFlight { interval, timeout } => {
            let max = SessionConfig::MAX_IN_FLIGHT;
            let interval_flag = origin("interval");
            let reason = format!(
                "with {interval_flag} {interval:?} more than {max} probes would be in flight"
            );
            (timeout, "timeout", reason)
        }
        other => return Err(FlagError::Other(other.to_string()).into()),
    };
    Err(FlagError::InvalidValue {
        value: format!("{value:?}"),
        origin: origin(name),
        reason,
    }
    .into())
}

/// The limits of targets on demand, if that is enabled.
fn on_demand(
    flags: &Flags,
    is_foreground: bool,
    origin: impl Fn(&str) -> String,
) -> Result<Option<OnDemandLimits>, UsageError> {
    if !flags.web.enable_probe {
        return Ok(None);
    }
    let networks: Networks = flags.web.probe_allow.iter().cloned().collect();
    let reason = if !flags.mode.probes() {
        format!("{} is server, not client or both", origin("mode"))
    } else if is_foreground {
        "a report and a live view need a fixed set of targets".to_owned()
    } else if networks.is_empty() {
        format!(
            "needs {}, as in 10.0.0.0/8,192.168.0.0/16",
            origin("web.probe-allow")
        )
    } else {
        return Ok(Some(OnDemandLimits {
            networks,
            idle: flags.web.probe_idle,
            max: flags.web.probe_max.get(),
        }));
    };
    Err(FlagError::InvalidValue {
        value: "true".to_owned(),
        origin: origin("web.enable-probe"),
        reason,
    }
    .into())
}

/// The run in the foreground, if it is one.
fn watch(
    flags: &Flags,
    given: &[String],
    labels: &GlobalLabels,
    origin: impl Fn(&str) -> String,
) -> Result<Option<WatchConfig>, UsageError> {
    let reports = [
        ("count", flags.count.is_some()),
        ("duration", flags.duration.is_some()),
        ("output", is_given(given, "output")),
        ("max-loss", is_given(given, "max-loss")),
        ("verbose", flags.verbose),
    ];
    #[cfg(feature = "terminal")]
    let live = flags.live;
    #[cfg(not(feature = "terminal"))]
    let live = false;
    let host = flags.hosts.first().map(|host| format!("{:?}", host.0.name));
    let report = reports.iter().any(|(_, is_set)| *is_set) || (host.is_some() && !live);
    let first = reports.into_iter().chain([("live", live)]);
    let first = first.into_iter().find(|(_, is_set)| *is_set);
    let Some(first) = first.map(|(name, _)| origin(name)).or(host) else {
        return Ok(None);
    };
    let refused = |reason: String| {
        Err(UsageError::NotWatched {
            flag: first.clone(),
            reason,
        })
    };
    #[cfg(feature = "service")]
    if flags.service.svc.is_some() {
        return refused(format!("{} is for a service", origin("svc")));
    }
    if !flags.mode.probes() {
        return refused(format!("{} is server, not client or both", origin("mode")));
    }
    if flags.verbose && live {
        return Err(FlagError::InvalidValue {
            value: "true".to_owned(),
            origin: origin("verbose"),
            reason: format!("{} uses the terminal", origin("live")),
        }
        .into());
    }
    let has_lines = !(live || flags.hosts.is_empty() || is_given(given, "verbose"));
    Ok(Some(WatchConfig {
        count: flags.count,
        duration: flags.duration,
        report: report.then_some(ReportConfig {
            output: flags.output,
            max_loss: flags.max_loss,
            labels: owned(labels),
        }),
        verbose: flags.verbose || (has_lines && flags.output == Output::Table),
        hops: flags.trace == Trace::Always,
        live,
    }))
}

/// The labels for the targets of a report.
fn owned(labels: &GlobalLabels) -> BTreeMap<String, String> {
    let labels = labels.iter();
    labels
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// The targets of `-target` and the hosts, each with a name of its own: two with one name would
/// share their series.
fn targets(
    flags: &Flags,
    given: &[String],
    origin: impl Fn(&str) -> String,
) -> Result<Vec<NamedEndpoint>, UsageError> {
    // The default target is for command lines without any source of targets.
    let has_others = !flags.targets.is_empty() || flags.web.enable_probe || !flags.hosts.is_empty();
    let hosts = flags.hosts.iter().map(|host| &host.0);
    let targets: Vec<_> = if has_others && !is_given(given, "target") {
        hosts.cloned().collect()
    } else {
        hosts.chain(&flags.target).cloned().collect()
    };
    let mut seen = HashSet::new();
    let Some(duplicate) = targets.iter().find(|target| !seen.insert(&target.name)) else {
        return Ok(targets);
    };
    Err(UsageError::DuplicateTarget {
        name: duplicate.name.clone(),
        origin: if flags.hosts.is_empty() {
            origin("target")
        } else {
            "the command line".to_owned()
        },
    })
}

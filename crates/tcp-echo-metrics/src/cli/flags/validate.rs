//! Validates flags against each other, and makes the parts of the configuration of them.

use std::collections::HashSet;

use tcp_echo_exporter::Lifecycle;
use tcp_echo_prober::{ConfigError, Networks, OnDemandLimits, SessionConfig};

use super::Flags;
use crate::cli::config::{
    ClientConfig, Config, IpFamily, ReportConfig, ServerConfig, ServiceOptions, WatchConfig,
    is_among,
};
use crate::cli::{TargetSpec, UsageError};
use crate::logging::{LogConfig, LogLevel};

impl Flags {
    /// Checks what no flag can check alone, and sorts the values into their parts.
    /// `origin` names a flag as the user knows it; `given` is noted in the result.
    pub(in crate::cli) fn into_config(
        self,
        given: Vec<String>,
        origin: impl Fn(&str) -> String,
    ) -> Result<Config, UsageError> {
        // The default is for those who name nothing at all.
        let names_none = self.targets.is_empty() && !self.web.enable_probe;
        let named = names_none || is_among(&given, "target");
        let targets = if named {
            self.target.clone()
        } else {
            Vec::new()
        };
        refuse_twice(&targets, &origin)?;
        self.refuse_contradictions(&origin)?;
        self.refuse_session(&origin)?;
        let watch = self.watch(&given, &origin)?;
        let on_demand = self.on_demand(watch.is_some(), &origin)?;
        // A table wants no log around it, but for what is odd.
        let quiet = watch.as_ref().is_some_and(|watch| !watch.live);
        let level = if quiet && !is_among(&given, "log-level") {
            LogLevel::Warn
        } else {
            self.log_level
        };
        Ok(Config {
            mode: self.mode,
            server: ServerConfig {
                listen: self.listen,
                max_connections: self.max_connections,
                max_connections_per_ip: self.max_connections_per_ip,
                idle_timeout: self.idle_timeout,
                slow_reader_timeout: self.slow_reader_timeout,
                allow: Some(self.allow.into_iter().collect())
                    .filter(|allow: &Networks| !allow.is_empty()),
            },
            client: ClientConfig {
                targets,
                files: self.targets,
                shard: self.shard,
                threads: self.threads,
                interval: self.interval,
                timeout: self.timeout,
                window: self.window,
                buckets: self.buckets.0,
                stall: self.stall,
                reconnect_max: self.reconnect_max,
                dns_refresh: self.dns_refresh,
                dns_max: self.dns_max,
                discover_allow: Some(self.discover_allow.into_iter().collect())
                    .filter(|allow: &Networks| !allow.is_empty()),
                dns_stale: self.dns_stale,
                timestamps: self.timestamps,
                ip: self.ip,
                source: self.source,
                interface: self.interface,
                dscp: self.dscp,
            },
            metrics: self.web.metrics,
            web_config: self.web.web_config,
            allowed_hosts: self.web.allowed_hosts,
            lifecycle: match self.web.enable_lifecycle {
                None => Lifecycle::ThisHost,
                Some(true) => Lifecycle::Anyone,
                Some(false) => Lifecycle::Nobody,
            },
            on_demand,
            service: self.svc,
            service_options: ServiceOptions {
                name: self.svc_name,
                user: self.svc_user,
                account: self.svc_account,
            },
            watch,
            log: LogConfig {
                format: self.log_format,
                level,
            },
            given,
        })
    }

    /// Values that are right by themselves and wrong beside those of other flags.
    fn refuse_contradictions(&self, origin: impl Fn(&str) -> String) -> Result<(), UsageError> {
        if let Some(account) = self.svc_account.as_ref().filter(|_| self.svc_user) {
            return Err(UsageError::InvalidValue {
                value: account.clone(),
                origin: origin("svc-account"),
                reason: format!(
                    "with {} a service runs as the user who installs it",
                    origin("svc-user")
                ),
            });
        }
        if let Some(source) = self.source {
            let excluded = if source.is_ipv4() {
                IpFamily::V6
            } else {
                IpFamily::V4
            };
            if self.ip == excluded {
                return Err(UsageError::InvalidValue {
                    value: source.to_string(),
                    origin: origin("source"),
                    reason: format!("{} asks for the other family", origin("ip")),
                });
            }
        }
        Ok(())
    }

    /// Durations that no target can be probed with, where targets are probed.
    fn refuse_session(&self, origin: impl Fn(&str) -> String) -> Result<(), UsageError> {
        if !self.mode.probes() {
            return Ok(());
        }
        let session = SessionConfig::new(self.interval, self.timeout);
        let session = session.and_then(|session| match self.stall {
            Some(stall) => session.with_stall(stall),
            None => Ok(session),
        });
        let Err(error) = session else {
            return Ok(());
        };
        let (value, name, reason) = match error {
            ConfigError::Duration { name, value } => (value, name, "use at most 24h".to_owned()),
            ConfigError::InFlight { interval, timeout } => {
                let most = SessionConfig::MAX_IN_FLIGHT;
                let interval_flag = origin("interval");
                let reason = format!(
                    "with {interval_flag} {interval:?} more than {most} probes are in flight"
                );
                (timeout, "timeout", reason)
            }
            other => return Err(UsageError::Other(other.to_string())),
        };
        Err(UsageError::InvalidValue {
            value: format!("{value:?}"),
            origin: origin(name),
            reason,
        })
    }

    /// What may be asked for, if anything.
    fn on_demand(
        &self,
        is_watched: bool,
        origin: impl Fn(&str) -> String,
    ) -> Result<Option<OnDemandLimits>, UsageError> {
        if !self.web.enable_probe {
            return Ok(None);
        }
        let networks: Networks = self.web.probe_allow.iter().cloned().collect();
        let reason = if !self.mode.probes() {
            format!("{} is server, not client or both", origin("mode"))
        } else if is_watched {
            "a report and a live view are of targets that stay".to_owned()
        } else if networks.is_empty() {
            format!(
                "say with {} in which networks, as in 10.0.0.0/8,192.168.0.0/16",
                origin("web.probe-allow")
            )
        } else {
            return Ok(Some(OnDemandLimits {
                networks,
                idle: self.web.probe_idle,
                max: self.web.probe_max.get(),
            }));
        };
        Err(UsageError::InvalidValue {
            value: "true".to_owned(),
            origin: origin("web.enable-probe"),
            reason,
        })
    }

    /// What is shown of the run, if anything.
    fn watch(
        &self,
        given: &[String],
        origin: impl Fn(&str) -> String,
    ) -> Result<Option<WatchConfig>, UsageError> {
        let reports = [
            ("count", self.count.is_some()),
            ("duration", self.duration.is_some()),
            ("output", is_among(given, "output")),
            ("max-loss", is_among(given, "max-loss")),
            ("verbose", self.verbose),
        ];
        let report = reports.iter().any(|(_, is_given)| *is_given);
        let first = reports.into_iter().chain([("live", self.live)]);
        let Some((first, _)) = first.into_iter().find(|(_, is_given)| *is_given) else {
            return Ok(None);
        };
        let refused = |reason: String| {
            Err(UsageError::NotWatched {
                flag: origin(first),
                reason,
            })
        };
        if self.svc.is_some() {
            return refused(format!("{} is about a service", origin("svc")));
        }
        if !self.mode.probes() {
            return refused(format!("{} is server, not client or both", origin("mode")));
        }
        if self.verbose && self.live {
            return Err(UsageError::InvalidValue {
                value: "true".to_owned(),
                origin: origin("verbose"),
                reason: format!("{} has the terminal", origin("live")),
            });
        }
        Ok(Some(WatchConfig {
            count: self.count,
            duration: self.duration,
            report: report.then_some(ReportConfig {
                output: self.output,
                max_loss: self.max_loss,
            }),
            verbose: self.verbose,
            live: self.live,
        }))
    }
}

/// Two targets of one name would share their series.
fn refuse_twice(targets: &[TargetSpec], origin: impl Fn(&str) -> String) -> Result<(), UsageError> {
    let mut seen = HashSet::new();
    if let Some(twice) = targets.iter().find(|target| !seen.insert(&target.name)) {
        return Err(UsageError::DuplicateTarget {
            name: twice.name.clone(),
            origin: origin("target"),
        });
    }
    Ok(())
}

//! The system's current nameservers.

use std::{
    net::IpAddr,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use hickory_resolver::{
    config::{ResolverConfig, ResolverOpts},
    system_conf,
};

use super::config::Config;
use crate::{Failure, IpVersion, hosts};

/// The age at which a configuration is checked again.
const CHECK: Duration = Duration::from_secs(1);

/// The port of nameservers.
const PORT: u16 = 53;

/// The files that name nameservers and hosts.
#[derive(Clone, Debug)]
pub(crate) struct Sources {
    /// A file in the format of resolv.conf; `None` is the system's configuration.
    pub(crate) resolv_conf: Option<PathBuf>,
    pub(crate) hosts: PathBuf,
    pub(crate) port: u16,
}

impl Default for Sources {
    fn default() -> Self {
        Self {
            resolv_conf: system_resolv_conf(),
            hosts: hosts::path(),
            port: PORT,
        }
    }
}

/// The file that the system's resolver reads, if there is one.
fn system_resolv_conf() -> Option<PathBuf> {
    cfg!(all(unix, not(target_vendor = "apple"))).then(|| "/etc/resolv.conf".into())
}

/// The nameservers, read again when they may have changed.
#[derive(Debug)]
pub(crate) struct Nameservers {
    sources: Sources,
    current: Mutex<Option<Current>>,
}

#[derive(Debug)]
struct Current {
    checked: Instant,
    text: String,
    config: Result<Arc<Config>, Failure>,
}

impl Nameservers {
    pub(crate) const fn new(sources: Sources) -> Self {
        Self {
            sources,
            current: Mutex::new(None),
        }
    }

    /// The addresses that the list of hosts has for `name`.
    pub(crate) fn hosts(&self, name: &str, ip: IpVersion) -> Vec<IpAddr> {
        let text = std::fs::read_to_string(&self.sources.hosts).unwrap_or_default();
        hosts::find(&text, name, ip)
    }

    /// The current configuration. The state of nameservers is kept while the configuration
    /// stays the same.
    pub(crate) fn config(&self) -> Result<Arc<Config>, Failure> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if let Some(current) = &*current
            && now < current.checked + CHECK
        {
            return current.config.clone();
        }
        let text = self.read();
        if let Some(current) = &mut *current
            && current.text == text
        {
            current.checked = now;
            return current.config.clone();
        }
        let config = self.parse(&text).map(Arc::new);
        *current = Some(Current {
            checked: now,
            text,
            config: config.clone(),
        });
        config
    }

    /// The text of the file, to detect changes. Without a file the configuration is read when
    /// it is parsed.
    fn read(&self) -> String {
        match &self.sources.resolv_conf {
            // A missing file means the same as an empty one.
            Some(path) => std::fs::read(path)
                .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
                .unwrap_or_default(),
            None => system_conf::read_system_conf().map_or_else(
                |error| error.to_string(),
                |(config, options)| format!("{config:?}{options:?}"),
            ),
        }
    }

    fn parse(&self, text: &str) -> Result<Config, Failure> {
        let (config, options) = match &self.sources.resolv_conf {
            Some(_) => parse(text)?,
            None => system_conf::read_system_conf().map_err(Failure::other)?,
        };
        Config::new(&config, &options, self.sources.port)
    }
}

/// A file without nameservers means the one of this host (resolv.conf(5)).
#[cfg(all(unix, not(any(target_vendor = "apple", target_os = "android"))))]
fn parse(text: &str) -> Result<(ResolverConfig, ResolverOpts), Failure> {
    let names_one = text.lines().any(|line| {
        let mut words = line.split_whitespace();
        words.next() == Some("nameserver") && words.next().is_some_and(is_address)
    });
    let local = if names_one {
        ""
    } else {
        "\nnameserver 127.0.0.1\n"
    };
    system_conf::parse_resolv_conf(format!("{text}{local}")).map_err(Failure::other)
}

#[cfg(not(all(unix, not(any(target_vendor = "apple", target_os = "android")))))]
fn parse(_: &str) -> Result<(ResolverConfig, ResolverOpts), Failure> {
    system_conf::read_system_conf().map_err(Failure::other)
}

/// An IPv6 address may have a zone there.
#[cfg(all(unix, not(any(target_vendor = "apple", target_os = "android"))))]
fn is_address(text: &str) -> bool {
    let address = text.split_once('%').map_or(text, |(address, _)| address);
    address.parse::<IpAddr>().is_ok()
}

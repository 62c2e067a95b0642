//! The processes of the probers and servers, and their faults.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, prlimit};
use serde_json::json;
use testkit::context::Context;
use testkit::echo::Echo;
use testkit::files;

use super::network::Network;
use super::schedule::{Event, Fault, Host};
use super::scrapes::{Scraper, Scrapes, now};
use super::{Nanos, Outage, PORT, PROBERS, SERVER_COUNT};

/// A limit of open files, lower than the number that a server has open.
const FEW_FILES: u64 = 5;
const FAKE_TIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";

/// One process of a server, from its start to its exit.
pub(super) struct Instance {
    pub(super) server: usize,
    pub(super) started: Nanos,
    pub(super) scraper: Option<Scraper>,
    pub(super) scrapes: Scrapes,
    /// Whether it runs at the end.
    pub(super) runs: bool,
}

pub(super) struct Cluster<'a> {
    context: &'a Context,
    pub(super) network: Network,
    idle: Duration,
    pub(super) probers: Vec<Echo>,
    pub(super) scrapers: Vec<Scraper>,
    pub(super) servers: Vec<Option<Echo>>,
    pub(super) instances: Vec<Instance>,
    pub(super) outages: Vec<Outage>,
    files: Vec<PathBuf>,
    clock: Option<PathBuf>,
    pub(super) done: BTreeMap<&'static str, u64>,
}

impl<'a> Cluster<'a> {
    pub(super) fn new(context: &'a Context, idle: Duration) -> Result<Self> {
        let clock = Path::new(FAKE_TIME).exists();
        let mut cluster = Self {
            context,
            network: Network::new()?,
            idle,
            probers: Vec::new(),
            scrapers: Vec::new(),
            servers: Vec::new(),
            instances: Vec::new(),
            outages: Vec::new(),
            files: Vec::new(),
            clock: clock.then(|| context.file("clock", "+0\n")).transpose()?,
            done: BTreeMap::new(),
        };
        if cluster.clock.is_none() {
            context.note(format!(
                "SKIPPED: clock changes; {FAKE_TIME} is missing (Debian package faketime)"
            ));
        }
        for server in 0..SERVER_COUNT {
            cluster.servers.push(None);
            cluster.start_server(server)?;
        }
        Ok(cluster)
    }

    fn start_server(&mut self, server: usize) -> Result<()> {
        let host = Host::Server(server);
        let listen = format!("-listen={}:{PORT}", host.address());
        let idle = format!("-idle-timeout={}s", self.idle.as_secs());
        let inside = self.network.namespace(host).inside();
        let started = now();
        let echo = Echo::start_in(self.context, &inside, &["-mode=server", &listen, &idle])?;
        self.instances.push(Instance {
            server,
            started,
            scraper: Some(Scraper::start(echo.metrics.clone())),
            scrapes: Scrapes::default(),
            runs: true,
        });
        self.servers[server] = Some(echo);
        Ok(())
    }

    pub(super) fn start_probers(&mut self) -> Result<()> {
        for (index, prober) in PROBERS.iter().enumerate() {
            let path = self.context.folder().join(format!("targets-{index}.json"));
            self.files.push(path.clone());
            self.write_targets(index, false)?;
            let inside = self.network.namespace(Host::Prober(index)).inside();
            let mut command =
                if let Some(clock) = self.clock.as_ref().filter(|_| !prober.has_true_clock) {
                    let mut command = inside.command(Path::new("env"));
                    command
                        .arg(format!("LD_PRELOAD={FAKE_TIME}"))
                        .arg(format!("FAKETIME_TIMESTAMP_FILE={}", clock.display()))
                        .args(["FAKETIME_DONT_FAKE_MONOTONIC=1", "FAKETIME_NO_CACHE=1"])
                        .arg(self.context.binary());
                    command
                } else {
                    inside.command(self.context.binary())
                };
            command
                // A trace connects as well, and is not counted.
                .args(["-mode=client", "-window=100", "-trace=off"])
                .arg(format!("-targets={}", path.display()))
                .arg(format!("-interval={}ms", prober.interval.as_millis()))
                .arg(format!("-timeout={}ms", prober.timeout.as_millis()));
            let echo = Echo::start_by(self.context, &inside, &mut command)?;
            self.scrapers.push(Scraper::start(echo.metrics.clone()));
            self.probers.push(echo);
        }
        Ok(())
    }

    fn write_targets(&self, prober: usize, extra: bool) -> Result<()> {
        let address = |server| format!("{}:{PORT}", Host::Server(server).address());
        let mut list: Vec<_> = (0..SERVER_COUNT)
            .map(|server| json!({"name": format!("s{server}"), "address": address(server)}))
            .collect();
        if extra {
            // Nothing listens on this port.
            let address = format!("{}:{}", Host::Server(0).address(), PORT + 1);
            list.push(json!({"name": "extra", "address": address}));
        }
        files::replace(&self.files[prober], &serde_json::to_string(&list)?)
    }

    fn echo(&self, host: Host) -> Result<&Echo> {
        match host {
            Host::Prober(index) => self.probers.get(index),
            Host::Server(index) => self.servers[index].as_ref(),
        }
        .with_context(|| format!("{host} is not running"))
    }

    fn limit_files(&self, server: usize, lower: bool) -> Result<()> {
        let id = i32::try_from(self.echo(Host::Server(server))?.process.id())?;
        let ours = getrlimit(Resource::Nofile);
        let current = if lower { Some(FEW_FILES) } else { ours.current };
        let limit = Rlimit {
            current,
            maximum: ours.maximum,
        };
        prlimit(Pid::from_raw(id), Resource::Nofile, limit)?;
        Ok(())
    }

    fn begin_outage(&mut self, host: Host) {
        self.outages.push(Outage {
            host,
            from: now(),
            until: Nanos::MAX,
        });
    }

    fn end_outage(&mut self, host: Host) {
        let open = self.outages.iter_mut().rev().find(|one| one.host == host);
        if let Some(open) = open {
            open.until = now();
        }
    }

    pub(super) fn begin(&mut self, index: usize, event: &Event) -> Result<()> {
        *self.done.entry(event.fault.kind()).or_default() += 1;
        match event.fault {
            Fault::Cut(host) => self.network.link(host, false),
            Fault::Kill(server) => {
                self.begin_outage(Host::Server(server));
                if let Some(echo) = self.servers[server].take() {
                    echo.process.signal(Signal::KILL)?;
                }
                let mut instances = self.instances.iter_mut().rev();
                if let Some(instance) = instances.find(|instance| instance.server == server) {
                    instance.runs = false;
                    instance.scrapes = instance
                        .scraper
                        .take()
                        .map_or_else(Scrapes::default, |it| it.finish(false));
                }
                Ok(())
            }
            Fault::Stop(host) => {
                self.begin_outage(host);
                self.echo(host)?.process.signal(Signal::STOP)
            }
            Fault::Files(server) => {
                self.begin_outage(Host::Server(server));
                self.limit_files(server, true)
            }
            Fault::Reload(prober) => {
                self.write_targets(prober, index.is_multiple_of(2))?;
                self.echo(Host::Prober(prober))?.process.signal(Signal::HUP)
            }
            Fault::Clock(ms) => match &self.clock {
                None => Ok(()),
                Some(clock) => files::replace(clock, &format!("{:+.3}\n", ms as f64 / 1e3)),
            },
            fault => self.network.inject(&format!("e{index}"), fault),
        }
    }

    pub(super) fn end(&mut self, index: usize, event: &Event) -> Result<()> {
        match event.fault {
            Fault::Cut(host) => self.network.link(host, true),
            Fault::Kill(server) => {
                self.start_server(server)?;
                self.end_outage(Host::Server(server));
                Ok(())
            }
            Fault::Stop(host) => {
                self.echo(host)?.process.signal(Signal::CONT)?;
                self.end_outage(host);
                Ok(())
            }
            Fault::Files(server) => {
                self.limit_files(server, false)?;
                self.end_outage(Host::Server(server));
                Ok(())
            }
            Fault::Reload(_) | Fault::Clock(_) => Ok(()),
            _ => self.network.heal(&format!("e{index}")),
        }
    }

    /// Checks that all processes are running and none has logged an error or a panic.
    pub(super) fn check_logs(&mut self) -> Result<()> {
        let servers = self.servers.iter_mut().flatten();
        for echo in self.probers.iter_mut().chain(servers) {
            let ended = echo.process.ended();
            ensure!(ended.is_none(), "a process exited: {ended:?}");
            let log = echo.process.log();
            let error = log
                .lines()
                .find(|line| line.contains("panicked") || line.contains("ERROR"));
            ensure!(error.is_none(), "error in a log: {error:?}");
        }
        Ok(())
    }
}

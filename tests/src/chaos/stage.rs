//! The probers and servers, and what is done to them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, prlimit};
use serde_json::json;
use testkit::context::Context;
use testkit::echo::Echo;

use super::network::Network;
use super::readings::{Scraper, Taken, now};
use super::schedule::{Event, Fault, Place};
use super::{Nanos, Outage, PORT, PROBERS_ARE, SERVERS};

/// Fewer than a server has open.
const FEW_FILES: u64 = 5;
const FAKE_TIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";

/// One process of a server, from its start to its end.
pub(super) struct Life {
    pub(super) server: usize,
    pub(super) born: Nanos,
    pub(super) scraper: Option<Scraper>,
    pub(super) taken: Taken,
    /// It is the one that runs in the end.
    pub(super) runs: bool,
}

pub(super) struct Stage<'a> {
    context: &'a Context,
    pub(super) network: Network,
    idle: Duration,
    pub(super) probers: Vec<Echo>,
    pub(super) watches: Vec<Scraper>,
    pub(super) servers: Vec<Option<Echo>>,
    pub(super) lives: Vec<Life>,
    pub(super) outages: Vec<Outage>,
    files: Vec<PathBuf>,
    clock: Option<PathBuf>,
    pub(super) done: BTreeMap<&'static str, u64>,
}

impl<'a> Stage<'a> {
    pub(super) fn new(context: &'a Context, idle: Duration) -> Result<Self> {
        let clock = Path::new(FAKE_TIME).exists();
        let mut stage = Self {
            context,
            network: Network::new()?,
            idle,
            probers: Vec::new(),
            watches: Vec::new(),
            servers: Vec::new(),
            lives: Vec::new(),
            outages: Vec::new(),
            files: Vec::new(),
            clock: clock.then(|| context.file("clock", "+0\n")).transpose()?,
            done: BTreeMap::new(),
        };
        if stage.clock.is_none() {
            println!("!!! SKIPPED clock trouble: no {FAKE_TIME} (Debian package faketime)");
        }
        for server in 0..SERVERS {
            stage.servers.push(None);
            stage.serve(server)?;
        }
        Ok(stage)
    }

    fn serve(&mut self, server: usize) -> Result<()> {
        let place = Place::Server(server);
        let listen = format!("-listen={}:{PORT}", place.address());
        let idle = format!("-idle-timeout={}s", self.idle.as_secs());
        let inside = self.network.host(place).inside();
        let born = now();
        let echo = Echo::start_in(self.context, &inside, &["-mode=server", &listen, &idle])?;
        self.lives.push(Life {
            server,
            born,
            scraper: Some(Scraper::start(echo.metrics.clone())),
            taken: Taken::default(),
            runs: true,
        });
        self.servers[server] = Some(echo);
        Ok(())
    }

    pub(super) fn probe(&mut self) -> Result<()> {
        for (index, prober) in PROBERS_ARE.iter().enumerate() {
            let path = self.context.folder().join(format!("targets-{index}.json"));
            self.files.push(path.clone());
            self.write_targets(index, false)?;
            let inside = self.network.host(Place::Prober(index)).inside();
            let mut command =
                if let Some(clock) = self.clock.as_ref().filter(|_| !prober.true_clock) {
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
                .args(["-mode=client", "-window=100"])
                .arg(format!("-targets={}", path.display()))
                .arg(format!("-interval={}ms", prober.interval.as_millis()))
                .arg(format!("-timeout={}ms", prober.timeout.as_millis()));
            let echo = Echo::start_by(self.context, &inside, &mut command)?;
            self.watches.push(Scraper::start(echo.metrics.clone()));
            self.probers.push(echo);
        }
        Ok(())
    }

    fn write_targets(&self, prober: usize, more: bool) -> Result<()> {
        let address = |server| format!("{}:{PORT}", Place::Server(server).address());
        let mut list: Vec<_> = (0..SERVERS)
            .map(|server| json!({"name": format!("s{server}"), "address": address(server)}))
            .collect();
        if more {
            // Nothing listens there.
            let address = format!("{}:{}", Place::Server(0).address(), PORT + 1);
            list.push(json!({"name": "extra", "address": address}));
        }
        let path = &self.files[prober];
        let new = path.with_extension("new");
        fs::write(&new, serde_json::to_string(&list)?)?;
        fs::rename(new, path).context("targets")
    }

    fn echo(&self, place: Place) -> Result<&Echo> {
        match place {
            Place::Prober(index) => self.probers.get(index),
            Place::Server(index) => self.servers[index].as_ref(),
        }
        .with_context(|| format!("{place} does not run"))
    }

    fn files(&self, server: usize, few: bool) -> Result<()> {
        let id = i32::try_from(self.echo(Place::Server(server))?.process.id())?;
        let ours = getrlimit(Resource::Nofile);
        let current = if few { Some(FEW_FILES) } else { ours.current };
        let limit = Rlimit {
            current,
            maximum: ours.maximum,
        };
        prlimit(Pid::from_raw(id), Resource::Nofile, limit)?;
        Ok(())
    }

    fn outage(&mut self, place: Place) {
        self.outages.push(Outage {
            place,
            from: now(),
            until: Nanos::MAX,
        });
    }

    fn over(&mut self, place: Place) {
        let open = self.outages.iter_mut().rev().find(|one| one.place == place);
        if let Some(open) = open {
            open.until = now();
        }
    }

    pub(super) fn begin(&mut self, index: usize, event: &Event) -> Result<()> {
        *self.done.entry(event.fault.kind()).or_default() += 1;
        match event.fault {
            Fault::Cut(place) => self.network.cable(place, false),
            Fault::Kill(server) => {
                self.outage(Place::Server(server));
                if let Some(echo) = self.servers[server].take() {
                    echo.process.signal(Signal::KILL)?;
                }
                let mut lives = self.lives.iter_mut().rev();
                if let Some(life) = lives.find(|life| life.server == server) {
                    life.runs = false;
                    life.taken = life
                        .scraper
                        .take()
                        .map_or_else(Taken::default, |it| it.finish(false));
                }
                Ok(())
            }
            Fault::Stop(place) => {
                self.outage(place);
                self.echo(place)?.process.signal(Signal::STOP)
            }
            Fault::Files(server) => {
                self.outage(Place::Server(server));
                self.files(server, true)
            }
            Fault::Reload(prober) => {
                self.write_targets(prober, index.is_multiple_of(2))?;
                self.echo(Place::Prober(prober))?
                    .process
                    .signal(Signal::HUP)
            }
            Fault::Clock(ms) => match &self.clock {
                None => Ok(()),
                Some(clock) => {
                    let new = clock.with_extension("new");
                    fs::write(&new, format!("{:+.3}\n", ms as f64 / 1e3))?;
                    fs::rename(new, clock).context("clock")
                }
            },
            fault => self.network.disturb(&format!("e{index}"), fault),
        }
    }

    pub(super) fn end(&mut self, index: usize, event: &Event) -> Result<()> {
        match event.fault {
            Fault::Cut(place) => self.network.cable(place, true),
            Fault::Kill(server) => {
                self.serve(server)?;
                self.over(Place::Server(server));
                Ok(())
            }
            Fault::Stop(place) => {
                self.echo(place)?.process.signal(Signal::CONT)?;
                self.over(place);
                Ok(())
            }
            Fault::Files(server) => {
                self.files(server, false)?;
                self.over(Place::Server(server));
                Ok(())
            }
            Fault::Reload(_) | Fault::Clock(_) => Ok(()),
            _ => self.network.mend(&format!("e{index}")),
        }
    }

    /// Each still runs, and none has said anything of an error of its own.
    pub(super) fn sound(&mut self) -> Result<()> {
        let servers = self.servers.iter_mut().flatten();
        for echo in self.probers.iter_mut().chain(servers) {
            let ended = echo.process.ended();
            ensure!(ended.is_none(), "a process has ended: {ended:?}");
            let log = echo.process.log();
            let bad = log
                .lines()
                .find(|line| line.contains("panicked") || line.contains("ERROR"));
            ensure!(bad.is_none(), "a log says {bad:?}");
        }
        Ok(())
    }
}

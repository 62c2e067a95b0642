//! Twenty members of a mesh, each in a network of its own, and their nameserver.

use std::collections::BTreeMap;
use std::fs;
use std::net::UdpSocket;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;
use testkit::context::Context;
use testkit::echo::Echo;
use testkit::exposition::Scrape;
use testkit::netns::Namespace;
use testkit::process::Process;
use testkit::wait;

use super::nameservers::dnsmasq;
use crate::runner::Scenario;

pub(super) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "mesh: twenty members, their restarts, and those that leave",
    root: true,
    tools: &[("ip", "iproute2"), ("dnsmasq", "dnsmasq-base")],
    alone: true,
    run,
}];

const MEMBERS: u8 = 20;
const NAMESERVER: &str = "10.97.0.254";
const LIMIT: Duration = Duration::from_secs(20);
/// How long after the last start all pairs may take.
const FULL_MESH: Duration = Duration::from_secs(5);
/// The series of a pair in the minimal set.
const SERIES: usize = 10;

fn run(context: &Context) -> Result<()> {
    let network = Network::new(context)?;
    let mut mesh = network.start_all(context, "auto")?;
    let (started, all) = (Instant::now(), usize::from(MEMBERS) - 1);
    mesh.until_probing(all)?;
    let took = started.elapsed();
    context.note(format!(
        "all {MEMBERS} members probe all others {took:.1?} after the last start"
    ));
    ensure!(took <= FULL_MESH, "a full mesh took {took:.1?}");
    mesh.check_series(context)?;
    mesh.restart_each(context, &network)?;

    // Some leave the list, and their series go, though they still run.
    let left = MEMBERS - 5;
    network.list(left)?;
    mesh.members.truncate(left.into());
    mesh.until_probing(usize::from(left) - 1)?;
    drop(mesh);

    network.list(MEMBERS)?;
    let degree = 4;
    let mesh = network.start_all(context, "4")?;
    mesh.until_probing(degree)?;
    let mut probed_by = BTreeMap::<String, usize>::new();
    for member in &mesh.members {
        for peer in Member::peers(&member.echo.scrape()?) {
            *probed_by.entry(peer).or_default() += 1;
        }
    }
    ensure!(
        probed_by.len() == usize::from(MEMBERS) && probed_by.values().all(|by| *by == degree),
        "with a degree of {degree} members are probed by {probed_by:?}"
    );
    Ok(())
}

/// A bridge with a nameserver, and a namespace for each member.
struct Network {
    members: Vec<Namespace>,
    hosts: PathBuf,
    nameserver: Process,
    _bridge: Namespace,
}

impl Network {
    fn new(context: &Context) -> Result<Self> {
        let bridge = Namespace::new()?;
        bridge.ip(&["link", "add", "bridge", "type", "bridge"])?;
        bridge.ip(&["link", "set", "bridge", "up"])?;
        let own = format!("{NAMESERVER}/24");
        bridge.ip(&["address", "add", &own, "dev", "bridge"])?;
        let mut members = Vec::new();
        for n in 1..=MEMBERS {
            let (member, link) = (Namespace::new()?, format!("link{n}"));
            member.link(&bridge, &link)?;
            bridge.ip(&["link", "set", &link, "master", "bridge"])?;
            let own = format!("{}/24", address(n));
            member.ip(&["address", "add", &own, "dev", &link])?;
            member.nameserver(NAMESERVER)?;
            members.push(member);
        }
        let hosts = context.file("hosts", &hosts(MEMBERS))?;
        let mut command: Command = dnsmasq(&bridge.inside());
        command
            .arg(format!("--listen-address={NAMESERVER}"))
            .arg("--local=/test/")
            .arg(format!("--addn-hosts={}", hosts.display()));
        let nameserver = Process::spawn(context, "dnsmasq", &mut command)?;
        let inside = bridge.inside();
        wait::until("the nameserver", LIMIT, || {
            let taken = || UdpSocket::bind((NAMESERVER, 53)).is_err();
            inside.run(taken).ok()?.then_some(())
        })?;
        Ok(Self {
            members,
            hosts,
            nameserver,
            _bridge: bridge,
        })
    }

    /// Has the name list the first members.
    fn list(&self, count: u8) -> Result<()> {
        fs::write(&self.hosts, hosts(count))?;
        self.nameserver.signal(Signal::HUP)
    }

    fn start_all(&self, context: &Context, degree: &str) -> Result<Mesh> {
        let members = (1..=MEMBERS).map(|n| self.start(context, n, degree));
        Ok(Mesh {
            members: members.collect::<Result<_>>()?,
        })
    }

    fn start(&self, context: &Context, n: u8, degree: &str) -> Result<Member> {
        let namespace = self
            .members
            .get(usize::from(n) - 1)
            .context("no such member")?;
        let flags = [
            "-mode=both",
            "-listen=:4000",
            "-target=dns+mesh.test:4000",
            "-dns-refresh=1s",
            "-series=minimal",
            &format!("-mesh-degree={degree}"),
            &format!("-node=node-{n}"),
            &format!("-zone=zone-{}", n % 3),
        ];
        let echo = Echo::start_in(context, &namespace.inside(), &flags)?;
        Ok(Member { n, echo })
    }
}

struct Mesh {
    members: Vec<Member>,
}

impl Mesh {
    /// Waits until each member has a connection to so many others that have said who they are, and
    /// no other target.
    fn until_probing(&self, peers: usize) -> Result<()> {
        for member in &self.members {
            let (own, targets) = (member.name(), peers);
            member
                .echo
                .until(&format!("{own} probes {peers}"), LIMIT, |scrape| {
                    let peers = Member::peers(scrape);
                    let all = scrape.matching("tcp_echo_connected", &[]).count();
                    all == targets && peers.len() == targets && !peers.contains(&own)
                })?;
        }
        Ok(())
    }

    fn check_series(&self, context: &Context) -> Result<()> {
        let mut memory: f64 = 0.0;
        for member in &self.members {
            let scrape = member.echo.scrape()?;
            let mut of_targets = BTreeMap::<&str, usize>::new();
            for (_, labels, _) in scrape.all() {
                if let Some(target) = labels.get("target") {
                    *of_targets.entry(target).or_default() += 1;
                }
                ensure!(labels.get("node") == Some(&member.name()), "{labels:?}");
            }
            let most = of_targets.values().max().copied().unwrap_or_default();
            ensure!(most <= SERIES, "{most} series of a pair");
            memory = memory.max(scrape.sum("process_resident_memory_bytes", &[]));
        }
        context.note(format!("a member has {:.1} MB at most", memory / 1e6));
        Ok(())
    }

    /// Restarts one member after the other. Nobody loses a slot.
    fn restart_each(&mut self, context: &Context, network: &Network) -> Result<()> {
        let before = self.lost()?;
        for index in 0..self.members.len() {
            let member = self.members.remove(index);
            let n = member.n;
            member.echo.end_by(Signal::TERM)?;
            self.members
                .insert(index, network.start(context, n, "auto")?);
            self.until_probing(usize::from(MEMBERS) - 1)?;
            let lost = self.lost()?;
            // One that has restarted counts from 0.
            let more = lost.iter().filter(|(name, lost)| {
                let before = before.get(*name).copied().unwrap_or_default();
                **lost > before
            });
            let more: Vec<_> = more.collect();
            ensure!(
                more.is_empty(),
                "the restart of node-{n} lost slots: {more:?}"
            );
        }
        context.note(format!(
            "{MEMBERS} restarts one after the other lost no slot"
        ));
        Ok(())
    }

    /// How many slots each member has lost.
    fn lost(&self) -> Result<BTreeMap<String, f64>> {
        let lost = self.members.iter().map(|member| {
            let scrape = member.echo.scrape()?;
            let names = ["tcp_echo_timeouts_total", "tcp_echo_unsent_total"];
            let lost = names.iter().map(|name| scrape.sum(name, &[])).sum();
            Ok((member.name(), lost))
        });
        lost.collect()
    }
}

struct Member {
    n: u8,
    echo: Echo,
}

impl Member {
    fn name(&self) -> String {
        format!("node-{}", self.n)
    }

    /// The nodes that it is connected to, by a scrape of it.
    fn peers(scrape: &Scrape) -> Vec<String> {
        let connected = scrape.matching("tcp_echo_connected", &[]);
        let connected = connected.filter(|(_, value)| *value > 0.0);
        connected
            .filter_map(|(labels, _)| labels.get("peer_node").cloned())
            .collect()
    }
}

fn address(n: u8) -> String {
    format!("10.97.0.{n}")
}

/// The hosts file of the nameserver.
fn hosts(count: u8) -> String {
    let lines = (1..=count).map(|n| format!("{} mesh.test\n", address(n)));
    lines.collect()
}

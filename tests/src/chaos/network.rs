//! Eight hosts connected by a router, each a network namespace. Faults are injected at the router.

use std::fmt::Write as _;
use std::io::Read as _;
use std::net::Ipv4Addr;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::thread::{self, JoinHandle};

use anyhow::{Context as _, Result, anyhow, ensure};
use rustix::process::{Pid, Signal, kill_process};
use testkit::netns::{LINK, Namespace};

use super::packet;
use super::schedule::{Fault, Host};
use super::traffic::Traffic;
use super::{PORT, PROBER_COUNT, SERVER_COUNT};

/// The index of the router's first interface; the others follow.
const INTERFACES: u32 = 101;

impl Host {
    pub(super) fn all() -> impl Iterator<Item = Self> {
        let probers = (0..PROBER_COUNT).map(Self::Prober);
        probers.chain((0..SERVER_COUNT).map(Self::Server))
    }

    fn number(self) -> usize {
        match self {
            Self::Prober(index) => index,
            Self::Server(index) => PROBER_COUNT + index,
        }
    }

    fn octet(self) -> u8 {
        u8::try_from(self.number() + 1).unwrap_or(u8::MAX)
    }

    pub(super) fn address(self) -> Ipv4Addr {
        Ipv4Addr::new(10, 99, self.octet(), 2)
    }

    pub(super) fn at(address: Ipv4Addr) -> Option<Self> {
        Self::all().find(|host| host.address() == address)
    }

    /// Returns the host at the other end of the router's interface with this index.
    pub(super) fn behind(interface: u32) -> Option<Self> {
        let number = usize::try_from(interface.checked_sub(INTERFACES)?).ok()?;
        Self::all().nth(number)
    }
}

pub(super) struct Network {
    namespaces: Vec<Namespace>,
    router: Namespace,
}

impl Network {
    pub(super) fn new() -> Result<Self> {
        let router = Namespace::new()?;
        let mut namespaces = Vec::new();
        for host in Host::all() {
            let namespace = Namespace::new()?;
            let (name, octet) = (host.to_string(), host.octet());
            let index = (INTERFACES as usize + host.number()).to_string();
            let at = namespace.name().to_owned();
            router.ip(&[
                "link", "add", &name, "index", &index, "type", "veth", "peer", "name", LINK,
                "netns", &at,
            ])?;
            let gateway = format!("10.99.{octet}.1");
            router.ip(&["address", "add", &format!("{gateway}/24"), "dev", &name])?;
            router.ip(&["link", "set", &name, "up"])?;
            let own = format!("{}/24", host.address());
            namespace.ip(&["address", "add", &own, "dev", LINK])?;
            namespace.ip(&["link", "set", LINK, "up"])?;
            namespace.ip(&["route", "add", "default", "via", &gateway])?;
            namespaces.push(namespace);
        }
        enable_forwarding(&router)?;
        router.nft("add table ip chaos")?;
        Ok(Self { namespaces, router })
    }

    pub(super) fn namespace(&self, host: Host) -> &Namespace {
        &self.namespaces[host.number()]
    }

    pub(super) fn link(&self, host: Host, up: bool) -> Result<()> {
        let state = if up { "up" } else { "down" };
        self.router.ip(&["link", "set", &host.to_string(), state])
    }

    /// Adds a fault to the router's rules, under this name.
    pub(super) fn inject(&self, name: &str, fault: Fault) -> Result<()> {
        let pair = |prober, server| {
            let prober = Host::Prober(prober).address();
            let server = Host::Server(server).address();
            let there = format!("ip saddr {prober} ip daddr {server} tcp dport {PORT}");
            let back = format!("ip saddr {server} ip daddr {prober} tcp sport {PORT}");
            (there, back)
        };
        let rules = match fault {
            Fault::Loss { server, percent } => {
                let server = Host::Server(server).address();
                ["saddr", "daddr"]
                    .map(|way| format!("ip {way} {server} numgen random mod 100 < {percent} drop"))
            }
            Fault::Hole { prober, server } => {
                let (there, back) = pair(prober, server);
                [there, back].map(|way| format!("{way} drop"))
            }
            Fault::ResetProber { prober, server } => {
                let (there, _) = pair(prober, server);
                [format!("{there} reject with tcp reset"), String::new()]
            }
            Fault::ResetServer { prober, server } => {
                let (_, back) = pair(prober, server);
                [format!("{back} reject with tcp reset"), String::new()]
            }
            _ => return Ok(()),
        };
        let mut script =
            format!("add chain ip chaos {name} {{ type filter hook forward priority 0; }};");
        for rule in rules.iter().filter(|rule| !rule.is_empty()) {
            write!(script, "add rule ip chaos {name} {rule};")?;
        }
        self.router.nft(&script).map(drop)
    }

    pub(super) fn heal(&self, name: &str) -> Result<()> {
        let script = format!("flush chain ip chaos {name}; delete chain ip chaos {name}");
        self.router.nft(&script).map(drop)
    }

    /// Starts capturing all segments that the router receives and sends.
    pub(super) fn capture(&self) -> Result<Capture> {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", self.router.name(), "tcpdump"]);
        command.args([
            "-i",
            "any",
            "-y",
            "LINUX_SLL2",
            "--time-stamp-precision=nano",
        ]);
        command.args([
            "-n",
            "-U",
            "-B",
            "65536",
            "-w",
            "-",
            &format!("tcp port {PORT}"),
        ]);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("tcpdump")?;
        let stdout = child.stdout.take().context("no output")?;
        let errors = child.stderr.take();
        let thread = thread::spawn(move || {
            let mut traffic = Traffic::default();
            packet::read(std::io::BufReader::new(stdout), |segment| {
                traffic.take(segment);
            })?;
            Ok(traffic)
        });
        Ok(Capture {
            child,
            errors,
            thread: Some(thread),
        })
    }
}

fn enable_forwarding(router: &Namespace) -> Result<()> {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", router.name(), "sh", "-c"]);
    command.arg("echo 1 > /proc/sys/net/ipv4/ip_forward");
    testkit::shell::output(&mut command).map(drop)
}

/// A running capture, stopped when dropped.
pub(super) struct Capture {
    child: Child,
    errors: Option<ChildStderr>,
    thread: Option<JoinHandle<Result<Traffic>>>,
}

impl Capture {
    /// Stops the capture and returns it. Dropped packets are an error.
    pub(super) fn finish(mut self) -> Result<Traffic> {
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        let thread = self.thread.take().context("no thread")?;
        let traffic = thread
            .join()
            .map_err(|_| anyhow!("the capture panicked"))??;
        let mut summary = String::new();
        if let Some(errors) = &mut self.errors {
            errors.read_to_string(&mut summary)?;
        }
        ensure!(
            summary.contains("\n0 packets dropped by kernel"),
            "packets are missing from the capture: {summary}"
        );
        Ok(traffic)
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        // It may have exited already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

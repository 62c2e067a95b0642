//! Network namespaces, removed by whatever way a scenario ends.

use std::fs::{self, File};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use anyhow::{Context as _, Result, anyhow, bail};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::shell::{output, program};

/// All names begin so, then comes the process's id.
const PREFIX: &str = "tcpecho";
const NAMED: &str = "/run/netns";
/// `ip netns exec` lays files from here over those of /etc.
const ETC: &str = "/etc/netns";

/// Where something runs: in a namespace, or where this process is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Inside(Option<String>);

impl Inside {
    /// A command that runs there.
    pub(crate) fn command(&self, binary: &Path) -> Command {
        match &self.0 {
            None => Command::new(binary),
            Some(name) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", name]).arg(binary);
                command
            }
        }
    }

    /// Runs `act` there: what it opens stays there.
    pub(crate) fn run<T: Send>(&self, act: impl FnOnce() -> T + Send) -> Result<T> {
        let Some(name) = &self.0 else {
            return Ok(act());
        };
        let file = File::open(Path::new(NAMED).join(name)).context("namespace")?;
        // A thread of its own: it does not come back from there.
        thread::scope(|scope| {
            scope
                .spawn(|| -> Result<T> {
                    move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))?;
                    Ok(act())
                })
                .join()
                .map_err(|_| anyhow!("panicked in a namespace"))?
        })
    }
}

/// A namespace of our own, with loopback up.
#[derive(Debug)]
pub(crate) struct Namespace(String);

impl Namespace {
    pub(crate) fn new() -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}-{}-{next}", std::process::id());
        ip(&["netns", "add", &name])?;
        let namespace = Self(name);
        namespace.ip(&["link", "set", "lo", "up"])?;
        Ok(namespace)
    }

    pub(crate) fn name(&self) -> &str {
        &self.0
    }

    /// The file that stands for it.
    pub(crate) fn path(&self) -> PathBuf {
        Path::new(NAMED).join(&self.0)
    }

    pub(crate) fn inside(&self) -> Inside {
        Inside(Some(self.0.clone()))
    }

    /// `ip` with these arguments in here.
    pub(crate) fn ip(&self, arguments: &[&str]) -> Result<()> {
        ip(&[&["-n", &self.0], arguments].concat())
    }

    /// Carries out lines of nftables in here.
    pub(crate) fn nft(&self, script: &str) -> Result<String> {
        output(&mut program(
            "ip",
            &["netns", "exec", &self.0, "nft", script],
        ))
    }

    /// Lets programs in here ask this address for names.
    pub(crate) fn nameserver(&self, address: &str) -> Result<()> {
        self.resolv_conf(&format!("nameserver {address}\n"))
    }

    /// The resolv.conf of programs in here, those that run already included.
    pub(crate) fn resolv_conf(&self, text: &str) -> Result<()> {
        fs::create_dir_all(self.etc())?;
        fs::write(self.etc().join("resolv.conf"), text)?;
        Ok(())
    }

    fn etc(&self) -> PathBuf {
        Path::new(ETC).join(&self.0)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        remove(&self.0);
    }
}

/// Two namespaces with a cable between them.
pub(crate) struct Pair {
    pub(crate) client: Namespace,
    pub(crate) server: Namespace,
}

/// The addresses at its two ends; they exist in the namespaces only.
pub(crate) const CLIENT: &str = "10.99.0.1";
pub(crate) const SERVER: &str = "10.99.0.2";
/// The name of the link at either end.
pub(crate) const LINK: &str = "veth0";

impl Pair {
    pub(crate) fn new() -> Result<Self> {
        let pair = Self {
            client: Namespace::new()?,
            server: Namespace::new()?,
        };
        pair.client.ip(&[
            "link",
            "add",
            LINK,
            "type",
            "veth",
            "peer",
            "name",
            LINK,
            "netns",
            &pair.server.0,
        ])?;
        for (end, address) in [(&pair.client, CLIENT), (&pair.server, SERVER)] {
            end.ip(&["address", "add", &format!("{address}/24"), "dev", LINK])?;
            end.ip(&["link", "set", LINK, "up"])?;
        }
        Ok(pair)
    }
}

/// Removes what runs that were killed have left.
pub(crate) fn sweep() {
    let Ok(entries) = fs::read_dir(NAMED) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner = name
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.split('-').nth(1));
        if owner.is_some_and(|owner| !Path::new("/proc").join(owner).exists()) {
            remove(&name);
        }
    }
}

fn remove(name: &str) {
    // Either may be gone already.
    let _ = ip(&["netns", "delete", name]);
    let _ = fs::remove_dir_all(Path::new(ETC).join(name));
}

fn ip(arguments: &[&str]) -> Result<()> {
    let text = output(&mut program("ip", arguments))?;
    if text.is_empty() {
        Ok(())
    } else {
        bail!("ip {}: {text}", arguments.join(" "))
    }
}

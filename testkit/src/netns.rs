//! Network namespaces, removed when a test ends, even if it was killed.

use std::fs::{self, File};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use anyhow::{Context as _, Result, anyhow, bail};
use rustix::thread::{
    CapabilitySet, CapabilitySets, LinkNameSpaceType, move_into_link_name_space, set_capabilities,
};

use crate::shell::{output, program};

/// The prefix of all names, followed by the process ID.
const PREFIX: &str = "tcpecho";
const NAMED: &str = "/run/netns";
/// `ip netns exec` mounts the files in this folder over those of /etc.
const ETC: &str = "/etc/netns";

/// The network namespace in which something runs; by default that of this process.
#[derive(Clone, Debug, Default)]
pub struct Inside(Option<String>);

impl Inside {
    /// Creates a command that runs in the namespace.
    pub fn command(&self, binary: &Path) -> Command {
        match &self.0 {
            None => Command::new(binary),
            Some(name) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", name]).arg(binary);
                command
            }
        }
    }

    /// Runs `act` in the namespace. Sockets that it opens stay in the namespace.
    ///
    /// # Errors
    ///
    /// If the namespace was removed, or `act` panics.
    pub fn run<T: Send>(&self, act: impl FnOnce() -> T + Send) -> Result<T> {
        let Some(name) = &self.0 else {
            return Ok(act());
        };
        let file = File::open(Path::new(NAMED).join(name)).context("namespace")?;
        // In a new thread, since a thread can't leave the namespace again.
        thread::scope(|scope| {
            scope
                .spawn(|| -> Result<T> {
                    move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))?;
                    Ok(act())
                })
                .join()
                .map_err(|_| anyhow!("panic in a namespace"))?
        })
    }
}

impl Inside {
    /// Like [`Inside::run`], without any capability.
    ///
    /// # Errors
    ///
    /// As [`Inside::run`].
    pub fn run_unprivileged<T: Send>(&self, act: impl FnOnce() -> T + Send) -> Result<T> {
        self.run(|| {
            thread::scope(|scope| {
                let unprivileged = || -> Result<T> {
                    let none = CapabilitySet::empty();
                    let sets = CapabilitySets {
                        effective: none,
                        permitted: none,
                        inheritable: none,
                    };
                    // Of this thread alone, which has entered the namespace by its parent.
                    set_capabilities(None, sets).context("capabilities")?;
                    Ok(act())
                };
                let ended = scope.spawn(unprivileged).join();
                ended.map_err(|_| anyhow!("panic without capabilities"))?
            })
        })?
    }
}

/// A network namespace with the loopback interface up, removed when dropped.
#[derive(Debug)]
pub struct Namespace(String);

impl Namespace {
    /// Creates a namespace.
    ///
    /// # Errors
    ///
    /// If `ip` fails: root is required.
    pub fn new() -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}-{}-{next}", std::process::id());
        ip(&["netns", "add", &name])?;
        let namespace = Self(name);
        namespace.ip(&["link", "set", "lo", "up"])?;
        Ok(namespace)
    }

    /// Returns the name, as used by `ip netns`.
    pub fn name(&self) -> &str {
        &self.0
    }

    /// Returns the path of the file that represents the namespace.
    pub fn path(&self) -> PathBuf {
        Path::new(NAMED).join(&self.0)
    }

    /// Returns a handle to run programs and reach endpoints in the namespace.
    pub fn inside(&self) -> Inside {
        Inside(Some(self.0.clone()))
    }

    /// Runs `ip` with these arguments in the namespace.
    ///
    /// # Errors
    ///
    /// If `ip` fails or prints something.
    pub fn ip(&self, arguments: &[&str]) -> Result<()> {
        ip(&[&["-n", &self.0], arguments].concat())
    }

    /// Runs an nftables script in the namespace; returns the output of `nft`.
    ///
    /// # Errors
    ///
    /// If `nft` fails.
    pub fn nft(&self, script: &str) -> Result<String> {
        output(&mut program(
            "ip",
            &["netns", "exec", &self.0, "nft", script],
        ))
    }

    /// Sets a kernel parameter of the network, such as `ipv4/ip_forward`, in the namespace.
    ///
    /// # Errors
    ///
    /// If there is no such parameter, or the kernel refuses the value.
    pub fn set(&self, parameter: &str, value: &str) -> Result<()> {
        let path = Path::new("/proc/sys/net").join(parameter);
        let written = self.inside().run(|| fs::write(&path, value))?;
        written.with_context(|| format!("{} = {value}", path.display()))
    }

    /// Creates a link to another namespace, without addresses, and sets it up. It has this name at
    /// both ends.
    ///
    /// # Errors
    ///
    /// If `ip` fails.
    pub fn link(&self, other: &Self, name: &str) -> Result<()> {
        self.ip(&[
            "link", "add", name, "type", "veth", "peer", "name", name, "netns", &other.0,
        ])?;
        for end in [self, other] {
            end.ip(&["link", "set", name, "up"])?;
        }
        Ok(())
    }

    /// Sets the nameserver for programs in the namespace.
    ///
    /// # Errors
    ///
    /// If the file can't be written.
    pub fn nameserver(&self, address: &str) -> Result<()> {
        self.resolv_conf(&format!("nameserver {address}\n"))
    }

    /// Sets the resolv.conf for programs in the namespace, including those already running.
    ///
    /// # Errors
    ///
    /// If the file can't be written.
    pub fn resolv_conf(&self, text: &str) -> Result<()> {
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

/// Two namespaces connected by a link.
pub struct Pair {
    /// The one at [`CLIENT`].
    pub client: Namespace,
    /// The one at [`SERVER`].
    pub server: Namespace,
}

/// The client's address, which exists only in its namespace.
pub const CLIENT: &str = "10.99.0.1";
/// The server's address, which exists only in its namespace.
pub const SERVER: &str = "10.99.0.2";
/// The name of the link at both ends.
pub const LINK: &str = "veth0";

impl Pair {
    /// Creates both namespaces and the link.
    ///
    /// # Errors
    ///
    /// If `ip` fails: root is required.
    pub fn new() -> Result<Self> {
        let pair = Self {
            client: Namespace::new()?,
            server: Namespace::new()?,
        };
        pair.client.link(&pair.server, LINK)?;
        for (end, address) in [(&pair.client, CLIENT), (&pair.server, SERVER)] {
            end.ip(&["address", "add", &format!("{address}/24"), "dev", LINK])?;
        }
        Ok(pair)
    }
}

/// Removes the namespaces left by processes that were killed.
pub fn sweep() {
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
    // Either may have been removed already.
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

//! Lists of targets: files, names that stand for many targets, and shards for several probers.
//!
//! A [`Source`] combines these and keeps a [`TargetSet`](tcp_echo_prober::TargetSet) up to date:
//!
//! - **Files** in the format of Prometheus's `file_sd` or a plainer one ([`parse`]).
//!   Each is checked every two seconds; links are followed. A [`FilePattern`] names one file,
//!   or all matching ones of a directory. Files that are named by their paths are applied
//!   together or not at all: if one can't be used or is gone, all keep their last targets, and a
//!   [`LoadError`] names the file and the place. Only the first load fails ([`Source::load`]).
//!   Files that a pattern matches are applied one by one: one that can't be used keeps its last
//!   targets, and one that is gone loses them.
//! - **Names** ([`Endpoint`]). `dns+host:port` is a target for each address of the
//!   name, and `srv+name` one for each host and port of its SRV records. They are
//!   looked up repeatedly, by a [`Resolver`](tcp_echo_resolve::Resolver). While nameservers fail
//!   or don't answer, a name keeps its targets. If they deny the name or its records for long
//!   enough, the targets are removed ([`Config::dns_stale`]).
//! - **Shards** ([`Shard`]): each target belongs to one, by its name.
//! - **Meshes** ([`Mesh`]): a process leaves itself out, and of many others probes a part.
//!
//! # Names of targets
//! The name of a target is that of its entry, or its address as written. Two targets may have the
//! same name if their labels differ; the second is then shown as `name{label="value"}`, except
//! in the label `target` of its series. Targets of `dns+` and `srv+` names are named by the entry
//! and what was found. For `dns+web.example.com:4000`, with and without the name `web`, and
//! `srv+_echo._tcp.example.com` they are
//!
//! ```text
//! web/192.0.2.1
//! dns+web.example.com:4000/2001:db8::1
//! srv+_echo._tcp.example.com/a.example.com:4000
//! ```
//!
//! So a target keeps its name and series as long as its address is in the answer.
//!
//! # Example
//! ```
//! use std::{fs, time::Duration};
//! use tcp_echo_targets::{Config, Defaults, FilePattern, Source};
//!
//! # let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
//! # runtime.block_on(async {
//! let directory = tempfile::tempdir()?;
//! let file = directory.path().join("targets.yml");
//! fs::write(&file, "- targets: [db.example.com:4000]")?;
//!
//! let defaults = Defaults {
//!     interval: Duration::from_millis(200),
//!     timeout: Duration::from_millis(800),
//!     window: 100.try_into()?,
//!     stall: None,
//!     is_adaptive: false,
//!     flows: 1.try_into().unwrap(),
//! };
//! let mut config = Config::new(defaults);
//! config.files.push(FilePattern::new(&file)?);
//! let source = Source::load(config)?;
//! assert_eq!(source.targets().len(), 1); // for the prober to begin with
//!
//! let handle = source.handle();
//! let (changed, mut changes) = tokio::sync::mpsc::unbounded_channel();
//! let running = tokio::spawn(source.run(move |targets| {
//!     let _ = changed.send(targets); // or the prober's `apply`
//! }));
//!
//! fs::write(&file, "- targets: [db.example.com:4000, web.example.com:4000]")?;
//! handle.reload().await?; // or wait for two seconds
//! assert_eq!(changes.recv().await.map(|targets| targets.len()), Some(2));
//!
//! fs::write(&file, "- targets: [db]")?;
//! let error = handle.reload().await.unwrap_err().to_string();
//! assert!(error.contains("targets.yml: line 1, column 13 (entry 1, target 1): \"db\": the port is missing"));
//! assert!(!handle.status().successful);
//!
//! running.abort();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Features
//! `discovery` (default): `dns+` and `srv+` names. Without it they are refused, with the name of
//! the feature, and no DNS library is compiled.
//!
//! # Why not …
//! - … file notifications (inotify and similar)? They don't work on network file systems,
//!   watch directories that links may leave, and are limited in number. Checking a file's
//!   metadata costs microseconds.
//! - … the prober's own look-ups? They choose one address to connect to; here all addresses
//!   become targets.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

#[cfg(feature = "discovery")]
mod answer;
#[cfg(feature = "discovery")]
mod discovery;
mod endpoint;
mod entry;
mod error;
#[cfg(feature = "discovery")]
mod expand;
mod file;
mod files;
mod handle;
mod host_argument;
mod labels;
mod list;
mod loader;
mod mesh;
mod named;
mod names;
mod notation;
mod parse;
mod pattern;
mod shard;
mod source;
mod sources;
mod spec;

pub use endpoint::{Endpoint, EndpointError};
pub use error::{EntryError, LoadError, Origin, ParseError, Place, Position, ReadError};
pub use handle::{Handle, ReloadError, Status};
pub use host_argument::{HostArgument, HostArgumentError};
pub use labels::{LabelError, MAX_FLOWS};
pub use mesh::{Member, MemberRole, Mesh, MeshDegree, MeshDegreeError};
pub use named::{NamedEndpoint, NamedEndpointError};
pub use parse::{Format, parse};
pub use pattern::{FilePattern, FilePatternError};
pub use shard::{Shard, ShardError};
pub use source::{Config, Source};
pub use sources::SourceStatus;
pub use spec::{Defaults, Spec};

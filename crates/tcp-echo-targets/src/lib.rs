//! What to probe: lists of targets in files, names that stand for many targets, and
//! shares of them for many probers.
//!
//! A [`Source`] puts these together and keeps a
//! [`TargetSet`](tcp_echo_prober::TargetSet) up to date:
//!
//! - **Files** in the format of Prometheus's `file_sd` or a plainer one ([`parse`]).
//!   Each is looked at every two seconds, through whatever links lead to it. A
//!   [`FilePattern`] names one or all of a directory that match. Files that are named by
//!   their paths are applied together or not at all: where one can't be used, or is
//!   gone, what they listed stays, and a [`LoadError`] names the file and the place;
//!   only the first load fails for good ([`Source::load`]). Of files that a pattern
//!   matches each is applied by itself: one that can't be used keeps what it listed
//!   before, and one that is gone takes its targets with it.
//! - **Names** ([`Endpoint`]). `dns+host:port` is a target for each address of the
//!   name, and `srv+name` one for each host and port of its SRV records. They are
//!   looked up again at an interval, by a [`Resolver`](tcp_echo_resolve::Resolver). Where
//!   the nameservers fail or don't answer, the name stands for what it stood for; where
//!   they say for long that there is no such name or that it has nothing, its targets go
//!   ([`Config::dns_stale`]).
//! - **Shards** ([`Shard`]): each target is on one, by its name.
//!
//! # Names of targets
//! A target is named as its entry says, or else by its address as written. Two may have
//! one name where their labels differ; the second is then called `name{label="value"}`
//! wherever it is shown, but for the label `target` of its series. What was
//! found behind a name is called after the entry and what was found: of
//! `dns+web.example.com:4000`, named `web` or not at all, and of
//! `srv+_echo._tcp.example.com`, the targets are
//!
//! ```text
//! web/192.0.2.1
//! dns+web.example.com:4000/2001:db8::1
//! srv+_echo._tcp.example.com/a.example.com:4000
//! ```
//!
//! So a name stays with an address for as long as that is in the answer, and its series
//! with it.
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
//! };
//! let mut config = Config::new(defaults, |text| Err(format!("{text} is not supported")));
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
//! # Why not …
//! - … the system's notices of changes (inotify and its like)? They don't come from
//!   network file systems, watch directories that links may leave, and run out. A look
//!   at the file's metadata costs microseconds.
//! - … the prober's own look-ups? They choose one address to connect to; these make
//!   targets of all.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod answer;
mod discovery;
mod endpoint;
mod entry;
mod error;
mod expand;
mod file;
mod files;
mod handle;
mod labels;
mod list;
mod loader;
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
pub use labels::LabelError;
pub use parse::{Format, parse};
pub use pattern::{FilePattern, FilePatternError};
pub use shard::{Shard, ShardError};
pub use source::{Config, Source};
pub use sources::SourceStatus;
pub use spec::{Defaults, ParseDuration, Spec};

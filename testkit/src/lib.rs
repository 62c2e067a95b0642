//! Helpers shared by the tests, benches and `xtask` of this workspace: running programs, waiting,
//! HTTP requests and parsing metrics; on Linux also network namespaces, relays and containers.
//!
//! Failures are errors, not panics, so that a caller can add its logs to them.
#![forbid(unsafe_code)]

pub mod context;
pub mod exposition;
pub mod files;
pub mod http;
pub mod ports;
pub mod registry;
pub mod report;
pub mod shell;
pub mod skip;
pub mod wait;

#[cfg(target_os = "linux")]
pub mod echo;
#[cfg(target_os = "linux")]
pub mod endpoint;
#[cfg(target_os = "linux")]
pub mod limits;
#[cfg(target_os = "linux")]
pub mod machine;
#[cfg(target_os = "linux")]
pub mod netns;
#[cfg(target_os = "linux")]
pub mod path;
#[cfg(target_os = "linux")]
pub mod process;
#[cfg(target_os = "linux")]
pub mod relay;
#[cfg(target_os = "linux")]
pub mod tools;
#[cfg(target_os = "linux")]
pub mod watch;
#[cfg(target_os = "linux")]
pub mod wine;

//! The `process_*` metrics that Prometheus's own clients have; on Linux only.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
mod proc_files;
#[cfg(target_os = "linux")]
mod stat;
#[cfg(not(target_os = "linux"))]
mod unsupported;

#[cfg(target_os = "linux")]
pub(crate) use linux::ProcessCollector;
#[cfg(not(target_os = "linux"))]
pub(crate) use unsupported::ProcessCollector;

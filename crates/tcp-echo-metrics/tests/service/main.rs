//! The program as a service: how it is described to managers, and what it does when one
//! has started it.

#[cfg(test)]
#[cfg(unix)]
mod definitions;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod no_manager;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod running;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod sockets;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod supervisor;

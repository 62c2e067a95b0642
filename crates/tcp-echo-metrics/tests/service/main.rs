//! The program as a service, and its actions on services.

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

//! The most precise alarm of each operating system.

#[cfg(not(target_os = "linux"))]
pub(super) use super::thread_alarm::ThreadAlarm as Alarm;
#[cfg(target_os = "linux")]
pub(super) use tcp_echo_socket::TimerFd as Alarm;

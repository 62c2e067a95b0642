//! Keys, while there is a terminal.

use std::io;
use std::time::Duration;

use ratatui::crossterm::event::{self, Event};

/// The timeout for further keys. With a timeout of 0 the library does not look.
const POLL_TIMEOUT: Duration = Duration::from_millis(1);

/// Waits for keys, at most `timeout`, and returns them.
///
/// # Errors
/// The terminal is gone.
pub(super) fn wait(timeout: Duration) -> io::Result<Vec<Event>> {
    let mut events = Vec::new();
    if !is_readable(timeout)? {
        return Ok(events);
    }
    while event::poll(POLL_TIMEOUT)? {
        events.push(event::read()?);
    }
    Ok(events)
}

/// Waits until the terminal is readable. The library must not read from a terminal that is
/// gone: it would read the end of file for ever.
#[cfg(unix)]
fn is_readable(timeout: Duration) -> io::Result<bool> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    let stdin = io::stdin();
    let mut fds = [PollFd::new(&stdin, PollFlags::IN)];
    let timeout = Timespec::try_from(timeout).map_err(io::Error::other)?;
    match poll(&mut fds, Some(&timeout)) {
        Err(error) if error != rustix::io::Errno::INTR => return Err(error.into()),
        _ => {}
    }
    let found = fds[0].revents();
    if found.intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL) {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(found.contains(PollFlags::IN))
}

#[cfg(not(unix))]
fn is_readable(timeout: Duration) -> io::Result<bool> {
    event::poll(timeout)
}

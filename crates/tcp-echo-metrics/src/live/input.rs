//! Keys, as long as there is a terminal.

use std::io;
use std::time::Duration;

use ratatui::crossterm::event::{self, Event};

/// How long more keys are waited for. Asked without any time, the library doesn't look.
const MOMENT: Duration = Duration::from_millis(1);

/// Waits for keys, at most this long, and gives those that have come.
///
/// # Errors
/// Where the terminal is gone.
pub(super) fn wait(most: Duration) -> io::Result<Vec<Event>> {
    let mut events = Vec::new();
    if !is_readable(most)? {
        return Ok(events);
    }
    while event::poll(MOMENT)? {
        events.push(event::read()?);
    }
    Ok(events)
}

/// Waits until something can be read. The library that reads keys must not be asked
/// about a terminal that is gone: it would read its end for ever.
#[cfg(unix)]
fn is_readable(most: Duration) -> io::Result<bool> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    let stdin = io::stdin();
    let mut fds = [PollFd::new(&stdin, PollFlags::IN)];
    let timeout = Timespec::try_from(most).map_err(io::Error::other)?;
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
fn is_readable(most: Duration) -> io::Result<bool> {
    event::poll(most)
}

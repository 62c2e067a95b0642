//! The I/O of a connection: writes frames, reads replies, and polls the session.

use std::{
    io,
    pin::pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use tcp_echo_session::{Event, Output, Probe, Session, Stamp, TcpInfo, Time, Transmit};
use tokio::task::yield_now;
use tracing::debug;

use super::{Driver, Link, flow::Flow};
use crate::{
    Sensor,
    backoff::Backoff,
    clock,
    connection::{READS_PER_POLL, Written, disconnect_reason},
};

/// The shortest time between two readings of `TCP_INFO`.
const TCP_INFO_EVERY: Duration = Duration::from_secs(1);

impl<S: Sensor> Driver<S> {
    /// Reads and writes as far as possible. Ready with the error that ends the connection.
    pub(super) fn poll_connection(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let Link::Up(connection) = &mut self.link else {
            return Poll::Pending;
        };
        match connection.poll_finish_write(cx) {
            Poll::Ready(Ok(())) => {
                if let Some(event) = self.session.handle_transmitted(Instant::now()) {
                    self.sensor.on_event(&event, &self.session);
                }
            }
            Poll::Ready(Err(error)) => return Poll::Ready(error),
            Poll::Pending => {}
        }
        for _ in 0..READS_PER_POLL {
            match connection.poll_readable(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(error),
                Poll::Pending => return Poll::Pending,
            }
            let reply = reply(
                &mut self.session,
                &mut self.flow,
                &mut self.sensor,
                &mut self.backoff,
            );
            match connection.read(reply) {
                Ok(Some(read)) => {
                    self.session.handle_read_end();
                    self.sleeper.replied(connection.is_stamped());
                    self.read = Some(read);
                }
                Ok(None) => {}
                Err(error) => return Poll::Ready(error),
            }
        }
        yield_to_others(cx);
        Poll::Pending
    }

    /// Polls the session and does what it asks for. Returns until when it waits, or `None` if
    /// the connection has changed.
    pub(super) fn poll_session(&mut self, cx: &mut Context<'_>) -> Option<Instant> {
        // If nothing but a slot is due, the clocks are read once, and the frame gets that
        // stamp. The time of a read reply is recent enough for the poll, but not for a frame.
        let (now, mut stamp) = if let Some(read) = self.read.take() {
            (read, None)
        } else {
            let now = clock::now();
            (now, Some(now))
        };
        let is_up = matches!(self.link, Link::Up(_));
        let mut read_until = now.at;
        if is_up && self.session.next_deadline().is_some_and(|at| at <= now.at) {
            stamp = None;
            match self.catch_up(now.at, cx) {
                Ok(until) => read_until = until,
                Err(error) => {
                    self.disconnect(disconnect_reason(&error));
                    return None;
                }
            }
        }
        loop {
            match self.session.poll_read_until(now, read_until) {
                Output::Event(event) => {
                    stamp = None;
                    self.notify(&event);
                }
                Output::Transmit(transmit) => {
                    if let Err(error) = self.transmit(transmit, stamp.take()) {
                        self.disconnect(disconnect_reason(&error));
                        return None;
                    }
                }
                Output::Request(frame) => {
                    stamp = None;
                    if let Link::Up(connection) = &mut self.link
                        && let Err(error) = connection.write(frame)
                    {
                        self.disconnect(disconnect_reason(&error));
                        return None;
                    }
                }
                Output::Close(reason) => {
                    self.disconnect(reason);
                    return None;
                }
                Output::Wait(until) => {
                    // After the frames: no system call lies between a slot and its frame.
                    if now.at >= self.next_tcp_info || self.session.asks_for_tcp_info() {
                        self.read_tcp_info(now.at);
                    }
                    if self.replace(now.at, until) {
                        return None;
                    }
                    return Some(until);
                }
            }
        }
    }

    /// Reads what had arrived by `now`, before any of it is counted as lost: the runtime may
    /// have polled the timer and not the socket yet, and after a pause of the host there may
    /// be much. Returns up to when everything was read.
    fn catch_up(&mut self, now: Instant, cx: &mut Context<'_>) -> io::Result<Instant> {
        let Link::Up(connection) = &mut self.link else {
            return Ok(now);
        };
        let reply = reply(
            &mut self.session,
            &mut self.flow,
            &mut self.sensor,
            &mut self.backoff,
        );
        let until = connection.catch_up(now, reply)?;
        self.session.handle_read_end();
        if until < now {
            yield_to_others(cx);
        }
        Ok(until)
    }

    /// Writes the frame of a slot. Without a current `stamp` the frame gets a new one.
    fn transmit(&mut self, transmit: Transmit, stamp: Option<Time>) -> io::Result<()> {
        let Link::Up(connection) = &mut self.link else {
            return Ok(());
        };
        let (transmit, now) = if let Some(now) = stamp {
            (transmit, now)
        } else {
            let now = clock::now();
            (self.session.restamp(now).unwrap_or(transmit), now)
        };
        let event = match connection.write(transmit.frame)? {
            Written::Whole => self.session.handle_transmitted(now.at),
            Written::Nothing => self.session.handle_blocked(),
            Written::Part => None,
        };
        if let Some(event) = event {
            self.notify(&event);
        }
        Ok(())
    }

    fn read_tcp_info(&mut self, now: Instant) {
        self.next_tcp_info = now + TCP_INFO_EVERY;
        if let Link::Up(connection) = &mut self.link
            && let Some((info, soft_error)) = connection.tcp_info()
        {
            self.handle_tcp_info(now, info, soft_error);
        }
    }

    /// Passes on what the kernel says of the connection.
    pub(super) fn handle_tcp_info(
        &mut self,
        now: Instant,
        info: TcpInfo,
        soft_error: Option<io::Error>,
    ) {
        let event = self.session.handle_tcp_info(now, info);
        self.notify(&event);
        if let Some(error) = soft_error {
            debug!(target = %self.target.name(), %error, "soft error");
            let event = self.session.handle_soft_error();
            self.notify(&event);
        }
    }
}

/// Schedules the task after the runtime's next poll of sockets and timers. Woken at once, the
/// task of a peer that floods would run many times before others are found to be due.
fn yield_to_others(cx: &mut Context<'_>) {
    let _ = pin!(yield_now()).poll(cx);
}

/// Handles a frame that arrived.
fn reply<S: Sensor>(
    session: &mut Session,
    flow: &mut Option<Box<Flow>>,
    sensor: &mut S,
    backoff: &mut Backoff,
) -> impl FnMut(Stamp, Probe) {
    move |stamp, probe| {
        let Some(event) = session.handle_reply(stamp, probe) else {
            return;
        };
        if let Event::Received { .. } = event {
            backoff.reset();
        }
        if let Some(flow) = flow {
            flow.observe(&event, session, stamp.read.at);
        }
        sensor.on_event(&event, session);
    }
}

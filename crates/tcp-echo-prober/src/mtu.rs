//! Checks, now and then, whether the path to a target passes large packets.
//!
//! A probe is small, and so tells nothing about large packets. A router that can't forward one should
//! say so, and the sender then sends smaller ones (RFC 1191, RFC 8201). Where that message is lost,
//! every transfer hangs, and every probe succeeds.

mod check;

use std::{
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use tcp_echo_session::MtuProbe;
use tokio::time::{Sleep, sleep};
use tracing::{info, warn};

use self::check::{Check, Found};
use crate::{
    Options, SocketOptions, Target,
    dial::{Boxed, Dialer},
};

/// The first checks of all targets are spread over one period of checks, at most over this.
const MAX_SPREAD: Duration = Duration::from_secs(60);
/// The shortest time between two checks, however long one takes.
const MIN_PAUSE: Duration = Duration::from_millis(100);
/// The bounds of the time for an echo. Within the least, TCP repairs a lost segment twice.
const MIN_LIMIT: Duration = Duration::from_secs(1);
const MAX_LIMIT: Duration = Duration::from_secs(5);

/// The checks of one target.
pub(crate) struct MtuWatch {
    every: Duration,
    state: State,
    /// The last result.
    last: Option<Found>,
}

enum State {
    Waiting(Pin<Box<Sleep>>),
    Checking {
        started: Instant,
        check: Boxed<Option<Found>>,
    },
}

impl MtuWatch {
    /// The checks of a target, if there are any: one of its flows has them.
    pub(crate) fn new(flow: u16, options: &Options) -> Option<Box<Self>> {
        let every = options.mtu_probe.filter(|_| flow == 0)?;
        let first = every.min(MAX_SPREAD).mul_f64(fastrand::f64());
        Some(Box::new(Self {
            every,
            state: State::Waiting(Box::pin(sleep(first))),
            last: None,
        }))
    }

    /// Ready with the result of a check. It goes to the address of the target's connection,
    /// `peer`; without one, or without a socket, a check is left out.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        peer: Option<SocketAddr>,
        target: &Target,
        dialer: &Arc<Dialer>,
    ) -> Poll<MtuProbe> {
        loop {
            match &mut self.state {
                State::Waiting(wait) => {
                    ready!(wait.as_mut().poll(cx));
                    self.state = match begin(peer, self.last, target, dialer) {
                        Some(check) => State::Checking {
                            started: Instant::now(),
                            check,
                        },
                        None => State::Waiting(Box::pin(sleep(self.every))),
                    };
                }
                State::Checking { started, check } => {
                    let found = ready!(check.as_mut().poll(cx));
                    let pause = self.every.saturating_sub(started.elapsed());
                    self.state = State::Waiting(Box::pin(sleep(pause.max(MIN_PAUSE))));
                    if let Some(found) = found {
                        self.log(found, target, dialer);
                        return Poll::Ready(found.probe);
                    }
                }
            }
        }
    }

    /// Logs a change.
    fn log(&mut self, found: Found, target: &Target, dialer: &Dialer) {
        let last = self.last.replace(found);
        let is_bad = |found: Found| matches!(found.probe, MtuProbe::Drops { .. });
        let was_bad = last.is_some_and(is_bad);
        let is_change = match last {
            Some(last) if was_bad => last.probe != found.probe,
            _ => is_bad(found),
        };
        if !is_change || !dialer.may_log() {
            return;
        }
        if is_bad(found) {
            warn!(target = %target.name(), "{}", found.probe);
        } else {
            info!(target = %target.name(), "large packets pass again");
        }
    }
}

/// A check, if there are a peer and a socket for it.
fn begin(
    peer: Option<SocketAddr>,
    last: Option<Found>,
    target: &Target,
    dialer: &Dialer,
) -> Option<Boxed<Option<Found>>> {
    let peer = peer?;
    let permit = dialer.sockets.try_permit()?;
    let check = Check {
        peer,
        socket: SocketOptions {
            // The probing connection may have the port.
            source_port: None,
            ..dialer.options.socket.clone()
        },
        wire: dialer.options.wire,
        limit: target.session().timeout().clamp(MIN_LIMIT, MAX_LIMIT),
    };
    Some(Box::pin(async move {
        let found = check.run(last).await;
        drop(permit);
        found
    }))
}

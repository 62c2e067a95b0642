//! Looking a name up as the system does.

use std::{net::SocketAddr, pin::pin, sync::Arc, time::Duration, time::Instant};

use tokio::{
    task::spawn_blocking,
    time::{sleep, sleep_until},
};

use crate::{
    Failure, IpVersion, LookupType,
    look_up::Waiting,
    places::PROMPT,
    resolver::{Asked, Work},
};

/// How long the other family is waited for when one has come (RFC 8305, section 3).
pub(crate) const RESOLUTION_DELAY: Duration = Duration::from_millis(50);

/// Those who wait for the addresses of a name.
pub(crate) type Plain = Waiting<Vec<SocketAddr>>;

type Found = Result<Vec<SocketAddr>, Failure>;

/// Looks `key` up, tells those who wait, and takes it off the list of what is looked up.
pub(crate) async fn run(work: Arc<Work>, key: (String, IpVersion), waiting: Arc<Plain>) {
    let look_up = OneName { work, key, waiting };
    tokio::select! {
        () = look_up.ask() => {}
        never = look_up.waiting.tell_when_late() => match never {},
    }
}

struct OneName {
    work: Arc<Work>,
    key: (String, IpVersion),
    waiting: Arc<Plain>,
}

impl Drop for OneName {
    fn drop(&mut self) {
        self.work.plain().remove(&self.key);
    }
}

impl OneName {
    async fn ask(&self) {
        match self.key.1 {
            IpVersion::Auto => self.both().await,
            ip => self.waiting.tell(self.call(ip, false).await),
        }
    }

    /// Asks for both families in one, which is what keeps to the system's rules: a name
    /// in the list of hosts is not asked for elsewhere. Where that takes long, or failed
    /// without saying that there is nothing (for the system, one family that fails is a
    /// failure of both), it asks for each by itself besides, and tells what there is. It
    /// ends when all have ended, so that nothing hangs twice.
    async fn both(&self) {
        let mut any = pin!(self.call(IpVersion::Auto, false));
        let mut parts = Parts::default();
        tokio::select! {
            found = &mut any => match found {
                Err(Failure::NoAnswer | Failure::Server) => parts.any = Some(found),
                found => return self.waiting.tell(found),
            },
            () = async { self.waiting.urgent().await; sleep(PROMPT).await } => {}
        }
        let mut v4 = pin!(self.call(IpVersion::V4, true));
        let mut v6 = pin!(self.call(IpVersion::V6, true));
        let mut tell_at = None;
        while !parts.are_complete() {
            let due = tell_at.unwrap_or_else(Instant::now);
            tokio::select! {
                found = &mut any, if parts.any.is_none() => {
                    // It has all there is, or knows that there is nothing.
                    let is_whole = found.as_ref().map_or_else(Failure::is_definite, |_| true);
                    parts.any = Some(found);
                    if is_whole {
                        break;
                    }
                }
                found = &mut v4, if parts.v4.is_none() => parts.v4 = Some(found),
                found = &mut v6, if parts.v6.is_none() => parts.v6 = Some(found),
                () = sleep_until(due.into()), if tell_at.is_some() => {
                    tell_at = None;
                    self.waiting.tell(parts.found());
                    continue;
                }
            }
            if parts.found().is_ok() {
                let is_answered = self.waiting.is_answered();
                let delay = if is_answered {
                    Duration::ZERO
                } else {
                    RESOLUTION_DELAY
                };
                tell_at.get_or_insert(Instant::now() + delay);
            }
        }
        let found = parts.found();
        if tell_at.is_some() || !self.waiting.is_answered() {
            self.waiting.tell(found);
        }
    }

    /// Asks for these addresses, when it is its turn.
    async fn call(&self, ip: IpVersion, is_slow: bool) -> Found {
        let asked = Asked {
            name: self.key.0.clone(),
            of: LookupType::System,
            ip,
        };
        let is_slow = {
            let slow = self.work.slow();
            if slow.is_waiting(&asked, Instant::now()) {
                return Err(Failure::NoAnswer);
            }
            is_slow || slow.contains(&asked)
        };
        let (work, waiting) = (self.work.clone(), self.waiting.clone());
        // In a task of its own, so that what was asked is counted, needed or not.
        let call = tokio::spawn(call(work, waiting, asked, is_slow));
        call.await
            .unwrap_or_else(|error| Err(Failure::other(error)))
    }
}

async fn call(work: Arc<Work>, waiting: Arc<Plain>, asked: Asked, is_slow: bool) -> Found {
    let ended = || Failure::other("the resolver has ended");
    let (place, prompt) = work.places.take(is_slow).await.ok_or_else(ended)?;
    if !waiting.is_wanted() {
        return Err(Failure::other("nobody waits any more"));
    }
    waiting.begin();
    let started = Instant::now();
    let blocking = {
        let (work, asked) = (work.clone(), asked.clone());
        spawn_blocking(move || {
            let found = work.ask(&asked.name, asked.ip);
            drop(place);
            found
        })
    };
    let found = prompt.while_it_lasts(blocking).await;
    let found = found.unwrap_or_else(|error| Err(Failure::other(error)));
    work.note(asked, &found, started);
    found
}

/// What is known of both families.
#[derive(Default)]
struct Parts {
    any: Option<Found>,
    v4: Option<Found>,
    v6: Option<Found>,
}

impl Parts {
    fn all(&self) -> [&Option<Found>; 3] {
        [&self.any, &self.v6, &self.v4]
    }

    /// Whether all have ended.
    fn are_complete(&self) -> bool {
        self.all().into_iter().all(Option::is_some)
    }

    /// All addresses, each once; or why there is none.
    fn found(&self) -> Found {
        let mut addresses = Vec::new();
        let mut failure = None;
        for part in self.all().into_iter().flatten() {
            match part {
                Ok(found) => {
                    for address in found {
                        if !addresses.contains(address) {
                            addresses.push(*address);
                        }
                    }
                }
                // That there is nothing is known only where all have said so.
                Err(error) if failure.is_none() || !error.is_definite() => failure = Some(error),
                Err(_) => {}
            }
        }
        if addresses.is_empty() {
            return Err(failure.cloned().unwrap_or(Failure::NoAnswer));
        }
        Ok(addresses)
    }
}

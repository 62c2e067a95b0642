//! Look-ups by the system's resolver.

use std::{net::SocketAddr, pin::pin, sync::Arc, time::Duration, time::Instant};

use tokio::{
    task::spawn_blocking,
    time::{sleep, sleep_until},
};

use crate::{
    Failure, IpVersion, LookupType,
    look_up::Waiters,
    permits::PROMPT,
    resolver::{Query, Work},
};

/// How long one family waits for the other (RFC 8305, section 3).
pub(crate) const RESOLUTION_DELAY: Duration = Duration::from_millis(50);

/// The waiters of a look-up by the system's resolver.
pub(crate) type Plain = Waiters<Vec<SocketAddr>>;

type Found = Result<Vec<SocketAddr>, Failure>;

/// Looks `key` up, notifies the waiters, and removes the look-up from the list.
pub(crate) async fn run(work: Arc<Work>, key: (String, IpVersion), waiting: Arc<Plain>) {
    let look_up = OneName { work, key, waiting };
    tokio::select! {
        () = look_up.ask() => {}
        never = look_up.waiting.notify_when_late() => match never {},
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
            ip => self.waiting.notify(self.call(ip, false).await),
        }
    }

    /// Asks for both families at once, as the system's rules require: a name in the list of
    /// hosts is not asked for elsewhere. If that takes long, or fails without a definite answer
    /// (one family that fails is a failure of both), it also asks for each family, and reports
    /// what is found. It ends when all calls have ended, so that none hangs twice.
    async fn both(&self) {
        let mut any = pin!(self.call(IpVersion::Auto, false));
        let mut parts = Parts::default();
        tokio::select! {
            found = &mut any => match found {
                Err(Failure::NoAnswer | Failure::Server) => parts.any = Some(found),
                found => return self.waiting.notify(found),
            },
            () = async { self.waiting.urgent().await; sleep(PROMPT).await } => {}
        }
        let mut v4 = pin!(self.call(IpVersion::V4, true));
        let mut v6 = pin!(self.call(IpVersion::V6, true));
        let mut notify_at = None;
        while !parts.are_complete() {
            let due = notify_at.unwrap_or_else(Instant::now);
            tokio::select! {
                found = &mut any, if parts.any.is_none() => {
                    // It has all addresses, or a definite answer that there are none.
                    let is_whole = found.as_ref().map_or_else(Failure::is_definite, |_| true);
                    parts.any = Some(found);
                    if is_whole {
                        break;
                    }
                }
                found = &mut v4, if parts.v4.is_none() => parts.v4 = Some(found),
                found = &mut v6, if parts.v6.is_none() => parts.v6 = Some(found),
                () = sleep_until(due.into()), if notify_at.is_some() => {
                    notify_at = None;
                    self.waiting.notify(parts.found());
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
                notify_at.get_or_insert(Instant::now() + delay);
            }
        }
        let found = parts.found();
        if notify_at.is_some() || !self.waiting.is_answered() {
            self.waiting.notify(found);
        }
    }

    /// Calls the system's resolver once a permit is free.
    async fn call(&self, ip: IpVersion, is_slow: bool) -> Found {
        let query = Query {
            name: self.key.0.clone(),
            of: LookupType::System,
            ip,
        };
        let is_slow = {
            let slow = self.work.slow();
            if slow.is_waiting(&query, Instant::now()) {
                return Err(Failure::NoAnswer);
            }
            is_slow || slow.contains(&query)
        };
        let (work, waiting) = (self.work.clone(), self.waiting.clone());
        // In a task of its own, so that it is counted even if it is no longer needed.
        let call = tokio::spawn(call(work, waiting, query, is_slow));
        call.await
            .unwrap_or_else(|error| Err(Failure::other(error)))
    }
}

async fn call(work: Arc<Work>, waiting: Arc<Plain>, query: Query, is_slow: bool) -> Found {
    let ended = || Failure::other("the resolver has ended");
    let (permit, prompt) = work.permits.take(is_slow).await.ok_or_else(ended)?;
    if !waiting.is_wanted() {
        return Err(Failure::other("cancelled"));
    }
    waiting.begin();
    let started = Instant::now();
    let blocking = {
        let (work, query) = (work.clone(), query.clone());
        spawn_blocking(move || {
            let found = work.ask(&query.name, query.ip);
            drop(permit);
            found
        })
    };
    let found = prompt.during(blocking).await;
    let found = found.unwrap_or_else(|error| Err(Failure::other(error)));
    work.note(query, &found, started);
    found
}

/// The answers for both families.
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

    /// All addresses without duplicates, or an error.
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
                // A definite answer takes all families.
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

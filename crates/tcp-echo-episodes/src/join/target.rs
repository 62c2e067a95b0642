//! The episodes of one target.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant, SystemTime},
};

use tcp_echo_prober::{Cause, Episode, Paths};

use crate::{announce::Announcements, record::Record, registry::wall, totals::Totals};

type Moment = (Instant, SystemTime);

/// How long a begin waits for its line in the log: by then the cause is better known, and
/// whether other flows follow.
const ANNOUNCE_AFTER: Duration = Duration::from_secs(1);
const ANNOUNCE_PATH_AFTER: Duration = Duration::from_secs(3);

#[derive(Debug)]
pub(crate) struct TargetEpisodes {
    name: Arc<str>,
    flows: u16,
    /// Flows of which anything was ever seen.
    seen: BTreeMap<u16, Option<FlowEpisode>>,
    current: Option<Current>,
    totals: Totals,
}

#[derive(Debug)]
struct FlowEpisode {
    began: Instant,
    cause: Cause,
    lost: Arc<AtomicU64>,
}

/// An episode of the target that lasts.
#[derive(Debug)]
struct Current {
    began: Instant,
    record: Record,
    /// The first flow that was in it.
    flow: u16,
    /// The most flows that were in it at one time.
    widest: usize,
    /// Slots lost by flows that are out of it.
    lost_before: u64,
    last_end: Instant,
    seen: Instant,
    is_logged: bool,
}

/// One that has ended, and whether its begin is in the log.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) record: Record,
    pub(crate) is_logged: bool,
}

impl TargetEpisodes {
    pub(crate) fn new(name: Arc<str>, flows: u16) -> Self {
        Self {
            name,
            flows,
            seen: BTreeMap::new(),
            current: None,
            totals: Totals::default(),
        }
    }

    pub(crate) const fn totals(&self) -> &Totals {
        &self.totals
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.seen.is_empty()
    }

    /// An episode of a flow has begun, changed or ended.
    pub(crate) fn on_episode(
        &mut self,
        flow: u16,
        episode: Episode,
        lost: Arc<AtomicU64>,
        at: Moment,
    ) -> Option<Ended> {
        let of_flow = FlowEpisode {
            began: episode.began,
            cause: episode.cause,
            lost,
        };
        self.seen.insert(flow, Some(of_flow));
        self.join(flow, at);
        self.leave(flow, episode.ended?)
    }

    /// A flow is no longer probed. Returns what ends with it.
    pub(crate) fn on_gone(&mut self, flow: u16, at: Instant) -> Option<Ended> {
        let ended = self.leave(flow, at);
        self.seen.remove(&flow);
        ended
    }

    /// A flow is in an episode.
    fn join(&mut self, flow: u16, at: Moment) {
        let bad: Vec<_> = self.seen.values().flatten().collect();
        let Some(began) = bad.iter().map(|episode| episode.began).min() else {
            return;
        };
        let is_most = bad.len() * 2 > usize::from(self.flows);
        let cause = commonest(bad.iter().map(|episode| episode.cause));
        let name = &self.name;
        let current = self
            .current
            .get_or_insert_with(|| Current::new(name, flow, began, cause, at));
        current.begin(began, at);
        if bad.len() < current.widest {
            // The cause is that of the time when most flows were in it.
            return;
        }
        current.widest = bad.len();
        current.record.cause = if is_most { cause } else { of_one_path(cause) };
    }

    /// A flow is out of its episode.
    fn leave(&mut self, flow: u16, ended: Instant) -> Option<Ended> {
        let episode = self.seen.get_mut(&flow)?.take()?;
        let is_over = self.seen.values().all(Option::is_none);
        let current = self.current.as_mut()?;
        current.lost_before += episode.lost.load(Relaxed);
        current.last_end = current.last_end.max(ended);
        if !is_over {
            return None;
        }
        let current = self.current.take()?;
        let end = current.last_end;
        Some(self.end(current, end))
    }

    fn end(&mut self, current: Current, ended: Instant) -> Ended {
        let length = ended.saturating_duration_since(current.began);
        let mut record = current.record;
        self.totals.add(record.cause, length);
        record.slots_lost = current.lost_before;
        // So it is as long as it was, also if the clock was set meanwhile.
        record.ended = Some(record.began + length);
        Ended {
            record,
            is_logged: current.is_logged,
        }
    }

    /// The episode that lasts.
    pub(crate) fn lasting(&self) -> Option<Record> {
        let current = self.current.as_ref()?;
        let flows = self.seen.values().flatten();
        let lost: u64 = flows.map(|episode| episode.lost.load(Relaxed)).sum();
        Some(Record {
            slots_lost: current.lost_before + lost,
            ..current.record.clone()
        })
    }

    /// Looks up the port and the last hop of the flow in question.
    pub(crate) fn locate(&mut self, paths: Option<&Paths>) {
        let Some(Current { record, flow, .. }) = &mut self.current else {
            return;
        };
        if self.flows > 1 && record.cause != Cause::Path {
            (record.source_port, record.last_hop) = (None, None);
            return;
        }
        let flows = paths.and_then(|paths| paths.flows(&self.name));
        let found = flows.and_then(|flows| flows.into_iter().nth((*flow).into()));
        if let Some(found) = found {
            // A later one may be that of another connection.
            record.source_port = record.source_port.or(found.source_port);
            let hop = found
                .path
                .as_ref()
                .and_then(|path| path.last_hop()?.address);
            record.last_hop = hop.or(record.last_hop);
        }
    }

    /// Announces the begin if its time has come.
    pub(crate) fn announce(&mut self, announcements: &mut Announcements, now: Instant) {
        let Some(current) = self.current.as_mut().filter(|current| !current.is_logged) else {
            return;
        };
        let wait = match current.record.cause {
            Cause::Path => ANNOUNCE_PATH_AFTER,
            _ => ANNOUNCE_AFTER,
        };
        if now.saturating_duration_since(current.seen) >= wait {
            current.is_logged = true;
            announcements.begin(&current.record);
        }
    }

    pub(crate) fn is_unannounced(&self) -> bool {
        self.current
            .as_ref()
            .is_some_and(|current| !current.is_logged)
    }
}

impl Current {
    fn new(name: &Arc<str>, flow: u16, began: Instant, cause: Cause, at: Moment) -> Self {
        Self {
            began,
            record: Record {
                target: Arc::clone(name),
                began: wall(began, at),
                ended: None,
                cause,
                slots_lost: 0,
                source_port: None,
                last_hop: None::<IpAddr>,
            },
            flow,
            widest: 1,
            lost_before: 0,
            last_end: began,
            seen: at.0,
            is_logged: false,
        }
    }

    /// It may turn out to have begun earlier.
    fn begin(&mut self, began: Instant, at: Moment) {
        if began < self.began {
            self.began = began;
            self.record.began = wall(began, at);
        }
    }
}

/// The cause that most have; of several, the first.
fn commonest(causes: impl Iterator<Item = Cause>) -> Cause {
    let mut counts = [0_u32; Cause::ALL.len()];
    for cause in causes {
        counts[cause as usize] += 1;
    }
    let all = Cause::ALL.iter().rev();
    let most = all.max_by_key(|cause| counts[**cause as usize]);
    most.copied().unwrap_or(Cause::Unknown)
}

/// The cause if other flows pass.
const fn of_one_path(cause: Cause) -> Cause {
    match cause {
        Cause::Blackhole
        | Cause::BlackholeForward
        | Cause::BlackholeReverse
        | Cause::PacketLoss
        | Cause::Queueing
        | Cause::Unknown => Cause::Path,
        other => other,
    }
}

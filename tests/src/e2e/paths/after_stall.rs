//! A path dies: its last living hop, what the other flows notice of the trace, and the way back.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Result, ensure};
use tcp_echo_prober::{DisconnectReason, Event, Observer, Paths, Sensor, Session, Target, Trace};
use testkit::context::Context;

use super::fan::Fan;
use super::probing::{INTERVAL, TIMEOUT, start, target, until_probing};
use super::seeds;

const PATHS: usize = 8;
const FLOWS: u16 = 16;
/// The flows before this one stay on their path; the others explore.
const STEADY: u16 = FLOWS - FLOWS / 4;

const NAME: &str = "target";

/// How long RTTs are collected before a path dies, and while it is dead.
const WINDOW: Duration = Duration::from_secs(8);

/// How long a trace may take, from the stall.
const TRACE: Duration = Duration::from_secs(1);

/// How much longer the first reply may take on a busy machine.
const GRACE: Duration = Duration::from_millis(250);

/// How often paths are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(5);

pub(super) fn run(context: &Context) -> Result<()> {
    let fan = Fan::new(context, u8::try_from(PATHS)?)?;
    let rounds = seeds(3)?;
    let log = Log::default();
    let targets = vec![target(NAME, &Fan::target(), FLOWS)?];
    let (_prober, paths) = start(&fan.client, targets, Trace::OnLoss, log.clone())?;
    until_probing(&paths, [NAME])?;
    let mut seen = Seen::default();
    for round in 0..rounds {
        round_of(&fan, &log, &paths, round % PATHS, &mut seen)?;
    }
    seen.judge(context, rounds)
}

/// What was seen in all rounds.
#[derive(Default)]
struct Seen {
    /// From the stall of the first flow in a round to its path, and of each.
    first: Vec<Duration>,
    all: Vec<Duration>,
    /// Traces that name another hop than the last living one.
    wrong: usize,
    /// From the repair to the first reply.
    back: Vec<Duration>,
    /// RTTs of flows on other paths, before and while a path is dead.
    before: Vec<Duration>,
    during: Vec<Duration>,
}

fn round_of(fan: &Fan, log: &Log, paths: &Paths, path: usize, seen: &mut Seen) -> Result<()> {
    let began = Instant::now();
    thread::sleep(WINDOW);
    let (cut, cut_at) = (Instant::now(), SystemTime::now());
    fan.lose_on_path(path, 100)?;
    let mut named = vec![None; usize::from(FLOWS)];
    while cut.elapsed() < WINDOW {
        let flows = paths.flows(NAME).unwrap_or_default();
        for (flow, named) in flows.iter().zip(&mut named) {
            let fresh = flow
                .path
                .as_ref()
                .filter(|path| path.ended > cut_at && !path.is_complete);
            if let Some(path) = fresh
                && named.is_none()
            {
                let last_hop = path.last_hop().and_then(|hop| hop.address);
                *named = Some((Instant::now(), last_hop));
            }
        }
        thread::sleep(LOOK_EVERY);
    }
    fan.heal()?;
    let healed = Instant::now();
    thread::sleep(3 * TIMEOUT);

    let events = log.take();
    let stalled: Vec<_> = (0..STEADY)
        .filter_map(|flow| {
            let stall = events
                .iter()
                .find(|one| one.flow == flow && one.rtt.is_none() && one.at > cut)?;
            Some((flow, stall.at))
        })
        .collect();
    let first = stalled.iter().map(|(_, at)| *at).min();
    for (flow, at) in &stalled {
        let Some((name_at, last_hop)) = named[usize::from(*flow)] else {
            // There were too many at once.
            seen.all.push(WINDOW);
            continue;
        };
        let took = name_at.saturating_duration_since(*at);
        seen.all.push(took);
        if Some(*at) == first {
            seen.first.push(took);
        }
        seen.wrong += usize::from(last_hop != Some(Fan::hop(path)?));
        let reply = events
            .iter()
            .find(|one| one.flow == *flow && one.rtt.is_some() && one.at > healed);
        seen.back
            .push(reply.map_or(WINDOW, |reply| reply.at - healed));
    }
    let is_dead = |flow| stalled.iter().any(|(dead, _)| *dead == flow);
    for event in events
        .iter()
        .filter(|one| one.flow < STEADY && one.at > began && !is_dead(one.flow))
    {
        if event.at < cut {
            seen.before.extend(event.rtt);
        } else if event.at < healed {
            seen.during.extend(event.rtt);
        }
    }
    Ok(())
}

impl Seen {
    fn judge(mut self, context: &Context, rounds: usize) -> Result<()> {
        for times in [
            &mut self.first,
            &mut self.all,
            &mut self.back,
            &mut self.before,
            &mut self.during,
        ] {
            times.sort_unstable();
        }
        let at = |times: &[Duration], percent: usize| {
            let last = times.len().saturating_sub(1);
            times
                .get((times.len() * percent / 100).min(last))
                .copied()
                .unwrap_or_default()
        };
        let (before, during) = (at(&self.before, 50), at(&self.during, 50));
        let change = (during.as_secs_f64() / before.as_secs_f64() - 1.0) * 100.0;
        context.note(format!(
            "{} flows on dead paths in {rounds} rounds; last living hop of the first flow of a round {:.0?} after \
             its stall (median), {:.0?} (most), of all flows {:.0?} (median), {:.0?} (most), {} named within {TRACE:?}, \
             {} wrong",
            self.all.len(),
            at(&self.first, 50),
            at(&self.first, 100),
            at(&self.all, 50),
            at(&self.all, 100),
            self.all.iter().filter(|took| **took <= TRACE).count(),
            self.wrong,
        ));
        context.note(format!(
            "first reply {:.0?} (median), {:.0?} (most) after the repair; p50 of other flows {before:?} before and \
             {during:?} while a path is dead ({change:+.1} %, {} and {} replies)",
            at(&self.back, 50),
            at(&self.back, 100),
            self.before.len(),
            self.during.len(),
        ));
        ensure!(!self.first.is_empty(), "no flow was on a dead path");
        ensure!(self.wrong == 0, "{} traces name another hop", self.wrong);
        ensure!(at(&self.first, 100) <= TRACE, "{:?}", self.first);
        ensure!(
            at(&self.back, 100) <= INTERVAL + TIMEOUT + GRACE,
            "{:?}",
            self.back
        );
        Ok(())
    }
}

/// Records replies and stalls of all flows.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<Record>>>);

impl Log {
    fn take(&self) -> Vec<Record> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A reply, or a stall if there is no RTT.
struct Record {
    flow: u16,
    at: Instant,
    rtt: Option<Duration>,
}

impl Observer for Log {
    type Sensor = FlowLog;

    fn attach(&self, target: &Target) -> FlowLog {
        self.attach_flow(target, 0)
    }

    fn attach_flow(&self, _target: &Target, flow: u16) -> FlowLog {
        FlowLog {
            log: self.clone(),
            flow,
        }
    }
}

/// Records for one flow.
struct FlowLog {
    log: Log,
    flow: u16,
}

impl Sensor for FlowLog {
    fn on_event(&mut self, event: &Event, _session: &Session) {
        let rtt = match event {
            Event::Received { rtt, .. } => Some(*rtt),
            Event::Disconnected {
                reason: DisconnectReason::Stalled,
            } => None,
            _ => return,
        };
        let record = Record {
            flow: self.flow,
            at: Instant::now(),
            rtt,
        };
        self.log
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(record);
    }
}

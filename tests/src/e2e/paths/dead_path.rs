//! How soon the flows of a target show that one of several paths is dead, or loses.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use tcp_echo_prober::{Paths, Trace};
use testkit::context::Context;

use super::fan::Fan;
use super::probing::{start, target, until_probing};
use super::seeds;

/// The flows of a target.
const FLOWS: u16 = 16;

/// So many targets are probed at once. The system chooses the ports of their flows, so each is another
/// sample of the paths.
const AT_ONCE: usize = 25;

/// How often flows are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// With so many targets, all is measured: false alarms, too, for a minute each.
const ALL: usize = 100;

pub(super) fn one_of_eight(context: &Context) -> Result<()> {
    let fan = Fan::new(context, 8)?;
    let count = seeds(AT_ONCE)?;
    let quiet = Duration::from_secs(if count < ALL { 3 } else { 60 });
    let mut found = Vec::new();
    for (round, first) in (0..count).step_by(AT_ONCE).enumerate() {
        let targets = Targets::start(&fan, AT_ONCE.min(count - first))?;
        if round == 0 {
            targets.stay_good(context, "without loss", quiet)?;
            if count >= ALL {
                fan.lose_everywhere(1)?;
                targets.stay_good(context, "with 1 % lost everywhere", quiet)?;
                fan.heal()?;
            }
        } else {
            targets.stay_good(context, "without loss", Duration::from_secs(3))?;
        }
        fan.lose_on_path(round % 8, 100)?;
        found.extend(targets.find(Duration::from_secs(30)));
        fan.heal()?;
    }
    let within = |limit: u64| {
        let limit = Duration::from_secs(limit);
        found
            .iter()
            .flatten()
            .filter(|took| **took <= limit)
            .count()
    };
    note(context, "one of eight paths dead", &found);
    // The first flows miss the path once in 8.5 times: (7/8)^16.
    let least = |goal: usize, rarely: usize| (count * goal / 100).saturating_sub(rarely);
    let slack = usize::from(count < ALL);
    ensure!(
        within(3) >= least(85, 3 * slack),
        "{} of {count} within 3 s",
        within(3)
    );
    ensure!(
        within(30) >= least(99, slack),
        "{} of {count} within 30 s",
        within(30)
    );
    Ok(())
}

pub(super) fn one_of_four_loses(context: &Context) -> Result<()> {
    let fan = Fan::new(context, 4)?;
    let count = seeds(AT_ONCE)?;
    let mut found = Vec::new();
    for (round, first) in (0..count).step_by(AT_ONCE).enumerate() {
        let targets = Targets::start(&fan, AT_ONCE.min(count - first))?;
        targets.stay_good(context, "without loss", Duration::from_secs(3))?;
        fan.lose_on_path(round % 4, 30)?;
        found.extend(targets.find(Duration::from_secs(30)));
        fan.heal()?;
    }
    note(context, "one of four paths loses 30 %", &found);
    let in_time = found.iter().flatten().count();
    ensure!(
        in_time >= count - count.div_ceil(50),
        "{in_time} of {count} within 30 s"
    );
    Ok(())
}

fn note(context: &Context, what: &str, found: &[Option<Duration>]) {
    let mut took: Vec<_> = found.iter().flatten().copied().collect();
    took.sort_unstable();
    let at =
        |percent: usize| took.get((took.len() * percent / 100).min(took.len().saturating_sub(1)));
    let within = |seconds| {
        took.iter()
            .filter(|took| **took <= Duration::from_secs(seconds))
            .count()
    };
    context.note(format!(
        "{what}: found by {} of {} targets within 3 s, {} within 10 s, {} within 30 s; after {:.1?} \
         (least), {:.1?} (median), {:.1?} (90 %), {:.1?} (most)",
        within(3),
        found.len(),
        within(10),
        within(30),
        at(0).copied().unwrap_or_default(),
        at(50).copied().unwrap_or_default(),
        at(90).copied().unwrap_or_default(),
        at(100).copied().unwrap_or_default(),
    ));
}

/// Targets of [`FLOWS`] flows that are probed.
struct Targets {
    names: Vec<String>,
    paths: Paths,
    _prober: tcp_echo_prober::Handle,
}

impl Targets {
    fn start(fan: &Fan, count: usize) -> Result<Self> {
        let names: Vec<_> = (0..count).map(|n| format!("target {n}")).collect();
        let targets = names.iter().map(|name| target(name, &Fan::target(), FLOWS));
        let targets = targets.collect::<Result<Vec<_>>>()?;
        let (prober, paths) = start(&fan.client, targets, Trace::OnLoss, ())?;
        until_probing(&paths, names.iter().map(String::as_str))?;
        Ok(Self {
            names,
            paths,
            _prober: prober,
        })
    }

    fn bad(&self, name: &str) -> u16 {
        self.paths.summary(name).map_or(0, |flows| flows.bad)
    }

    /// Ensures that flows are good for so long, where none of them has a reason not to be.
    fn stay_good(&self, context: &Context, what: &str, time: Duration) -> Result<()> {
        let started = Instant::now();
        let mut were_bad = vec![0; self.names.len()];
        let mut alarms = 0;
        while started.elapsed() < time {
            for (name, was_bad) in self.names.iter().zip(&mut were_bad) {
                let bad = self.bad(name);
                alarms += bad.saturating_sub(*was_bad);
                *was_bad = bad;
            }
            thread::sleep(LOOK_EVERY);
        }
        let flows = self.names.len() * usize::from(FLOWS);
        let text = format!("{alarms} false alarms of {flows} flows in {time:?} {what}");
        if alarms > 0 || time > Duration::from_secs(5) {
            context.note(&text);
        }
        ensure!(usize::from(alarms) * 100 <= flows, "{text}");
        Ok(())
    }

    /// How long it takes until a flow of each is bad.
    fn find(&self, limit: Duration) -> Vec<Option<Duration>> {
        let started = Instant::now();
        let mut found = vec![None; self.names.len()];
        while started.elapsed() < limit && found.iter().any(Option::is_none) {
            for (name, found) in self.names.iter().zip(&mut found) {
                if found.is_none() && self.bad(name) > 0 {
                    *found = Some(started.elapsed());
                }
            }
            thread::sleep(LOOK_EVERY);
        }
        found
    }
}

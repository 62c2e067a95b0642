//! The current targets of a prober: its set, and those on demand.

use std::{
    collections::BTreeMap,
    hash::{BuildHasher, BuildHasherDefault, DefaultHasher},
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use tcp_echo_net::{ClientQuotas, QuotaError};

use crate::{
    Changes, OnDemandLimits, Target, TargetSet,
    commands::{Command, Commands},
};

/// How many targets on demand, or look-ups for them, a client may hold for each free one. So it
/// has up to three quarters of what the others leave.
pub(crate) const HELD_PER_FREE: usize = 3;

/// The targets of a prober, and its workers. No name is both in the set and on demand.
#[derive(Debug)]
pub(crate) struct ActiveTargets {
    set: TargetSet,
    asked: BTreeMap<Arc<str>, Asked>,
    /// Their number per client.
    quotas: ClientQuotas,
    /// Empty once the prober has ended.
    workers: Vec<Arc<Commands>>,
}

#[derive(Debug)]
struct Asked {
    last: Instant,
    /// The client that it counts for: the first one, or the one that kept asking.
    client: Option<IpAddr>,
    /// When that client asked last.
    client_last: Instant,
}

/// The answer to a request for a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// A target of its name exists, in the set or on demand.
    Active,
    /// A limit is reached.
    Refused(QuotaError),
    /// It does not exist yet.
    New,
    /// The prober has ended.
    Ended,
}

impl ActiveTargets {
    pub(crate) fn new(workers: Vec<Arc<Commands>>) -> Self {
        Self {
            set: TargetSet::default(),
            asked: BTreeMap::new(),
            quotas: ClientQuotas::new(HELD_PER_FREE),
            workers,
        }
    }

    pub(crate) const fn set(&self) -> &TargetSet {
        &self.set
    }

    /// Replaces the set; `None` when the prober has ended. A name that comes into the set
    /// belongs to the set from then on, even if a client has asked for it before.
    pub(crate) fn apply(&mut self, new: TargetSet) -> Option<Changes> {
        if self.workers.is_empty() {
            return None;
        }
        let changes = self.set.apply(new);
        let removed = changes.removed.iter().map(|name| (name.clone(), None));
        let mut commands: Vec<Command> = removed.collect();
        for target in &changes.added {
            let name = target.name();
            if let Some(asked) = self.asked.remove(name) {
                self.quotas.release(asked.client);
            }
            // Of two commands for one name the later one counts.
            commands.push((name.clone(), Some(target.clone())));
        }
        self.send(commands);
        Some(changes)
    }

    /// Checks a request of `client` for a target. If the target exists, the request keeps it.
    pub(crate) fn ask(
        &mut self,
        target: &Target,
        client: Option<IpAddr>,
        now: Instant,
        limits: &OnDemandLimits,
    ) -> Answer {
        if self.workers.is_empty() {
            return Answer::Ended;
        }
        if self.set.contains(target.name()) {
            return Answer::Active;
        }
        let Some(asked) = self.asked.get_mut(target.name()) else {
            let may = self.quotas.check(client, limits.max);
            return may.map_or_else(Answer::Refused, |()| Answer::New);
        };
        asked.last = now;
        // A client that no longer asks gives the target up to one that does.
        let is_left = now.saturating_duration_since(asked.client_last) >= limits.idle;
        if is_left && asked.client != client {
            self.quotas.release(asked.client);
            self.quotas.take(client);
            asked.client = client;
        }
        if asked.client == client {
            asked.client_last = now;
        }
        Answer::Active
    }

    /// Starts a target for which [`ask`](Self::ask) has returned [`Answer::New`].
    pub(crate) fn start(&mut self, target: Target, client: Option<IpAddr>, now: Instant) {
        let name = target.name().clone();
        self.send(vec![(name.clone(), Some(target))]);
        let asked = Asked {
            last: now,
            client,
            client_last: now,
        };
        self.quotas.take(client);
        if let Some(before) = self.asked.insert(name, asked) {
            self.quotas.release(before.client);
        }
    }

    /// Ends the targets that nobody has asked for within `idle`. Returns how many ended, and
    /// when the next one may.
    pub(crate) fn end_idle(&mut self, now: Instant, idle: Duration) -> (usize, Option<Instant>) {
        let is_idle = |asked: &Asked| now.saturating_duration_since(asked.last) >= idle;
        let all = std::mem::take(&mut self.asked);
        let (ended, kept): (BTreeMap<_, _>, _) =
            all.into_iter().partition(|(_, asked)| is_idle(asked));
        self.asked = kept;
        for asked in ended.values() {
            self.quotas.release(asked.client);
        }
        self.send(ended.keys().map(|name| (name.clone(), None)).collect());
        let oldest = self.asked.values().map(|asked| asked.last).min();
        (ended.len(), oldest.map(|oldest| oldest + idle))
    }

    /// Ends the workers, and drops everything.
    pub(crate) fn end(&mut self) {
        for worker in &self.workers {
            worker.close();
        }
        *self = Self::new(Vec::new());
    }

    /// Sends each worker the commands for its names, all at once.
    fn send(&self, commands: Vec<Command>) {
        if let [worker] = &*self.workers {
            return worker.push(commands);
        }
        let mut batches: Vec<Vec<Command>> = self.workers.iter().map(|_| Vec::new()).collect();
        for command in commands {
            let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(&command.0);
            let worker = hash.checked_rem(self.workers.len() as u64);
            let worker = worker.and_then(|worker| usize::try_from(worker).ok());
            if let Some(batch) = worker.and_then(|worker| batches.get_mut(worker)) {
                batch.push(command);
            }
        }
        for (worker, batch) in self.workers.iter().zip(batches) {
            worker.push(batch);
        }
    }
}

#[cfg(test)]
mod tests {
    use tcp_echo_session::SessionConfig;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn target(name: &str, interval: u32) -> Target {
        let session = SessionConfig::new(interval * SECOND, SECOND).unwrap();
        Target::new("127.0.0.1:1".parse().unwrap(), session).named(name)
    }

    fn limits(max: usize) -> OnDemandLimits {
        OnDemandLimits {
            networks: "127.0.0.0/8".parse().unwrap(),
            idle: 2 * SECOND,
            max,
        }
    }

    fn asked(name: &str) -> Target {
        target(name, 1).on_demand("127.0.0.0/8".parse().unwrap())
    }

    /// The commands of a worker: `+` and `-` before the names, in their order.
    fn taken(commands: &Commands) -> Vec<String> {
        let taken = commands.take(usize::MAX).unwrap();
        let sign = |command: &Command| if command.1.is_some() { '+' } else { '-' };
        let text = |command: Command| format!("{}{}", sign(&command), command.0);
        taken.into_iter().map(text).collect()
    }

    fn active() -> (ActiveTargets, Arc<Commands>) {
        let commands = Arc::new(Commands::default());
        (ActiveTargets::new(vec![commands.clone()]), commands)
    }

    #[test]
    fn what_was_not_taken_yet_is_replaced() {
        let (mut active, commands) = active();
        for interval in 1..100 {
            let _ = active.apply(TargetSet::new([target("a", interval)]).unwrap());
        }
        let taken = commands.take(usize::MAX).unwrap();
        assert_eq!(taken, [("a".into(), Some(target("a", 99)))]);
        let _ = active.apply(TargetSet::default());
        active.end();
        assert!(commands.take(usize::MAX).is_none());
    }

    #[test]
    fn set_and_asked_for_leave_each_other_alone() {
        let (mut active, commands) = active();
        let now = Instant::now();
        let set = |names: &[&str]| TargetSet::new(names.iter().map(|n| target(n, 1))).unwrap();
        let _ = active.apply(set(&["a", "b"]));
        assert_eq!(active.ask(&asked("c"), None, now, &limits(9)), Answer::New);
        active.start(asked("c"), None, now);
        assert_eq!(taken(&commands), ["+a", "+b", "+c"]);

        let _ = active.apply(set(&["a", "d"]));
        assert_eq!(taken(&commands), ["-b", "+d"]);
        assert_eq!(
            active.ask(&asked("c"), None, now, &limits(9)),
            Answer::Active
        );
        assert_eq!(
            active.ask(&asked("a"), None, now, &limits(9)),
            Answer::Active
        );
        assert_eq!(active.ask(&asked("b"), None, now, &limits(9)), Answer::New);

        assert_eq!(active.end_idle(now + SECOND, SECOND), (1, None));
        assert_eq!(taken(&commands), ["-c"]);
    }

    #[test]
    fn a_name_that_comes_into_the_set_is_the_sets() {
        let (mut active, commands) = active();
        let now = Instant::now();
        active.start(asked("a"), None, now);
        let set = TargetSet::new([target("a", 1)]).unwrap();
        let _ = active.apply(set);
        assert_eq!(taken(&commands), ["+a"]);
        assert_eq!(active.end_idle(now + SECOND, SECOND), (0, None));
        assert_eq!(
            active.ask(&asked("a"), None, now, &limits(0)),
            Answer::Active
        );
        let _ = active.apply(TargetSet::default());
        assert_eq!(taken(&commands), ["-a"]);
        assert_eq!(active.ask(&asked("a"), None, now, &limits(1)), Answer::New);
    }

    #[test]
    fn what_is_asked_for_again_stays() {
        let (mut active, commands) = active();
        let now = Instant::now();
        active.start(asked("a"), None, now);
        active.start(asked("b"), None, now);
        let later = now + SECOND;
        assert_eq!(
            active.ask(&asked("a"), None, later, &limits(2)),
            Answer::Active
        );
        let (ended, next) = active.end_idle(now + 2 * SECOND, 2 * SECOND);
        assert_eq!((ended, next), (1, Some(later + 2 * SECOND)));
        assert_eq!(taken(&commands), ["+a", "-b"]);
        let (ended, next) = active.end_idle(later + 2 * SECOND, 2 * SECOND);
        assert_eq!((ended, next), (1, None));
    }

    #[test]
    fn there_is_a_bound_and_one_way_to_probe_a_name() {
        let (mut active, commands) = active();
        let now = Instant::now();
        active.start(asked("a"), None, now);
        let full = Answer::Refused(QuotaError::Full);
        assert_eq!(active.ask(&asked("b"), None, now, &limits(1)), full);
        // A request with another interval keeps the existing target.
        let slower = target("a", 2).on_demand("127.0.0.0/8".parse().unwrap());
        let later = now + SECOND;
        assert_eq!(active.ask(&slower, None, later, &limits(1)), Answer::Active);
        assert_eq!(active.end_idle(later, SECOND), (0, Some(later + SECOND)));
        assert_eq!(taken(&commands), ["+a"]);
        active.end();
        assert_eq!(
            active.ask(&asked("b"), None, now, &limits(1)),
            Answer::Ended
        );
    }

    #[test]
    fn a_client_has_a_quota_and_shares_existing_targets() {
        let (mut active, _commands) = active();
        let [one, other] = ["192.0.2.1", "192.0.2.2"].map(|ip| Some(ip.parse().unwrap()));
        let (now, limits) = (Instant::now(), limits(4));
        for name in ["a", "b", "c"] {
            assert_eq!(active.ask(&asked(name), one, now, &limits), Answer::New);
            active.start(asked(name), one, now);
        }
        let refused = Answer::Refused(QuotaError::Reached);
        assert_eq!(active.ask(&asked("d"), one, now, &limits), refused);
        assert_eq!(active.ask(&asked("a"), one, now, &limits), Answer::Active);
        assert_eq!(active.ask(&asked("a"), other, now, &limits), Answer::Active);
        assert_eq!(active.ask(&asked("d"), other, now, &limits), Answer::New);
        // Whose set has a name needs no place for it.
        let _ = active.apply(TargetSet::new([target("a", 1)]).unwrap());
        assert_eq!(active.ask(&asked("d"), one, now, &limits), Answer::New);
    }

    #[test]
    fn a_place_is_that_of_the_client_who_goes_on_asking() {
        let (mut active, _commands) = active();
        let [one, other] = ["192.0.2.1", "192.0.2.2"].map(|ip| Some(ip.parse().unwrap()));
        let (now, limits) = (Instant::now(), limits(4));
        for name in ["a", "b", "c"] {
            active.start(asked(name), one, now);
        }
        let later = now + SECOND;
        assert_eq!(active.ask(&asked("a"), one, later, &limits), Answer::Active);
        for at in [now + SECOND, now + 2 * SECOND] {
            for name in ["a", "b", "c"] {
                assert_eq!(active.ask(&asked(name), other, at, &limits), Answer::Active);
            }
        }
        // The first client has asked for one of them since, so the others are the other's.
        let at = now + 2 * SECOND;
        assert_eq!(active.ask(&asked("d"), one, at, &limits), Answer::New);
        active.start(asked("d"), one, at);
        let full = Answer::Refused(QuotaError::Full);
        assert_eq!(active.ask(&asked("e"), one, at, &limits), full);
        // All places come back in the end.
        assert_eq!(active.end_idle(at + 2 * SECOND, 2 * SECOND), (4, None));
        for client in [one, other] {
            assert_eq!(active.ask(&asked("e"), client, at, &limits), Answer::New);
        }
    }
}

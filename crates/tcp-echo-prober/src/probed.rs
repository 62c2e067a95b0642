//! What is probed at the moment: the set that was given, and what was asked for.

use std::{
    collections::BTreeMap,
    hash::{BuildHasher, BuildHasherDefault, DefaultHasher},
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    Changes, Target, TargetSet,
    orders::{Order, Orders},
};

/// The targets of a prober, and the workers that have them. No name is in the set and
/// among the asked for at once.
#[derive(Debug, Default)]
pub(crate) struct Probed {
    set: TargetSet,
    asked: BTreeMap<Arc<str>, Asked>,
    /// Without any nothing is probed: the prober has ended.
    workers: Vec<Arc<Orders>>,
}

#[derive(Debug)]
struct Asked {
    target: Target,
    last: Instant,
}

/// What becomes of a target that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// There is one of its name already: of the set, or the same that was asked for.
    Probed,
    /// One of its name was asked for that is probed in another way.
    Differs,
    /// As many as may be asked for are.
    Full,
    /// It would be new.
    New,
    /// The prober has ended.
    Ended,
}

impl Probed {
    pub(crate) fn new(workers: Vec<Arc<Orders>>) -> Self {
        Self {
            workers,
            ..Self::default()
        }
    }

    pub(crate) const fn set(&self) -> &TargetSet {
        &self.set
    }

    /// Probes `new` and what was asked for from now on. A name that comes into the set
    /// is the set's from then on.
    pub(crate) fn apply(&mut self, new: TargetSet) -> Changes {
        let changes = self.set.apply(new);
        let removed = changes.removed.iter().map(|name| (name.clone(), None));
        let mut orders: Vec<Order> = removed.collect();
        for target in &changes.added {
            let name = target.name();
            self.asked.remove(name);
            // Of two orders for one name the later one counts.
            orders.push((name.clone(), Some(target.clone())));
        }
        self.tell(orders);
        changes
    }

    /// Whether a target may be asked for; one that is probed is noted as asked for.
    pub(crate) fn ask(&mut self, target: &Target, now: Instant, most: usize) -> Answer {
        if self.workers.is_empty() {
            return Answer::Ended;
        }
        if self.set.contains(target.name()) {
            return Answer::Probed;
        }
        let is_full = self.asked.len() >= most;
        match self.asked.get_mut(target.name()) {
            Some(asked) if asked.target == *target => {
                asked.last = now;
                Answer::Probed
            }
            Some(_) => Answer::Differs,
            None if is_full => Answer::Full,
            None => Answer::New,
        }
    }

    /// Probes a target of which [`ask`](Self::ask) has said that it would be new.
    pub(crate) fn begin(&mut self, target: Target, now: Instant) {
        let name = target.name().clone();
        self.tell(vec![(name.clone(), Some(target.clone()))]);
        self.asked.insert(name, Asked { target, last: now });
    }

    /// Ends what was not asked for since `idle` ago. Gives how many ended, and when the
    /// next may.
    pub(crate) fn end_idle(&mut self, now: Instant, idle: Duration) -> (usize, Option<Instant>) {
        let is_idle = |asked: &Asked| now.saturating_duration_since(asked.last) >= idle;
        let all = std::mem::take(&mut self.asked);
        let (ended, kept): (BTreeMap<_, _>, _) =
            all.into_iter().partition(|(_, asked)| is_idle(asked));
        self.asked = kept;
        self.tell(ended.keys().map(|name| (name.clone(), None)).collect());
        let oldest = self.asked.values().map(|asked| asked.last).min();
        (ended.len(), oldest.map(|oldest| oldest + idle))
    }

    /// Has the workers end, and keeps nothing.
    pub(crate) fn end(&mut self) {
        for worker in &self.workers {
            worker.close();
        }
        *self = Self::default();
    }

    /// Tells each worker at once what concerns the names that are its own.
    fn tell(&self, orders: Vec<Order>) {
        if let [worker] = &*self.workers {
            return worker.give(orders);
        }
        let mut shares: Vec<Vec<Order>> = self.workers.iter().map(|_| Vec::new()).collect();
        for order in orders {
            let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(&order.0);
            let share = hash.checked_rem(self.workers.len() as u64);
            let share = share.and_then(|share| usize::try_from(share).ok());
            if let Some(share) = share.and_then(|share| shares.get_mut(share)) {
                share.push(order);
            }
        }
        for (worker, share) in self.workers.iter().zip(shares) {
            worker.give(share);
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

    fn asked(name: &str) -> Target {
        target(name, 1).on_demand("127.0.0.0/8".parse().unwrap())
    }

    /// What a worker was told: `+` and `-` before the names, in their order.
    fn told(orders: &Orders) -> Vec<String> {
        let taken = orders.take(usize::MAX).unwrap();
        let sign = |order: &Order| if order.1.is_some() { '+' } else { '-' };
        let text = |order: Order| format!("{}{}", sign(&order), order.0);
        taken.into_iter().map(text).collect()
    }

    fn probed() -> (Probed, Arc<Orders>) {
        let orders = Arc::new(Orders::default());
        (Probed::new(vec![orders.clone()]), orders)
    }

    #[test]
    fn what_was_not_taken_yet_is_replaced() {
        let (mut probed, orders) = probed();
        for interval in 1..100 {
            let _ = probed.apply(TargetSet::new([target("a", interval)]).unwrap());
        }
        let taken = orders.take(usize::MAX).unwrap();
        assert_eq!(taken, [("a".into(), Some(target("a", 99)))]);
        let _ = probed.apply(TargetSet::default());
        probed.end();
        assert!(orders.take(usize::MAX).is_none());
    }

    #[test]
    fn set_and_asked_for_leave_each_other_alone() {
        let (mut probed, orders) = probed();
        let now = Instant::now();
        let set = |names: &[&str]| TargetSet::new(names.iter().map(|n| target(n, 1))).unwrap();
        let _ = probed.apply(set(&["a", "b"]));
        assert_eq!(probed.ask(&asked("c"), now, 9), Answer::New);
        probed.begin(asked("c"), now);
        assert_eq!(told(&orders), ["+a", "+b", "+c"]);

        let _ = probed.apply(set(&["a", "d"]));
        assert_eq!(told(&orders), ["-b", "+d"]);
        assert_eq!(probed.ask(&asked("c"), now, 9), Answer::Probed);
        assert_eq!(probed.ask(&asked("a"), now, 9), Answer::Probed);
        assert_eq!(probed.ask(&asked("b"), now, 9), Answer::New);

        assert_eq!(probed.end_idle(now + SECOND, SECOND), (1, None));
        assert_eq!(told(&orders), ["-c"]);
    }

    #[test]
    fn a_name_that_comes_into_the_set_is_the_sets() {
        let (mut probed, orders) = probed();
        let now = Instant::now();
        probed.begin(asked("a"), now);
        let set = TargetSet::new([target("a", 1)]).unwrap();
        let _ = probed.apply(set);
        assert_eq!(told(&orders), ["+a"]);
        assert_eq!(probed.end_idle(now + SECOND, SECOND), (0, None));
        assert_eq!(probed.ask(&asked("a"), now, 0), Answer::Probed);
        let _ = probed.apply(TargetSet::default());
        assert_eq!(told(&orders), ["-a"]);
        assert_eq!(probed.ask(&asked("a"), now, 1), Answer::New);
    }

    #[test]
    fn what_is_asked_for_again_stays() {
        let (mut probed, orders) = probed();
        let now = Instant::now();
        probed.begin(asked("a"), now);
        probed.begin(asked("b"), now);
        let later = now + SECOND;
        assert_eq!(probed.ask(&asked("a"), later, 2), Answer::Probed);
        let (ended, next) = probed.end_idle(now + 2 * SECOND, 2 * SECOND);
        assert_eq!((ended, next), (1, Some(later + 2 * SECOND)));
        assert_eq!(told(&orders), ["+a", "-b"]);
        let (ended, next) = probed.end_idle(later + 2 * SECOND, 2 * SECOND);
        assert_eq!((ended, next), (1, None));
    }

    #[test]
    fn there_is_a_bound_and_one_way_to_probe_a_name() {
        let (mut probed, _orders) = probed();
        let now = Instant::now();
        probed.begin(asked("a"), now);
        assert_eq!(probed.ask(&asked("b"), now, 1), Answer::Full);
        let slower = target("a", 2).on_demand("127.0.0.0/8".parse().unwrap());
        assert_eq!(probed.ask(&slower, now + SECOND, 1), Answer::Differs);
        // Who is refused has not asked for the other one.
        assert_eq!(probed.end_idle(now + SECOND, SECOND), (1, None));
        probed.end();
        assert_eq!(probed.ask(&asked("b"), now, 1), Answer::Ended);
    }
}

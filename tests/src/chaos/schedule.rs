//! A reproducible schedule of faults from a seed.

use std::fmt;
use std::time::Duration;

use super::random::Random;
use super::{PROBER_COUNT, SERVER_COUNT};

/// The average time between two events, in milliseconds.
const MEAN_PAUSE_MS: u64 = 700;
/// The time without faults before the end.
const QUIET_END: Duration = Duration::from_millis(500);

/// A host of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Host {
    Prober(usize),
    Server(usize),
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prober(index) => write!(f, "p{index}"),
            Self::Server(index) => write!(f, "s{index}"),
        }
    }
}

/// A fault, which lasts as long as its event.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Fault {
    /// The link is down.
    Cut(Host),
    /// This percentage of the packets from and to a server is dropped.
    Loss { server: usize, percent: u64 },
    /// All packets between the two are dropped.
    Hole { prober: usize, server: usize },
    /// The prober's packets are answered with a reset …
    ResetProber { prober: usize, server: usize },
    /// … or those of the server.
    ResetServer { prober: usize, server: usize },
    /// The server is killed, and restarted at the end.
    Kill(usize),
    /// The process is stopped, as on a suspended host.
    Stop(Host),
    /// The server can open no more files.
    Files(usize),
    /// A target is added to or removed from the targets file, and the prober reloads it.
    Reload(usize),
    /// The realtime clock of one prober is set to this offset in milliseconds from the true time.
    Clock(i64),
}

impl Fault {
    pub(super) const KINDS: [&'static str; 10] = [
        "cut",
        "loss",
        "hole",
        "reset prober",
        "reset server",
        "kill",
        "stop",
        "files",
        "reload",
        "clock",
    ];

    pub(super) fn kind(self) -> &'static str {
        let index = match self {
            Self::Cut(_) => 0,
            Self::Loss { .. } => 1,
            Self::Hole { .. } => 2,
            Self::ResetProber { .. } => 3,
            Self::ResetServer { .. } => 4,
            Self::Kill(_) => 5,
            Self::Stop(_) => 6,
            Self::Files(_) => 7,
            Self::Reload(_) => 8,
            Self::Clock(_) => 9,
        };
        Self::KINDS[index]
    }

    /// Draws a fault of the kind with this index, and its duration in milliseconds.
    fn draw(kind: usize, random: &mut Random) -> (Self, u64) {
        let prober = random.index(PROBER_COUNT);
        let server = random.index(SERVER_COUNT);
        let host = match random.index(PROBER_COUNT + SERVER_COUNT) {
            index @ 0..PROBER_COUNT => Host::Prober(index),
            index => Host::Server(index - PROBER_COUNT),
        };
        match kind {
            0 => (Self::Cut(host), random.within(50..4000)),
            1 => {
                let percent = random.within(1..40);
                (Self::Loss { server, percent }, random.within(500..5000))
            }
            2 => (Self::Hole { prober, server }, random.within(50..3000)),
            3 => (Self::ResetProber { prober, server }, random.within(60..800)),
            4 => (Self::ResetServer { prober, server }, random.within(60..800)),
            5 => (Self::Kill(server), random.within(0..3000)),
            6 => (Self::Stop(host), random.within(20..2500)),
            7 => (Self::Files(server), random.within(1000..3500)),
            8 => (Self::Reload(prober), 0),
            _ => {
                // From a step shorter than a round-trip time to one of hours.
                let limit = 10_u64.pow(u32::try_from(random.within(1..8)).unwrap_or(1));
                let offset = i64::try_from(random.within(0..limit)).unwrap_or(0);
                let sign = if random.index(2) == 0 { 1 } else { -1 };
                (Self::Clock(sign * offset), 0)
            }
        }
    }

    /// Returns whether the two faults would undo each other if they overlapped.
    fn collides(self, other: Self) -> bool {
        let process = |fault| match fault {
            Self::Kill(server) | Self::Files(server) => Some(Host::Server(server)),
            Self::Stop(host) => Some(host),
            Self::Reload(prober) => Some(Host::Prober(prober)),
            _ => None,
        };
        match (self, other) {
            (Self::Cut(one), Self::Cut(two)) => one == two,
            _ => process(self).is_some() && process(self) == process(other),
        }
    }
}

/// A fault with its begin and end, relative to the start of the schedule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Event {
    pub(super) from: Duration,
    pub(super) until: Duration,
    pub(super) fault: Fault,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, until) = (self.from.as_secs_f64(), self.until.as_secs_f64());
        write!(f, "{from:8.3} to {until:8.3} s  {:?}", self.fault)
    }
}

/// Draws a schedule in chronological order. Every kind occurs once before the kinds become random.
pub(super) fn draw(seed: u64, length: Duration) -> Vec<Event> {
    let mut random = Random::new(seed);
    let mut events: Vec<Event> = Vec::new();
    let mut first: Vec<usize> = (0..Fault::KINDS.len()).collect();
    let mut now = Duration::ZERO;
    let end = length.saturating_sub(QUIET_END);
    loop {
        let kind = if first.is_empty() {
            random.index(Fault::KINDS.len())
        } else {
            first.swap_remove(random.index(first.len()))
        };
        let (fault, lasts) = Fault::draw(kind, &mut random);
        let event = Event {
            from: now,
            until: (now + Duration::from_millis(lasts)).min(end),
            fault,
        };
        now += Duration::from_millis(random.within(1..2 * MEAN_PAUSE_MS));
        let collides = events
            .iter()
            .any(|other| other.until >= event.from && other.fault.collides(fault));
        if !collides {
            events.push(event);
            if let Fault::Files(server) = fault {
                // Open connections are unaffected, so some probers are made to reconnect.
                events.extend(reconnects(event, server));
            }
        }
        if now >= end {
            break;
        }
    }
    events.sort_by_key(|event| event.from);
    events
}

fn reconnects(event: Event, server: usize) -> impl Iterator<Item = Event> {
    let from = event.from + Duration::from_millis(50);
    let until = (from + Duration::from_millis(200)).min(event.until);
    let resets = (0..PROBER_COUNT).map(move |prober| Event {
        from,
        until,
        fault: Fault::ResetProber { prober, server },
    });
    resets.filter(|reset| reset.from < reset.until)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use super::{Fault, draw};

    const LENGTH: Duration = Duration::from_secs(300);

    #[test]
    fn a_seed_determines_the_schedule() {
        assert_eq!(draw(7, LENGTH), draw(7, LENGTH));
        assert_ne!(draw(7, LENGTH), draw(8, LENGTH));
    }

    #[test]
    fn events_end_in_time_and_do_not_collide() {
        for seed in 0..50 {
            let events = draw(seed, LENGTH);
            assert!(events.len() > 300, "{}", events.len());
            for (index, event) in events.iter().enumerate() {
                assert!(event.from <= event.until && event.until < LENGTH);
                let later = &events[index + 1..];
                let collides = later
                    .iter()
                    .any(|other| other.from <= event.until && other.fault.collides(event.fault));
                assert!(!collides, "{event}");
            }
        }
    }

    #[test]
    fn all_kinds_occur_early() {
        for seed in 0..50 {
            let events = draw(seed, Duration::from_secs(20));
            let kinds: BTreeSet<_> = events.iter().map(|event| event.fault.kind()).collect();
            assert!(kinds.len() >= Fault::KINDS.len() - 1, "{kinds:?}");
        }
    }
}

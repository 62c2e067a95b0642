//! Hundreds of faults in virtual time: each has to be an episode from its begin to its end, with its
//! cause; and what is no fault has to be none.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a helper of tests fails as a test does"
)]
#![allow(unreachable_pub, reason = "a module of tests")]

mod network;

use network::{MS, SECOND, US, World, Wrong, nanos};
use tcp_echo_session::{Cause, Episode, SessionConfig};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Refused,
    Reset,
    Blackhole,
    Forward,
    Reverse,
    LossForward,
    LossReverse,
    LossBoth,
    QueueForward,
    QueueReverse,
    PeerStopped,
    ProberStopped,
    Dns,
}

use Fault::*;

const FAULTS: [Fault; 13] = [
    Refused,
    Reset,
    Blackhole,
    Forward,
    Reverse,
    LossForward,
    LossReverse,
    LossBoth,
    QueueForward,
    QueueReverse,
    PeerStopped,
    ProberStopped,
    Dns,
];

impl Fault {
    /// Begins it: what is wrong from now on, and for how long.
    fn begin(self, world: &mut World) -> i64 {
        let random = |world: &mut World, from, to| from + world.random.below(to - from);
        let mut wrong = Wrong::default();
        let mut length = random(world, 2 * SECOND, 15 * SECOND);
        match self {
            Refused => wrong.is_down = true,
            Reset => {
                // The peer restarts: it listens again before the second attempt to connect.
                wrong.is_down = true;
                world.reset();
                length = 20 * MS;
            }
            Blackhole => wrong.loss = [100, 100],
            // Longer ones end with the connection, and so does what would tell the direction.
            Forward | Reverse => {
                wrong.loss = if self == Forward { [100, 0] } else { [0, 100] };
                length = random(world, 1_200 * MS, 2_200 * MS);
            }
            LossForward => wrong.loss = [random(world, 18, 28), 0],
            LossReverse => wrong.loss = [0, random(world, 18, 28)],
            LossBoth => {
                let loss = random(world, 10, 18);
                wrong.loss = [loss, loss];
            }
            QueueForward => wrong.delay = [random(world, 60 * MS, 300 * MS), 0],
            QueueReverse => wrong.delay = [0, random(world, 60 * MS, 300 * MS)],
            PeerStopped => wrong.is_peer_stopped = true,
            ProberStopped => wrong.is_prober_stopped = true,
            Dns => (wrong.is_down, wrong.is_name_gone) = (true, true),
        }
        if !matches!(
            self,
            Refused | Reset | Forward | Reverse | Dns | ProberStopped | Blackhole | PeerStopped
        ) {
            length += 8 * SECOND;
        }
        world.change(wrong);
        length
    }

    fn is_cause(self, cause: Cause) -> bool {
        match self {
            Refused => cause == Cause::Refused,
            Reset => cause == Cause::Reset,
            Blackhole => cause == Cause::Blackhole,
            // What arrives may not tell the direction; that is not wrong.
            Forward => matches!(cause, Cause::BlackholeForward | Cause::Blackhole),
            Reverse => matches!(cause, Cause::BlackholeReverse | Cause::Blackhole),
            LossForward | LossReverse | LossBoth => cause == Cause::PacketLoss,
            QueueForward | QueueReverse => cause == Cause::Queueing,
            PeerStopped => cause == Cause::PeerStalled,
            ProberStopped => cause == Cause::OwnHost,
            Dns => cause == Cause::Dns,
        }
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Score {
    faults: u32,
    missed: u32,
    split: u32,
    late_begin: u32,
    late_end: u32,
    wrong_cause: u32,
    directions: u32,
    directions_told: u32,
}

#[derive(Clone, Copy, Debug)]
struct Setting {
    interval: i64,
    timeout: i64,
    rtt: i64,
    has_stamps: bool,
}

fn world(setting: Setting, seed: u64) -> World {
    let config = SessionConfig::new(nanos(setting.interval), nanos(setting.timeout)).unwrap();
    World::new(&config, setting.rtt, setting.has_stamps, seed)
}

fn ended(world: &World) -> Vec<Episode> {
    let all = world.found.iter().copied();
    all.filter(|episode| episode.ended.is_some()).collect()
}

fn lost(world: &World) -> u64 {
    let counts = world.session.counts();
    counts.timeouts + counts.unsent_total()
}

/// Injects every fault `rounds` times.
fn inject(setting: Setting, rounds: u32, seed: u64, score: &mut Score) {
    let mut world = world(setting, seed);
    world.run(20 * SECOND);
    assert_eq!(world.found, [], "before any fault");
    let tolerance = setting.interval + setting.timeout;
    for _ in 0..rounds {
        for fault in FAULTS {
            world.found.clear();
            world.losses = None;
            let lost_before = lost(&world);
            let began = world.now;
            let length = fault.begin(&mut world);
            world.run(began + length);
            world.change(Wrong::default());
            let gap = 25 * SECOND + world.random.below(setting.interval);
            world.run(began + length + gap);
            let found = ended(&world);
            if fault == Reset && lost(&world) == lost_before {
                // Between two slots.
                assert_eq!(found, []);
                continue;
            }
            score.faults += 1;
            let Some(first) = found.first() else {
                score.missed += 1;
                println!("missed: {fault:?} {length} {setting:?} {:?}", world.found);
                continue;
            };
            score.split += u32::from(found.len() > 1);
            let end = found.iter().filter_map(|episode| episode.ended).max();
            let (from, to) = match (fault, world.losses) {
                // Before and after, nothing is to be seen. TCP sends again at its own time.
                (LossForward | LossReverse | LossBoth, Some((first, last))) => (first, last),
                _ => (began, began + length),
            };
            let begin_error = world.since_start(first.began) - from;
            let end_error = world.since_start(end.unwrap()) - to;
            let begins = begin_error.abs() <= tolerance;
            let ends = end_error.abs() <= tolerance;
            let longest = found.iter().max_by_key(|e| e.slots_lost).unwrap();
            let is_cause = fault.is_cause(longest.cause);
            score.late_begin += u32::from(!begins);
            score.late_end += u32::from(!ends);
            score.wrong_cause += u32::from(!is_cause);
            if matches!(fault, Forward | Reverse) {
                score.directions += 1;
                score.directions_told += u32::from(longest.cause != Cause::Blackhole);
            }
            if !(begins && ends && is_cause) || found.len() > 1 {
                println!(
                    "{fault:?} of {} ms: begin {} ms, end {} ms off, {:?}, {} found, {setting:?}",
                    length / MS,
                    begin_error / MS,
                    end_error / MS,
                    longest.cause,
                    found.len(),
                );
            }
        }
    }
}

const SETTINGS: [Setting; 6] = [
    Setting {
        interval: 200 * MS,
        timeout: 800 * MS,
        rtt: MS,
        has_stamps: true,
    },
    Setting {
        interval: 200 * MS,
        timeout: 800 * MS,
        rtt: 30 * MS,
        has_stamps: false,
    },
    Setting {
        interval: 50 * MS,
        timeout: 1000 * MS,
        rtt: 10 * MS,
        has_stamps: true,
    },
    Setting {
        interval: 20 * MS,
        timeout: 800 * MS,
        rtt: 300 * US,
        has_stamps: true,
    },
    Setting {
        interval: 100 * MS,
        timeout: 800 * MS,
        rtt: 80 * MS,
        has_stamps: true,
    },
    Setting {
        interval: 10 * MS,
        timeout: 800 * MS,
        rtt: 2 * MS,
        has_stamps: false,
    },
];

#[test]
fn faults_are_episodes_with_their_begin_end_and_cause() {
    let mut score = Score::default();
    for (setting, seed) in SETTINGS.into_iter().zip(1..) {
        inject(setting, 5, seed, &mut score);
    }
    println!("{score:?}");
    println!(
        "of those with one direction, {} told which",
        score.directions_told
    );
    let few = score.faults / 20;
    assert!(score.faults >= 200, "{score:?}");
    assert!(score.missed == 0 && score.wrong_cause <= few, "{score:?}");
    assert!(score.directions_told >= score.directions / 3, "{score:?}");
    assert!(
        score.late_begin <= few && score.late_end <= few,
        "{score:?}"
    );
}

/// Jitter, single losses, and hosts that take a nap of some milliseconds are none.
#[test]
fn an_hour_of_noise_has_no_episode() {
    for (setting, seed) in SETTINGS.into_iter().zip(11..) {
        let mut world = world(setting, seed);
        world.jitter = setting.rtt / 3 + 3 * MS;
        while world.now < 3_600 * SECOND {
            let mut wrong = Wrong::default();
            let length = match world.random.below(5) {
                // One packet or a few.
                0 => {
                    wrong.loss[usize::from(world.random.below(2) == 0)] = 100;
                    setting.interval.min(5 * MS)
                }
                1 => {
                    wrong.is_prober_stopped = true;
                    MS + world.random.below(60 * MS)
                }
                2 => {
                    wrong.is_peer_stopped = true;
                    MS + world.random.below(60 * MS)
                }
                // A burst of other traffic.
                3 => {
                    wrong.delay = [world.random.below(30 * MS), world.random.below(30 * MS)];
                    world.random.below(300 * MS)
                }
                _ => SECOND,
            };
            world.change(wrong);
            world.run(world.now + length);
            world.change(Wrong::default());
            let pause = SECOND + world.random.below(15 * SECOND);
            world.run(world.now + pause);
        }
        assert_eq!(world.found, [], "{setting:?}");
        assert!(world.session.counts().received > 10_000);
    }
}

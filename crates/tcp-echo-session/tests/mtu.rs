//! Episodes of paths that drop large packets.

mod common;

use std::time::Duration;

use common::{Driver, config, ms};
use tcp_echo_session::{Cause, Direction, Episode, Event, MtuProbe};

const PASSES: MtuProbe = MtuProbe::Passes { mss: 1460 };
const DROPS: MtuProbe = MtuProbe::Drops {
    sent: 1460,
    passes: Some(1360),
    direction: Some(Direction::Forward),
};

fn probe(driver: &mut Driver, probe: MtuProbe) {
    let event = driver.session.handle_mtu_probe(driver.now().at, probe);
    assert_eq!(event, Event::MtuProbe(probe));
    driver.saw(event);
}

/// The events of episodes, with begin and end from the start on.
fn episodes(driver: &Driver) -> Vec<(Cause, Duration, Option<Duration>)> {
    let since = |at| at - driver.origin;
    let episode = |event: &Event| match event {
        Event::Episode(Episode {
            began,
            ended,
            cause,
            ..
        }) => Some((*cause, since(*began), ended.map(since))),
        _ => None,
    };
    let events = driver.events.iter();
    events.filter_map(|(_, event)| episode(event)).collect()
}

#[test]
fn an_episode_lasts_until_large_packets_pass() {
    let mut driver = Driver::connected(&config(ms(10), ms(100)));
    let answered = |_| Some(ms(1));
    for found in [PASSES, DROPS, DROPS, PASSES, PASSES] {
        driver.run(ms(1000), answered);
        probe(&mut driver, found);
    }
    driver.run(ms(100), answered);
    let began = ms(2000);
    let expected = [
        (Cause::Mtu, began, None),
        (Cause::Mtu, began, Some(ms(4000))),
    ];
    assert_eq!(episodes(&driver), expected);
}

#[test]
fn another_fault_ends_it_and_is_not_hidden_by_it() {
    let mut driver = Driver::connected(&config(ms(10), ms(100)));
    driver.run(ms(1000), |_| Some(ms(1)));
    probe(&mut driver, DROPS);
    driver.run(ms(1000), |_| None);
    // While it lasts, nothing else is told.
    probe(&mut driver, DROPS);
    // It has stalled.
    driver.connect();
    driver.run(ms(5000), |_| Some(ms(1)));
    probe(&mut driver, DROPS);
    driver.run(ms(1000), |_| Some(ms(1)));
    let seen = episodes(&driver);
    let is_mtu = |cause: Cause| cause == Cause::Mtu;
    let (first, last) = (&seen[..2], seen.last().unwrap());
    assert_eq!(first[0], (Cause::Mtu, ms(1000), None), "{seen:?}");
    assert!(first[1].2.is_some_and(|end| end <= ms(1100)), "{seen:?}");
    assert!(!is_mtu(seen[2].0), "{seen:?}");
    assert_eq!(*last, (Cause::Mtu, ms(7000), None), "{seen:?}");
    let of_mtu = seen.iter().filter(|(cause, ..)| is_mtu(*cause)).count();
    assert_eq!(of_mtu, 3, "{seen:?}");
}

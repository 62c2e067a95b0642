//! A peer that says that it stops: its slots are neither lost nor sent until it is back.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper of tests fails as a test does"
)]

mod common;

use std::time::Duration;

use common::{Driver, config, ms};
use tcp_echo_session::{ConnectFailure, DisconnectReason, Event, Features, Probe, UnsentReason};
use tcp_echo_wire::Control;

const RTT: Duration = Duration::from_millis(3);

#[allow(clippy::unnecessary_wraps, reason = "a path may lose the reply")]
fn answers(_: Probe) -> Option<Duration> {
    Some(RTT)
}

/// A session of ten slots a second whose peer grants departures.
fn driver() -> Driver {
    let mut driver = Driver::new(&config(ms(100), ms(400)));
    driver.session = driver.session.with_hello(Features::DEPARTURE);
    greet(&mut driver);
    driver.run(ms(950), answers);
    driver
}

fn greet(driver: &mut Driver) {
    driver.connect();
    control(driver, Control::HelloAnswer(Features::DEPARTURE));
}

fn control(driver: &mut Driver, control: Control) {
    driver.reply(Probe::decode(&control.encode()));
}

fn disconnects(driver: &Driver) -> Vec<DisconnectReason> {
    let events = driver.events.iter();
    let reasons = events.filter_map(|(_, event)| match event {
        Event::Disconnected { reason } => Some(*reason),
        _ => None,
    });
    reasons.collect()
}

#[test]
fn nothing_is_sent_or_lost_until_it_is_back() {
    let mut driver = driver();
    let before = *driver.counts();
    control(&mut driver, Control::Departure);
    assert!(driver.session.is_departed());
    driver.run(ms(500), answers);
    assert_eq!(disconnects(&driver), [DisconnectReason::Closed]);
    for _ in 0..20 {
        let now = driver.now().at;
        let failed = driver
            .session
            .handle_connect_failed(now, ConnectFailure::Refused);
        driver.saw(failed);
        driver.session.handle_out_of_resources(now);
        driver.run(ms(500), answers);
    }
    assert_eq!(driver.counts().slots, before.slots);
    greet(&mut driver);
    assert!(!driver.session.is_departed());
    driver.run(ms(1000), answers);
    let counts = driver.counts();
    assert_eq!(counts.slots, before.slots + 10);
    assert_eq!((counts.timeouts, counts.unsent_total()), (0, 0));
    assert_eq!(driver.session.loss_window().lost(), 0);
}

#[test]
fn replies_on_their_way_are_awaited() {
    let mut driver = driver();
    driver.run(ms(51), |_| Some(ms(200)));
    assert_eq!(driver.session.in_flight(), 1);
    control(&mut driver, Control::Departure);
    driver.run(ms(150), answers);
    assert!(driver.session.is_connected());
    driver.run(ms(100), answers);
    assert!(!driver.session.is_connected());
    assert_eq!(driver.counts().timeouts, 0);
    assert_eq!(driver.counts().received, driver.counts().sent);
}

#[test]
fn a_probe_that_never_returns_is_lost() {
    let mut driver = driver();
    driver.run(ms(51), |_| None);
    control(&mut driver, Control::Departure);
    driver.run(ms(390), answers);
    assert!(driver.session.is_connected());
    driver.run(ms(20), answers);
    assert_eq!(driver.counts().timeouts, 1);
    assert_eq!(disconnects(&driver), [DisconnectReason::Closed]);
}

#[test]
fn a_port_without_a_process_is_no_return() {
    let mut driver = driver();
    control(&mut driver, Control::Departure);
    driver.run(ms(100), answers);
    let before = driver.counts().slots;
    driver.connect();
    driver.run(ms(5000), |_| panic!("nobody reads it"));
    assert!(driver.session.is_departed());
    assert_eq!(driver.counts().slots, before);
    control(&mut driver, Control::HelloAnswer(Features::NONE));
    driver.run(ms(1000), answers);
    assert_eq!(driver.counts().slots, before + 10);
}

#[test]
fn a_peer_without_the_protocol_is_back_when_it_echoes() {
    let mut driver = driver();
    control(&mut driver, Control::Departure);
    driver.run(ms(100), answers);
    driver.connect();
    control(&mut driver, Control::HelloRequest(Features::DEPARTURE));
    assert!(!driver.session.is_departed());
}

#[test]
fn after_two_minutes_it_is_down() {
    let mut driver = driver();
    let before = driver.counts().slots;
    control(&mut driver, Control::Departure);
    driver.run(ms(119_900), answers);
    assert_eq!(driver.counts().slots, before);
    driver.run(ms(10_100), answers);
    assert!(!driver.session.is_departed());
    let lost = driver.unsent(UnsentReason::Disconnected);
    assert_eq!(driver.counts().slots, before + lost);
    assert!((99..=101).contains(&lost), "{lost}");
}

#[test]
fn only_a_peer_that_has_granted_it_can_depart() {
    let mut driver = Driver::new(&config(ms(100), ms(400)));
    driver.session = driver.session.with_hello(Features::STAMPS);
    driver.connect();
    control(&mut driver, Control::HelloAnswer(Features::DEPARTURE));
    control(&mut driver, Control::Departure);
    assert!(!driver.session.is_departed());
    driver.run(ms(1000), answers);
    assert_eq!(driver.counts().slots, 11);
}

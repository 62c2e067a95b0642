//! Adaptive timeouts, in virtual time.
#![expect(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

mod common;

use std::time::Duration;

use common::{Driver, config, ms, us};
use tcp_echo_session::{ConfigError, Event, Probe, Seq, SessionConfig};

fn adaptive(interval: Duration, timeout: Duration) -> SessionConfig {
    config(interval, timeout).with_adaptive_timeout().unwrap()
}

fn timeout(driver: &Driver) -> Duration {
    driver.session.adaptive_timeout().unwrap()
}

/// How long after its slot a probe timed out.
fn timed_out_after(driver: &Driver, interval: Duration, seq: u64) -> Duration {
    let timed_out = |(_, event): &&(Duration, Event)| *event == Event::TimedOut { seq: Seq(seq) };
    let (at, _) = driver.events.iter().find(timed_out).unwrap();
    at.saturating_sub(interval * u32::try_from(seq - 1).unwrap())
}

#[test]
fn a_fixed_timeout_is_not_estimated() {
    let driver = Driver::connected(&config(ms(10), ms(800)));
    assert_eq!(driver.session.adaptive_timeout(), None);
    assert_eq!(driver.session.config().max_timeout(), ms(800));
}

#[test]
fn a_fast_path_has_the_floor() {
    let mut driver = Driver::connected(&adaptive(ms(100), ms(800)));
    assert_eq!(timeout(&driver), ms(800));
    driver.run(ms(950), |_| Some(ms(3)));
    assert_eq!(timeout(&driver), ms(200));
    // A probe that is lost then times out after that.
    driver.run(ms(1000), |probe| (probe.seq.0 != 11).then_some(ms(3)));
    assert_eq!(timed_out_after(&driver, ms(100), 11), ms(200));
    assert_eq!(driver.counts().timeouts, 1);
}

#[test]
fn the_floor_holds_where_the_timeout_is_shorter() {
    let mut driver = Driver::connected(&adaptive(ms(10), ms(20)));
    assert_eq!(timeout(&driver), ms(200));
    assert_eq!(driver.session.config().first_timeout(), ms(200));
    driver.run(ms(500), |_| Some(ms(50)));
    assert_eq!((driver.counts().timeouts, driver.counts().late), (0, 0));
}

#[test]
fn a_slow_path_is_found_by_doubling() {
    // Longer than the timeout at first, which would lose all probes for ever.
    let mut driver = Driver::connected(&adaptive(ms(200), ms(500)));
    driver.run(ms(20_000), |_| Some(ms(900)));
    let counts = *driver.counts();
    assert!(counts.timeouts > 0 && counts.timeouts < 10, "{counts:?}");
    assert!(timeout(&driver) >= ms(900) && timeout(&driver) < ms(1500));
    let mut fixed = Driver::connected(&config(ms(200), ms(500)));
    fixed.run(ms(20_000), |_| Some(ms(900)));
    assert_eq!(fixed.counts().received, 0);
}

#[test]
fn a_dead_path_reaches_the_cap_once_a_timeout() {
    let config = adaptive(ms(10), ms(400)).with_stall(ms(60_000)).unwrap();
    assert_eq!(config.max_timeout(), ms(3000));
    let mut driver = Driver::connected(&config);
    driver.run(ms(390), |_| None);
    assert_eq!(timeout(&driver), ms(400));
    // The probes that were in flight double it once.
    driver.run(ms(380), |_| None);
    assert_eq!(timeout(&driver), ms(800));
    driver.run(ms(20_000), |_| None);
    assert_eq!(timeout(&driver), ms(3000));
    // The estimate survives a new connection, and ends with a reply.
    driver.connect();
    assert_eq!(timeout(&driver), ms(3000));
    driver.run(ms(1000), |_| Some(ms(5)));
    assert_eq!(timeout(&driver), ms(200));
}

#[test]
fn the_cap_is_the_stall_limit_if_that_is_shorter() {
    let max = |timeout, stall| {
        let config = adaptive(ms(100), timeout);
        let config = match stall {
            Some(stall) => config.with_stall(stall).unwrap(),
            None => config,
        };
        config.max_timeout()
    };
    assert_eq!(max(ms(800), None), ms(2400));
    assert_eq!(max(ms(1000), None), ms(3000));
    assert_eq!(max(ms(5000), None), ms(5000));
    assert_eq!(max(ms(800), Some(ms(1000))), ms(1000));
    assert_eq!(max(ms(20), Some(ms(100))), ms(100));
}

/// The table of probes in flight has its maximum at the longest timeout.
#[test]
fn the_cap_counts_for_the_table_of_probes() {
    let config = config(us(1), ms(800));
    assert!(matches!(
        config.clone().with_adaptive_timeout(),
        Err(ConfigError::InFlight { timeout, .. }) if timeout == ms(2400)
    ));
    assert!(
        config
            .with_stall(ms(1000))
            .unwrap()
            .with_adaptive_timeout()
            .is_ok()
    );
}

#[test]
fn jitter_of_the_path_raises_it() {
    let mut driver = Driver::connected(&adaptive(ms(100), ms(800)));
    let path = |probe: Probe| Some(ms(100 + 100 * (probe.seq.0 % 3)));
    driver.run(ms(60_000), path);
    assert!(timeout(&driver) > ms(300), "{:?}", timeout(&driver));
    // All but a few at most came in time.
    assert!(driver.counts().timeouts <= 3, "{:?}", driver.counts());
}

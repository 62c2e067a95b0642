//! Sessions with good, slow, lossy, dead and absent peers.

mod common;

use std::time::Duration;

use common::{Driver, WALL, config, ms, us};
use tcp_echo_session::{
    Cause, ConfigError, ConnectFailure, DisconnectReason, Episode, Event, Output, Probe, Seq,
    SessionConfig, Stamp, TcpInfo, UnixNanos, UnsentReason,
};

#[test]
fn a_good_peer_answers_everything() {
    let mut driver = Driver::connected(&config(ms(10), ms(20)));
    driver.run(ms(995), |_| Some(ms(3)));
    let counts = *driver.counts();
    assert_eq!(
        (counts.slots, counts.sent, counts.received),
        (100, 100, 100)
    );
    assert_eq!((counts.timeouts, counts.unsent_total()), (0, 0));
    assert!(driver.session.loss_window().lost() == 0);
    assert!(driver.session.jitter_seconds() < 1e-9);
    let on_time = driver.events.iter().all(|(at, event)| match event {
        Event::Sent { seq, lateness } => lateness.is_zero() && *at == ms(10 * (seq.0 - 1)),
        Event::Received { rtt, .. } => *rtt == ms(3),
        _ => true,
    });
    assert!(on_time);
}

/// All combinations of loss, delay and interval have the computed counts.
#[test]
fn loss_delay_and_interval() {
    for interval in [us(100), ms(1), ms(10), ms(1000)] {
        for delay in [us(50), ms(5), ms(19), ms(20), ms(21), ms(90)] {
            for every in [1, 2, 10, u64::MAX] {
                let timeout = ms(20);
                let config = config(interval, timeout).with_stall(ms(5000)).unwrap();
                let mut driver = Driver::connected(&config);
                let answers = |seq: u64| seq <= 1000 && !seq.is_multiple_of(every);
                let path = |probe: Probe| answers(probe.seq.0).then_some(delay);
                driver.run(interval * 999 + ms(200), path);
                driver.check_window();
                let counts = *driver.counts();
                let name = format!("{interval:?} {delay:?} {every}");
                let answered = (1..=counts.sent).filter(|seq| answers(*seq)).count() as u64;
                let replies = if delay <= timeout {
                    (answered, 0)
                } else {
                    (0, answered)
                };
                assert_eq!((counts.received, counts.late), replies, "{name}");
                // A peer that never answers loses its connection, where there is time for it.
                let stalls = u32::from(every == 1 && interval >= ms(10));
                assert_eq!(driver.stalls, stalls, "{name}");
                assert_eq!(counts.unexpected, 0, "{name}");
            }
        }
    }
}

#[test]
fn probes_are_pipelined() {
    let mut driver = Driver::connected(&config(ms(10), ms(800)));
    driver.run(ms(500), |_| Some(ms(700)));
    assert_eq!(driver.session.in_flight(), 51);
    driver.run(ms(500), |_| Some(ms(700)));
    assert_eq!(
        (driver.counts().received, driver.counts().timeouts),
        (31, 0)
    );
}

#[test]
fn a_timeout_is_counted_at_its_deadline() {
    let mut driver = Driver::connected(&config(ms(1000), ms(20)));
    driver.run(ms(900), |_| None);
    let timed_out = driver
        .events
        .iter()
        .find(|(_, event)| matches!(event, Event::TimedOut { seq: Seq(1) }));
    assert_eq!(timed_out.map(|(at, _)| *at), Some(ms(20)));
}

#[test]
fn loss_is_total_within_one_window_of_the_peers_death() {
    let mut driver = Driver::connected(&config(ms(10), ms(20)));
    driver.run(ms(1995), |_| Some(ms(1)));
    driver.disconnect(DisconnectReason::Reset);
    driver.run(ms(985), |_| None);
    assert!(driver.session.loss_window().ratio() < 1.0);
    driver.run(ms(10), |_| None);
    assert!(driver.session.loss_window().ratio() >= 1.0);
    assert_eq!(driver.unsent(UnsentReason::Disconnected), 100);
}

#[test]
fn slots_without_a_descriptor_differ_from_those_without_a_connection() {
    let mut driver = Driver::new(&config(ms(10), ms(20)));
    let starve = |driver: &mut Driver| {
        let at = driver.now().at;
        driver.session.handle_out_of_resources(at);
    };
    let lost = |driver: &Driver| {
        [UnsentReason::Resources, UnsentReason::Disconnected].map(|reason| driver.unsent(reason))
    };
    starve(&mut driver);
    driver.run(ms(95), |_| None);
    assert_eq!(lost(&driver), [10, 0]);
    driver.connect();
    driver.run(ms(100), |_| Some(ms(1)));
    driver.disconnect(DisconnectReason::Reset);
    driver.run(ms(50), |_| None);
    assert_eq!(lost(&driver), [10, 5]);
    starve(&mut driver);
    driver.run(ms(50), |_| None);
    assert_eq!(lost(&driver), [15, 5]);
    let at = driver.now().at;
    let event = driver
        .session
        .handle_connect_failed(at, ConnectFailure::Refused);
    driver.saw(event);
    driver.run(ms(50), |_| None);
    assert_eq!(lost(&driver), [15, 10]);
    driver.check_window();
}

#[test]
fn probes_in_flight_at_a_disconnect_keep_their_own_timeouts() {
    let mut driver = Driver::connected(&config(ms(10), ms(800)));
    driver.run(ms(95), |_| None);
    driver.disconnect(DisconnectReason::Eof);
    assert_eq!(
        (driver.session.in_flight(), driver.counts().timeouts),
        (10, 0)
    );
    driver.run(ms(704), |_| None);
    assert_eq!(
        (driver.session.in_flight(), driver.counts().timeouts),
        (10, 0)
    );
    driver.run(ms(1), |_| None);
    assert_eq!(
        (driver.session.in_flight(), driver.counts().timeouts),
        (9, 1)
    );
    driver.run(ms(90), |_| None);
    assert_eq!(
        (driver.session.in_flight(), driver.counts().timeouts),
        (0, 10)
    );
}

#[test]
fn sequence_numbers_go_on_across_reconnects() {
    let mut driver = Driver::connected(&config(ms(10), ms(20)));
    driver.run(ms(45), |_| Some(ms(1)));
    driver.disconnect(DisconnectReason::Eof);
    driver.run(ms(50), |_| None);
    driver.connect();
    driver.run(ms(50), |_| Some(ms(1)));
    let sent: Vec<u64> = driver
        .events
        .iter()
        .filter_map(|(_, event)| match event {
            Event::Sent { seq, .. } => Some(seq.0),
            _ => None,
        })
        .collect();
    assert_eq!(sent, (1..=10).collect::<Vec<_>>());
    assert_eq!(driver.unsent(UnsentReason::Disconnected), 5);
}

#[test]
fn a_reply_to_an_earlier_connection_is_unexpected() {
    let mut driver = Driver::connected(&config(ms(10), ms(800)));
    let mut probes = Vec::new();
    driver.run(ms(15), |probe| {
        probes.push(probe);
        None
    });
    driver.disconnect(DisconnectReason::Eof);
    driver.connect();
    driver.reply(probes[0]);
    assert_eq!(
        (driver.counts().received, driver.counts().unexpected),
        (0, 1)
    );
    assert_eq!(driver.session.in_flight(), 2);
}

#[test]
fn what_answers_nothing_is_unexpected() {
    let mut driver = Driver::connected(&config(ms(10), ms(20)));
    let mut probes = Vec::new();
    driver.run(ms(5), |probe| {
        probes.push(probe);
        None
    });
    let probe = probes[0];
    let wrong_time = Probe {
        sent: UnixNanos(1),
        ..probe
    };
    let not_sent = Probe {
        seq: Seq(2),
        ..probe
    };
    let never = Probe {
        seq: Seq(u64::MAX),
        ..probe
    };
    let zero = Probe {
        seq: Seq(0),
        ..probe
    };
    for garbage in [wrong_time, not_sent, never, zero] {
        driver.reply(garbage);
    }
    assert_eq!(
        (driver.counts().received, driver.counts().unexpected),
        (0, 4)
    );
    driver.reply(probe);
    driver.reply(probe);
    assert_eq!(
        (driver.counts().received, driver.counts().unexpected),
        (1, 5)
    );
}

#[test]
fn a_late_reply_is_a_timeout_and_late() {
    let mut driver = Driver::connected(&config(ms(1000), ms(20)));
    driver.run(ms(900), |_| Some(ms(25)));
    let counts = *driver.counts();
    assert_eq!((counts.timeouts, counts.late, counts.received), (1, 1, 0));
    driver.check_window();
}

/// The driver did not run at the deadline, and reads the reply first.
#[test]
fn a_late_reply_that_is_read_before_its_expiry_is_both_too() {
    let mut driver = Driver::connected(&config(ms(1000), ms(20)));
    let mut probes = Vec::new();
    driver.run(ms(5), |probe| {
        probes.push(probe);
        None
    });
    driver.elapsed = ms(50);
    driver.reply(probes[0]);
    assert_eq!(
        driver.events.last().unwrap().1,
        Event::TimedOut { seq: Seq(1) }
    );
    driver.settle(&mut |_| None);
    assert_eq!(driver.events.last().unwrap().1, Event::Late { seq: Seq(1) });
    driver.check_window();
}

/// The reply was in the socket in time; only the host read it late.
#[test]
fn a_reply_that_the_kernel_saw_in_time_is_received() {
    let mut driver = Driver::connected(&config(ms(1000), ms(20)));
    let mut probes = Vec::new();
    driver.run(ms(5), |probe| {
        probes.push(probe);
        None
    });
    driver.elapsed = ms(500);
    let stamp = Stamp {
        read: driver.now(),
        kernel: Some(UnixNanos(WALL + 3_000_000)),
    };
    driver.reply_stamped(stamp, probes[0]);
    let received = Event::Received {
        seq: Seq(1),
        rtt: ms(3),
        host_delay: Some(ms(497)),
    };
    assert_eq!(driver.events.last().unwrap().1, received);
    assert_eq!(driver.counts().timeouts, 0);
}

#[test]
fn a_silent_connection_stalls() {
    let mut driver = Driver::connected(&config(ms(10), ms(20)));
    driver.run(ms(95), |_| Some(ms(1)));
    driver.run(ms(520), |_| None);
    assert_eq!(driver.stalls, 1);
    let (at, _) = driver
        .events
        .iter()
        .find(|(_, event)| {
            matches!(
                event,
                Event::Disconnected {
                    reason: DisconnectReason::Stalled
                }
            )
        })
        .unwrap();
    // The first unanswered probe left at 100 ms; the limit is 500 ms.
    assert_eq!(*at, ms(600));
}

#[test]
fn a_slow_schedule_is_no_stall() {
    let mut driver = Driver::connected(&config(ms(10_000), ms(20)));
    driver.run(ms(60_500), |_| Some(ms(1)));
    assert_eq!((driver.stalls, driver.counts().received), (0, 7));
}

#[test]
fn garbage_is_no_answer() {
    let mut driver = Driver::connected(&config(ms(10), ms(20)));
    for _ in 0..60 {
        driver.run(ms(10), |_| None);
        let garbage = Probe {
            seq: Seq(7),
            sent: UnixNanos(7),
        };
        driver.reply(garbage);
    }
    assert_eq!(driver.stalls, 1);
}

#[test]
fn a_configured_stall_limit() {
    let config = config(ms(10), ms(20)).with_stall(ms(100)).unwrap();
    let mut driver = Driver::connected(&config);
    driver.run(ms(99), |_| None);
    assert_eq!(driver.stalls, 0);
    driver.run(ms(1), |_| None);
    assert_eq!(driver.stalls, 1);
}

#[test]
fn a_late_wake_up_sends_late_and_shifts_nothing() {
    let mut driver = Driver::connected(&config(ms(10), ms(20)));
    driver.run(ms(5), |_| Some(ms(1)));
    driver.elapsed = ms(17);
    let next = driver.settle(&mut |_| None);
    assert_eq!(next, driver.origin + ms(20));
    let late = Event::Sent {
        seq: Seq(2),
        lateness: ms(7),
    };
    assert!(driver.events.iter().any(|(_, event)| *event == late));
    assert_eq!(driver.counts().unsent_total(), 0);
}

#[test]
fn a_hiccup_of_the_host_is_a_burst_where_the_interval_is_short() {
    let mut driver = Driver::connected(&config(ms(1), ms(20)));
    driver.run(ms(5), |_| Some(us(100)));
    driver.elapsed = ms(10);
    driver.settle(&mut |_| Some(us(100)));
    assert_eq!(driver.counts().unsent_total(), 0);
    assert_eq!(driver.counts().sent, 11);
    // One slot more than a burst has.
    driver.elapsed = ms(16);
    driver.settle(&mut |_| Some(us(100)));
    assert_eq!(driver.unsent(UnsentReason::Overrun), 1);
}

#[test]
fn a_pause_of_the_host_is_overrun() {
    let mut driver = Driver::connected(&config(ms(10), ms(20)));
    driver.run(ms(5), |_| Some(ms(1)));
    driver.elapsed = ms(1_000_005);
    driver.settle(&mut |_| None);
    // Slots 2 to 100001 were due; the last one is 5 ms late and is sent.
    assert_eq!(driver.unsent(UnsentReason::Overrun), 99_999);
    assert_eq!(driver.counts().sent, 2);
    assert!(driver.session.loss_window().ratio() >= 1.0);
}

#[test]
fn a_short_hiccup_at_a_short_interval_is_made_up_for() {
    let mut driver = Driver::connected(&config(us(100), ms(20)));
    driver.run(us(50), |_| Some(us(10)));
    driver.elapsed = us(950);
    driver.settle(&mut |_| None);
    assert_eq!(
        (driver.counts().sent, driver.counts().unsent_total()),
        (10, 0)
    );
}

#[test]
fn the_first_handshake_is_no_loss() {
    let config = config(ms(10), ms(800));
    let mut driver = Driver::new(&config);
    driver.run(ms(303), |_| None);
    assert_eq!(driver.counts().slots, 0);
    driver.connect();
    driver.run(ms(10), |_| Some(ms(1)));
    assert_eq!(
        (driver.counts().sent, driver.counts().unsent_total()),
        (1, 0)
    );
    let (at, _) = driver
        .events
        .iter()
        .find(|(_, e)| matches!(e, Event::Sent { .. }))
        .unwrap();
    assert_eq!(*at, ms(310), "the grid of slots does not move");
}

#[test]
fn a_first_attempt_that_fails_begins_the_schedule() {
    let config = config(ms(10), ms(800));
    let mut driver = Driver::new(&config);
    let event = driver
        .session
        .handle_connect_failed(driver.origin, ConnectFailure::Refused);
    driver.saw(event);
    driver.run(ms(95), |_| None);
    assert_eq!(driver.unsent(UnsentReason::Disconnected), 10);

    let mut driver = Driver::new(&config);
    driver.run(ms(799), |_| None);
    assert_eq!(driver.counts().slots, 0);
    driver.run(ms(100), |_| None);
    assert_eq!(driver.unsent(UnsentReason::Disconnected), 10);
}

#[test]
fn a_frame_written_in_part_is_neither_sent_nor_forgotten() {
    let mut driver = Driver::connected(&config(ms(10), ms(20)));
    let Output::Transmit(first) = driver.session.poll(driver.now()) else {
        panic!("a slot is due");
    };
    // The kernel took 7 bytes. Slots pass meanwhile.
    driver.elapsed = ms(25);
    driver.settle(&mut |_| None);
    assert_eq!((driver.counts().slots, driver.counts().sent), (3, 0));
    assert_eq!(driver.unsent(UnsentReason::Backpressure), 2);
    let probe = driver.transmitted(first);
    assert_eq!((driver.counts().sent, driver.session.in_flight()), (1, 1));
    // It has waited for longer than its timeout by now.
    driver.settle(&mut |_| None);
    driver.reply(probe);
    assert_eq!((driver.counts().timeouts, driver.counts().late), (1, 1));
}

#[test]
fn a_frame_written_in_part_is_unsent_when_the_connection_goes() {
    let mut driver = Driver::connected(&config(ms(10), ms(20)));
    assert!(matches!(
        driver.session.poll(driver.now()),
        Output::Transmit(_)
    ));
    driver.disconnect(DisconnectReason::Reset);
    driver.settle(&mut |_| None);
    assert_eq!((driver.counts().slots, driver.counts().sent), (1, 0));
    assert_eq!(driver.unsent(UnsentReason::Disconnected), 1);
    driver.check_window();
}

#[test]
fn a_full_send_buffer_is_backpressure() {
    let mut driver = Driver::connected(&config(ms(10), ms(20)));
    assert!(matches!(
        driver.session.poll(driver.now()),
        Output::Transmit(_)
    ));
    let event = driver.session.handle_blocked().unwrap();
    driver.saw(event);
    driver.elapsed = ms(10);
    let mut seqs = Vec::new();
    driver.settle(&mut |probe| {
        seqs.push(probe.seq);
        None
    });
    assert_eq!(seqs, [Seq(1)], "an unsent slot takes no sequence number");
    assert_eq!(driver.unsent(UnsentReason::Backpressure), 1);
    assert_eq!(driver.session.handle_blocked(), None);
}

#[test]
fn retransmissions_add_up_over_connections() {
    let mut driver = Driver::connected(&config(ms(10), ms(20)));
    let read = |driver: &mut Driver, retransmits| {
        let info = TcpInfo {
            retransmits,
            ..TcpInfo::default()
        };
        match driver.session.handle_tcp_info(driver.now().at, info) {
            Event::TcpInfo(info) => info.retransmits,
            event => panic!("{event:?}"),
        }
    };
    assert_eq!(read(&mut driver, 0), 0);
    assert_eq!(read(&mut driver, 3), 3);
    driver.disconnect(DisconnectReason::Stalled);
    driver.connect();
    assert_eq!(read(&mut driver, 0), 3);
    assert_eq!(read(&mut driver, 2), 5);
}

#[test]
fn durations_that_no_session_can_run_with_are_refused() {
    let error = SessionConfig::new(Duration::ZERO, ms(1)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "interval 0ns is not above 0 and at most 24h"
    );
    let error = SessionConfig::new(ms(1), Duration::MAX).unwrap_err();
    assert!(matches!(
        error,
        ConfigError::Duration {
            name: "timeout",
            ..
        }
    ));
    assert!(config(ms(1), ms(1)).with_stall(Duration::ZERO).is_err());
    let day = Duration::from_secs(24 * 60 * 60);
    let usual = config(ms(1), ms(2)).with_stall(ms(3)).unwrap();
    for length in [Duration::ZERO, day + ms(1)] {
        assert!(usual.clone().with_interval(length).is_err());
        assert!(usual.clone().with_timeout(length).is_err());
    }
    let other = usual
        .with_interval(day)
        .unwrap()
        .with_timeout(ms(7))
        .unwrap();
    assert_eq!((other.interval(), other.timeout()), (day, ms(7)));
    assert_eq!(other.stall(), ms(3));
    assert_eq!(config(ms(10), ms(20)).stall(), ms(500));
    assert_eq!(config(ms(10), ms(800)).stall(), ms(2400));
}

#[test]
fn a_timeout_that_is_too_long_for_its_interval_is_refused() {
    let max = u32::try_from(SessionConfig::MAX_IN_FLIGHT).unwrap();
    for interval in [Duration::from_nanos(1), us(7), ms(1)] {
        let longest = interval * max;
        let config = config(interval, longest);
        let beyond = longest + Duration::from_nanos(1);
        let refused = Err(ConfigError::InFlight {
            interval,
            timeout: beyond,
        });
        assert_eq!(SessionConfig::new(interval, beyond), refused);
        assert_eq!(config.clone().with_timeout(beyond), refused);
        let double = config.with_interval(2 * interval).unwrap();
        assert!(double.clone().with_timeout(2 * longest).is_ok());
        assert!(double.with_interval(interval).is_ok());
    }
    let day = Duration::from_secs(24 * 60 * 60);
    let error = SessionConfig::new(us(100), day).unwrap_err();
    assert_eq!(
        error.to_string(),
        "timeout 86400s at interval 100µs means 864000000 probes in flight, more than 1048576"
    );
    assert!(config(ms(1), ms(2)).with_interval(us(1)).is_ok());
    assert!(config(ms(1), ms(2000)).with_interval(us(1)).is_err());
}

fn episodes(driver: &Driver) -> Vec<Episode> {
    let events = driver.events.iter();
    events
        .filter_map(|(_, event)| match event {
            Event::Episode(episode) => Some(*episode),
            _ => None,
        })
        .collect()
}

#[test]
fn two_slots_in_a_row_are_an_episode_and_one_is_none() {
    let lose = |lost: std::ops::Range<u64>| {
        let mut driver = Driver::connected(&config(ms(100), ms(400)));
        let path = |probe: Probe| (!lost.contains(&probe.seq.0)).then_some(ms(3));
        driver.run(ms(20_000), path);
        (episodes(&driver), driver.origin)
    };
    assert_eq!(lose(50..51).0, []);
    let (two, origin) = lose(50..52);
    let [begun, ended] = two[..] else {
        panic!("{two:?}")
    };
    assert_eq!((begun.began, begun.ended), (origin + ms(4_900), None));
    assert_eq!(ended.ended, Some(origin + ms(5_100)));
    // Without TCP_INFO, nothing tells why.
    assert_eq!((ended.cause, ended.slots_lost), (Cause::Unknown, 2));
}

#[test]
fn outages_that_are_close_are_one_episode() {
    let outages = |second: u64| {
        let mut driver = Driver::connected(&config(ms(100), ms(400)));
        let lost = |seq| (100..110).contains(&seq) || (second..second + 10).contains(&seq);
        driver.run(ms(60_000), |probe| (!lost(probe.seq.0)).then_some(ms(3)));
        let all = episodes(&driver).into_iter();
        all.filter(|episode| episode.ended.is_some()).count()
    };
    assert_eq!((outages(130), outages(160)), (1, 2));
}

#[test]
fn a_refused_connection_is_an_episode_at_once() {
    let mut driver = Driver::new(&config(ms(1000), ms(400)));
    let at = driver.now().at;
    let failed = driver
        .session
        .handle_connect_failed(at, ConnectFailure::Refused);
    driver.saw(failed);
    driver.run(ms(500), |_| None);
    let begun = episodes(&driver);
    assert!(
        matches!(
            begun[..],
            [Episode {
                cause: Cause::Refused,
                slots_lost: 1,
                ..
            }]
        ),
        "{begun:?}"
    );
    // The prober's own end of a connection is none.
    let mut driver = Driver::connected(&config(ms(100), ms(400)));
    driver.run(ms(3_000), |_| Some(ms(350)));
    driver.disconnect(DisconnectReason::Closed);
    driver.run(ms(1_000), |_| None);
    driver.connect();
    driver.run(ms(9_000), |_| Some(ms(350)));
    assert_eq!(episodes(&driver), []);
}

#[test]
fn missed_slots_are_an_episode_if_they_take_a_while() {
    let pause = |pause| {
        let mut driver = Driver::connected(&config(ms(10), ms(400)));
        driver.run(ms(3_000), |_| Some(ms(3)));
        driver.elapsed += pause;
        driver.run(ms(6_000), |_| Some(ms(3)));
        episodes(&driver)
    };
    assert_eq!(pause(ms(150)), []);
    let long = pause(ms(350));
    assert!(
        long.last()
            .is_some_and(|episode| episode.cause == Cause::OwnHost),
        "{long:?}"
    );
}

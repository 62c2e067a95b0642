//! Sessions whose clocks are set, with replies that wait to be read, and with the times of writes.

mod common;

use common::{Driver, WALL, config, ms, us};
use tcp_echo_session::{Event, Output, Probe, Seq, Stamp, UnixNanos};

/// The realtime clock is set while a probe is in flight, before its reply arrives or while the
/// reply waits to be read: RTT and counts go on.
#[test]
fn a_clock_that_is_set_changes_nothing() {
    const MS: i64 = 1_000_000;
    const HOUR: i64 = 3_600_000 * MS;
    for (step, rtt) in [-HOUR, -50 * MS, 50 * MS, HOUR]
        .into_iter()
        .flat_map(|step| [3, 350].map(|rtt| (step, ms(rtt))))
    {
        for waiting in [false, true] {
            let mut driver = Driver::connected(&config(ms(1000), ms(800)));
            for slot in 0..20_u64 {
                driver.elapsed = ms(1000 * slot);
                let mut probes = Vec::new();
                driver.settle(&mut |probe| {
                    probes.push(probe);
                    None
                });
                let set = if slot == 10 { step } else { 0 };
                driver.elapsed += rtt;
                let kernel = driver.now().wall.0 + if waiting { 0 } else { set };
                driver.elapsed += us(30);
                let mut read = driver.now();
                read.wall.0 += set;
                let kernel = Some(UnixNanos(kernel));
                driver.reply_stamped(Stamp { read, kernel }, probes[0]);
                // A clock set back makes the wait negative, so it is unknown.
                let known = !(waiting && set < 0);
                let expected = Event::Received {
                    seq: probes[0].seq,
                    rtt: if known { rtt } else { rtt + us(30) },
                    host_delay: known.then_some(us(30)),
                };
                assert_eq!(
                    driver.events.last().unwrap().1,
                    expected,
                    "{step} {waiting}"
                );
            }
            assert_eq!(driver.counts().received, 20);
        }
    }
}

/// Probes whose replies may wait to be read do not time out; the schedule continues.
#[test]
fn no_probe_times_out_before_its_reply_is_read() {
    let mut driver = Driver::connected(&config(ms(10), ms(20)));
    let mut probes = Vec::new();
    driver.run(ms(5), |probe| {
        probes.push(probe);
        None
    });
    assert_eq!(driver.session.next_deadline(), Some(driver.origin + ms(20)));
    driver.elapsed = ms(600);
    let unread = driver.origin + ms(19);
    let mut sent = 0;
    loop {
        match driver.session.poll_read_until(driver.now(), unread) {
            Output::Event(event) => driver.saw(event),
            Output::Request(_) => panic!("no hello was asked for"),
            Output::Transmit(transmit) => {
                driver.transmitted(transmit);
                sent += 1;
            }
            Output::Close(_) => panic!("the answer may lie there unread"),
            Output::Wait(until) => {
                assert_eq!(until, driver.origin + ms(20), "it is to be read on");
                break;
            }
        }
    }
    assert_eq!((sent, driver.counts().timeouts, driver.stalls), (1, 0, 0));
    // The reply arrived in time, so its connection has not stalled.
    let read = driver.now();
    let kernel = Some(UnixNanos(WALL + 3_000_000));
    driver.reply_stamped(Stamp { read, kernel }, probes[0]);
    driver.settle(&mut |_| None);
    assert_eq!((driver.counts().received, driver.stalls), (1, 0));
    assert_eq!(driver.counts().timeouts, 0);
}

#[test]
fn a_frame_is_stamped_anew_right_before_its_write() {
    let mut driver = Driver::connected(&config(ms(10), ms(20)));
    assert_eq!(
        driver.session.restamp(driver.now()),
        None,
        "nothing is written"
    );
    let Output::Transmit(polled) = driver.session.poll(driver.now()) else {
        panic!("a slot is due");
    };
    driver.elapsed = ms(3);
    let stamped = driver.session.restamp(driver.now()).unwrap();
    let (polled, probe) = (Probe::decode(&polled.frame), Probe::decode(&stamped.frame));
    assert_eq!(polled.seq, probe.seq);
    assert_eq!(probe.sent.0 - polled.sent.0, 3_000_000);
    driver.transmitted(stamped);
    let sent = Event::Sent {
        seq: Seq(1),
        lateness: ms(3),
    };
    assert_eq!(driver.events.last().unwrap().1, sent);
    driver.elapsed = ms(5);
    driver.reply(polled);
    assert_eq!(driver.counts().unexpected, 1);
    driver.reply(probe);
    let rtt = |event: &Event| matches!(event, Event::Received { rtt, .. } if *rtt == ms(2));
    assert!(rtt(&driver.events.last().unwrap().1));
    // Its timeout counts from the new stamp, too.
    driver.run(ms(24), |_| None);
    assert_eq!(driver.counts().timeouts, 0);
}

//! Random sequences of operations: the sum of the counts holds in any order.

mod common;

use std::time::Duration;

use common::{Driver, WALL, config, ms, us};
use proptest::prelude::*;
use tcp_echo_session::{
    ConnectFailure, Direction, DisconnectReason, Event, Features, Output, Probe, Segments, Seq,
    Stamp, TcpInfo, UnixNanos,
};

#[derive(Clone, Debug)]
enum Operation {
    /// Time passes, and the session is polled.
    Pass(Duration),
    /// The same, but the kernel takes a frame in part, or nothing of it.
    PassBlocked(Duration, bool),
    /// The same, but bytes were last read a while ago, and each frame is stamped later than
    /// the session was polled.
    PassUnread(Duration, Duration),
    /// The rest of a frame is written.
    Finish,
    Connect,
    ConnectFails,
    OutOfResources,
    Disconnect,
    /// A sent probe is answered, possibly again, the `nth` from the newest.
    Answer {
        nth: usize,
        kernel: Option<i64>,
    },
    Garbage {
        seq: u64,
        sent: i64,
    },
    TcpInfo(u64),
    /// The peer answers the hello, or tells its segments, asked or not.
    Control {
        hello: bool,
        sent: u32,
        lost: u32,
    },
    /// The peer says that it stops.
    Departure,
}

const ALL: Features = Features::STAMPS
    .union(Features::SEGMENTS)
    .union(Features::DEPARTURE);

fn nanos(span: Duration) -> i64 {
    i64::try_from(span.as_nanos()).unwrap_or(i64::MAX)
}

fn operation() -> impl Strategy<Value = Operation> {
    use Operation::*;
    let span = prop_oneof![
        (0u64..30_000).prop_map(us),
        (0u64..5_000).prop_map(ms),
        Just(ms(100_000_000))
    ];
    let short = (0u64..30_000).prop_map(us);
    prop_oneof![
        8 => span.prop_map(Pass),
        2 => (short.clone(), any::<bool>()).prop_map(|(span, part)| PassBlocked(span, part)),
        2 => (short.clone(), short).prop_map(|(span, unread)| PassUnread(span, unread)),
        2 => Just(Finish),
        2 => Just(Connect),
        1 => Just(ConnectFails),
        1 => Just(OutOfResources),
        1 => Just(Disconnect),
        12 => (0usize..40, prop::option::of(-50_000_000i64..50_000_000))
            .prop_map(|(nth, kernel)| Answer { nth, kernel }),
        1 => (any::<u64>(), any::<i64>()).prop_map(|(seq, sent)| Garbage { seq, sent }),
        1 => (0u64..10).prop_map(TcpInfo),
        2 => any::<(bool, u32, u32)>().prop_map(|(hello, sent, lost)| Control { hello, sent, lost }),
        1 => Just(Departure),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_sum_holds(
        interval in prop_oneof![Just(us(100)), Just(ms(10)), Just(ms(3000))],
        timeout in prop_oneof![Just(us(50)), Just(ms(20)), Just(ms(800))],
        is_adaptive: bool,
        operations in prop::collection::vec(operation(), 1..200),
    ) {
        let mut config = config(interval, timeout);
        if is_adaptive {
            config = config.with_adaptive_timeout().unwrap();
        }
        let mut driver = Driver::new(&config);
        driver.session = driver.session.with_hello(ALL);
        let mut sent: Vec<Probe> = Vec::new();
        let mut half = None;
        for operation in operations {
            match operation {
                Operation::Pass(span) => {
                    driver.elapsed += span;
                    let until = driver.settle(&mut |probe| { sent.push(probe); None });
                    prop_assert!(until > driver.now().at);
                    driver.check_window();
                }
                Operation::PassBlocked(span, part) => {
                    driver.elapsed += span;
                    match driver.session.poll(driver.now()) {
                        Output::Transmit(transmit) if part => half = Some(transmit),
                        Output::Transmit(_) => {
                            let event = driver.session.handle_blocked().unwrap();
                            driver.saw(event);
                        }
                        Output::Event(event) => driver.saw(event),
                        Output::Close(reason) => driver.disconnect(reason),
                        Output::Request(_) | Output::Wait(_) => {}
                    }
                }
                Operation::PassUnread(span, unread) => {
                    driver.elapsed += span;
                    let polled = driver.now();
                    let unread = unread.min(driver.elapsed);
                    let read = polled.at.checked_sub(unread).unwrap();
                    let read_wall = nanos(driver.elapsed.saturating_sub(unread));
                    loop {
                        let timeout = driver.session.adaptive_timeout().unwrap_or(timeout);
                        match driver.session.poll_read_until(polled, read) {
                            Output::Transmit(transmit) => {
                                driver.elapsed += us(1);
                                let stamped = driver.session.restamp(driver.now()).unwrap();
                                prop_assert_ne!(stamped, transmit);
                                sent.push(driver.transmitted(stamped));
                            }
                            Output::Event(event) => {
                                if let Event::TimedOut { seq } = event {
                                    let index = usize::try_from(seq.0 - 1).unwrap();
                                    let deadline = sent[index].sent.0 - WALL + nanos(timeout);
                                    prop_assert!(deadline <= read_wall);
                                }
                                driver.saw(event);
                            }
                            Output::Close(reason) => driver.disconnect(reason),
                            Output::Request(_) => {}
                            Output::Wait(_) => break,
                        }
                    }
                }
                Operation::Finish => {
                    if let (Some(transmit), true) = (half.take(), driver.session.is_writing()) {
                        sent.push(driver.transmitted(transmit));
                    }
                }
                Operation::Connect => driver.connect(),
                Operation::ConnectFails if !driver.session.is_connected() => {
                    let at = driver.now().at;
                    let event = driver.session.handle_connect_failed(at, ConnectFailure::Other);
                    driver.saw(event);
                }
                Operation::OutOfResources if !driver.session.is_connected() => {
                    let at = driver.now().at;
                    driver.session.handle_out_of_resources(at);
                }
                Operation::ConnectFails | Operation::OutOfResources => {}
                Operation::Disconnect => driver.disconnect(DisconnectReason::Error),
                Operation::Answer { nth, kernel } => {
                    if let Some(probe) = sent.iter().rev().nth(nth) {
                        let wall = WALL + i64::try_from(driver.elapsed.as_nanos()).unwrap();
                        let kernel = kernel.map(|off| UnixNanos(wall + off));
                        let read = driver.now();
                        driver.reply_stamped(Stamp { read, kernel }, *probe);
                    }
                }
                Operation::Garbage { seq, sent } => {
                    driver.reply(Probe { seq: Seq(seq), sent: UnixNanos(sent) });
                }
                Operation::Control { hello, sent, lost } => {
                    let control = if hello {
                        tcp_echo_wire::Control::HelloAnswer(ALL)
                    } else {
                        tcp_echo_wire::Control::SegmentsAnswer(Segments { sent, lost })
                    };
                    driver.reply(Probe::decode(&control.encode()));
                    for direction in Direction::ALL {
                        let ratio = driver.session.packet_loss_ratio(direction);
                        prop_assert!((0.0..=1.0).contains(&ratio));
                    }
                }
                Operation::Departure => {
                    driver.reply(Probe::decode(&tcp_echo_wire::Control::Departure.encode()));
                }
                Operation::TcpInfo(retransmits) => {
                    let info = TcpInfo { retransmits, ..TcpInfo::default() };
                    let at = driver.now().at;
                    let event = driver.session.handle_tcp_info(at, info);
                    driver.saw(event);
                }
            }
            driver.check();
            if let Some(timeout) = driver.session.adaptive_timeout() {
                prop_assert!((ms(200)..=config.max_timeout()).contains(&timeout));
            }
        }
    }
}

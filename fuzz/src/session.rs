//! A session under any sequence of operations, in virtual time: the sums hold, every
//! probe has one fate, and the loss window is that of a list.

mod model;

use std::{num::NonZeroU32, time::Duration};

use arbitrary::{Arbitrary, Result, Unstructured};
use tcp_echo_session::{DisconnectReason, Probe, Seq, SessionConfig, TcpInfo, UnixNanos};

use model::Model;

/// A span of monotonic time: of the path, of the schedule, of a machine that slept.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Span {
    Nanos(u16),
    Micros(u16),
    Millis(u16),
    Days(u16),
}

impl Span {
    fn duration(self) -> Duration {
        match self {
            Self::Nanos(n) => Duration::from_nanos(n.into()),
            Self::Micros(n) => Duration::from_micros(n.into()),
            Self::Millis(n) => Duration::from_millis(n.into()),
            Self::Days(n) => Duration::from_secs(24 * 60 * 60 * u64::from(n)),
        }
    }
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Operation {
    /// Time passes, and the session is polled until it waits.
    Pass(Span),
    /// The same until it waits or a slot is due, of which the kernel takes a part.
    Half(Span),
    /// The same, and the kernel takes nothing.
    Blocked(Span),
    /// It is polled once.
    PollOnce(Span),
    /// The rest of a frame is written.
    Finish,
    /// Somebody sets the realtime clock forward or back.
    ClockStep(i64),
    Connect(Span),
    ConnectFails,
    Disconnect,
    /// A probe is answered, as so many were sent after it; again perhaps. The kernel's
    /// stamp is so far from the realtime clock.
    Answer(u8, Option<i32>),
    /// The same with a wrong time in it.
    AnswerWrongly(u8, i64),
    /// Anything else that comes.
    Garbage(u64, i64, Option<i64>),
    TcpInfo(u32),
}

/// How a target is probed, then the operations.
pub fn run(data: &[u8]) {
    let mut input = Unstructured::new(data);
    let Ok(Some(config)) = config(&mut input) else {
        return;
    };
    let mut model = Model::new(&config);
    while !input.is_empty() && model.has_time() {
        let Ok(operation) = Operation::arbitrary(&mut input) else {
            break;
        };
        perform(&mut model, operation);
    }
    model.settle();
}

/// `None` where no session takes it.
fn config(input: &mut Unstructured<'_>) -> Result<Option<SessionConfig>> {
    let interval = Span::arbitrary(input)?.duration();
    let timeout = Span::arbitrary(input)?.duration();
    // Bursts of thousands a millisecond take time, and show nothing.
    let interval = interval.max(Duration::from_micros(20));
    let Ok(config) = SessionConfig::new(interval, timeout) else {
        return Ok(None);
    };
    let window = NonZeroU32::new(u32::from(u8::arbitrary(input)?) + 1);
    let config = config.with_window(window.unwrap_or(NonZeroU32::MIN));
    match Option::<Span>::arbitrary(input)? {
        None => Ok(Some(config)),
        Some(stall) => Ok(config.with_stall(stall.duration()).ok()),
    }
}

fn perform(model: &mut Model, operation: Operation) {
    match operation {
        Operation::Pass(span) => {
            model.pass(span.duration());
            model.settle();
        }
        Operation::Half(span) => {
            model.pass(span.duration());
            model.poll_to_transmit();
        }
        Operation::Blocked(span) => {
            model.pass(span.duration());
            if model.poll_to_transmit() {
                model.blocked();
            }
        }
        Operation::PollOnce(span) => {
            model.pass(span.duration());
            model.poll();
        }
        Operation::Finish => model.finish(),
        Operation::ClockStep(by) => model.step_clock(by),
        Operation::Connect(handshake) => model.connect(handshake.duration()),
        Operation::ConnectFails => model.connect_fails(),
        Operation::Disconnect => model.disconnect(DisconnectReason::Reset),
        Operation::Answer(nth, kernel) => {
            if let Some(probe) = model.sent_before(nth) {
                let kernel = kernel.map(|off| model.wall().0.wrapping_add(off.into()));
                model.reply(probe, kernel.map(UnixNanos));
            }
        }
        Operation::AnswerWrongly(nth, by) => {
            if let Some(probe) = model.sent_before(nth) {
                let sent = UnixNanos(probe.sent.0.wrapping_add(by));
                model.reply(Probe { sent, ..probe }, None);
            }
        }
        Operation::Garbage(seq, sent, kernel) => {
            let probe = Probe {
                seq: Seq(seq),
                sent: UnixNanos(sent),
            };
            model.reply(probe, kernel.map(UnixNanos));
        }
        Operation::TcpInfo(retransmits) => {
            model.tcp_info(TcpInfo {
                retransmits: retransmits.into(),
                ..TcpInfo::default()
            });
        }
    }
}

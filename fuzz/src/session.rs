//! Fuzzes a session with arbitrary operations in virtual time: the counts add up, every probe has
//! exactly one outcome, and the loss window equals that of a list.

mod model;

use std::{num::NonZeroU32, time::Duration};

use arbitrary::{Arbitrary, Result, Unstructured};
use tcp_echo_session::{DisconnectReason, Probe, Seq, SessionConfig, TcpInfo, UnixNanos};

use model::Model;

/// A span of monotonic time: an RTT, a part of the schedule, or a suspend.
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
    /// Advance time and poll until the session waits.
    Pass(Span),
    /// The same, until the session waits or a slot is due whose frame is written in part.
    Half(Span),
    /// The same, but the socket is not writable.
    Blocked(Span),
    /// Poll once.
    PollOnce(Span),
    /// Write the rest of a frame.
    Finish,
    /// Step the realtime clock forward or back.
    ClockStep(i64),
    Connect(Span),
    ConnectFails,
    Disconnect,
    /// Answer the probe after which this many were sent, possibly again. The kernel's timestamp is this
    /// far from the realtime clock.
    Answer(u8, Option<i32>),
    /// The same with a wrong send time.
    AnswerWrongly(u8, i64),
    /// Receive any other frame.
    Garbage(u64, i64, Option<i64>),
    TcpInfo(u32),
}

/// The input is a configuration, then the operations.
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

/// Builds a configuration; `None` if it is invalid.
fn config(input: &mut Unstructured<'_>) -> Result<Option<SessionConfig>> {
    let interval = Span::arbitrary(input)?.duration();
    let timeout = Span::arbitrary(input)?.duration();
    // Thousands of probes per millisecond take time and test nothing more.
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

//! Finds episodes: when an outage begins and ends, to the slot, and its cause.
//!
//! An episode begins with the first slot of
//! - two or more lost ones in a row, or one if the connection has ended or was refused; those that the
//!   prober's own host missed have to span 200 ms,
//! - four lost ones within 10 s or 20 slots, or missed ones of 1 s within 10 s,
//! - replies that are slow against the [`Usual`] RTT: five or more over at least 1 s, three of four
//!   slots, or three within 10 s that are late by a retransmission, or a few segments lost in each
//!   of three seconds of ten.
//!
//! It ends with the first of at least three answered slots that span 3 s, or 10 s if replies came
//! between what was lost. Until then it may go on, so two outages that are closer are one.

use std::time::{Duration, Instant};

use crate::{
    ConnectFailure, DisconnectReason, Episode, Excess, TcpInfo,
    evidence::{Delayed, Ground, Reading},
    trouble::{Lost, Pace, Trouble},
    usual::Usual,
};

/// Watches the outcomes of slots. It takes memory only while something is lost or slow.
#[derive(Clone, Debug)]
pub(crate) struct Detector {
    usual: Usual,
    /// On what ground slots without a connection are lost, and probes of the last one. `None` if
    /// the prober itself has closed it.
    missing: Option<Ground>,
    ended: Option<Ground>,
    trouble: Option<Box<Trouble>>,
}

impl Detector {
    pub(crate) fn new() -> Self {
        Self {
            usual: Usual::new(),
            missing: Some(Ground::NoAnswer),
            ended: None,
            trouble: None,
        }
    }

    pub(crate) fn on_connected(&mut self) {
        if let Some(trouble) = &mut self.trouble {
            trouble.evidence.on_connected();
        }
    }

    pub(crate) fn on_connect_failed(&mut self, reason: ConnectFailure) {
        self.missing = Some(match reason {
            ConnectFailure::Refused => Ground::Refused,
            ConnectFailure::Timeout | ConnectFailure::Unreachable => Ground::NoAnswer,
            ConnectFailure::Dns => Ground::Dns,
            ConnectFailure::Other => Ground::Other,
        });
    }

    pub(crate) fn on_disconnected(&mut self, reason: DisconnectReason) {
        let ground = match reason {
            DisconnectReason::Eof | DisconnectReason::Reset => Some(Ground::Reset),
            DisconnectReason::Stalled | DisconnectReason::Error => Some(Ground::Silent),
            DisconnectReason::Closed => None,
        };
        (self.missing, self.ended) = (ground, ground);
    }

    /// The ground on which a slot without a connection is lost. `None` if it is none of an episode.
    pub(crate) const fn missing(&self) -> Option<Ground> {
        self.missing
    }

    /// The ground on which a probe of an earlier connection is lost.
    pub(crate) const fn ended(&self) -> Option<Ground> {
        self.ended
    }

    /// Whether something is lost or slow.
    #[inline]
    pub(crate) const fn is_watching(&self) -> bool {
        self.trouble.is_some()
    }

    /// Whether an episode lasts.
    pub(crate) fn is_in_episode(&self) -> bool {
        let trouble = self.trouble.as_ref();
        trouble.is_some_and(|trouble| trouble.is_episode())
    }

    /// Whether a reading of `TCP_INFO` would tell why nothing comes back.
    pub(crate) fn asks_for_reading(&mut self) -> bool {
        let trouble = self.trouble.as_mut();
        trouble.is_some_and(|trouble| std::mem::take(&mut trouble.asks))
    }

    /// Whether a reply is as usual, and so are those before it. Then there is nothing else to do.
    #[inline]
    pub(crate) fn is_usual(&mut self, rtt: Duration) -> bool {
        let is_usual = self.trouble.is_none() && !self.usual.is_slow(rtt);
        if is_usual {
            self.usual.record(rtt);
        }
        is_usual
    }

    /// A slot was answered within the timeout.
    #[cold]
    pub(crate) fn answered(&mut self, due: Instant, rtt: Duration, pace: Pace) -> Option<Episode> {
        let trouble = self.trouble.get_or_insert_with(|| Trouble::new(due));
        trouble.evidence.on_reply();
        if trouble.is_episode() {
            let episode = trouble.answered(due, rtt, &self.usual)?;
            if episode.ended.is_some() {
                if trouble.is_settled {
                    self.usual = Usual::new();
                }
                self.trouble = None;
            }
            return Some(episode);
        }
        if self.usual.is_slow(rtt) {
            trouble.slow(due, self.usual.excess(rtt));
            return trouble.begin_slow(&self.usual, pace);
        }
        if trouble.usual(due, pace) {
            self.trouble = None;
        }
        self.usual.record(rtt);
        None
    }

    /// Slots were lost.
    #[cold]
    pub(crate) fn lost(&mut self, lost: Lost, pace: Pace) -> Option<Episode> {
        let trouble = self.trouble.get_or_insert_with(|| Trouble::new(lost.due));
        trouble.lost(lost, pace);
        trouble.report(&self.usual)
    }

    /// A reply came after its timeout.
    ///
    /// Probes that were on their way when it began do not tell where nothing passes.
    pub(crate) fn late(
        &mut self,
        at: Instant,
        sent: Option<Instant>,
        delayed: Option<Delayed>,
    ) -> Option<Episode> {
        let trouble = self.trouble.as_mut()?;
        let first = trouble.began() + self.usual.get();
        let is_of_episode = sent.is_some_and(|sent| sent > first);
        trouble.evidence.late(at, delayed.filter(|_| is_of_episode));
        trouble.evidence.on_reply();
        trouble.report(&self.usual)
    }

    /// The parts of a reply that came within the timeout.
    pub(crate) fn parts(&mut self, excess: &Excess) {
        if let Some(trouble) = &mut self.trouble {
            trouble.evidence.parts(excess);
        }
    }

    /// `TCP_INFO` was read.
    pub(crate) fn read(&mut self, info: &TcpInfo, reading: Reading, pace: Pace) -> Option<Episode> {
        let trouble = self.trouble.as_mut()?;
        if trouble.evidence.read(info, reading) {
            trouble.lose_again(pace);
        }
        if !trouble.is_episode() {
            return trouble.begin_slow(&self.usual, pace);
        }
        trouble.report(&self.usual)
    }
}

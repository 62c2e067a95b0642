//! Lines in the log.

use std::time::{Duration, Instant};

use tcp_echo_net::{LogDecision, LogLimiter};
use tracing::{info, warn};

use crate::record::Record;

/// As many lines of begins and ends as of other changes of single targets.
const BURST: u32 = 50;
const INTERVAL: Duration = Duration::from_secs(1);

/// More than are logged are not kept.
const MAX_KEPT: usize = 1_000;

#[derive(Debug, PartialEq)]
pub(crate) enum Announcement {
    Begin(Record),
    End(Record),
}

/// What is to be logged.
#[derive(Debug, Default)]
pub(crate) struct Announcements(Vec<Announcement>);

impl Announcements {
    pub(crate) fn begin(&mut self, record: &Record) {
        self.push(Announcement::Begin(record.clone()));
    }

    /// One that was short has its line of the begin right before.
    pub(crate) fn end(&mut self, record: &Record, is_begin_logged: bool) {
        if !is_begin_logged {
            self.begin(record);
        }
        self.push(Announcement::End(record.clone()));
    }

    fn push(&mut self, announcement: Announcement) {
        if self.0.len() < MAX_KEPT {
            self.0.push(announcement);
        }
    }

    pub(crate) fn take(&mut self) -> Vec<Announcement> {
        std::mem::take(&mut self.0)
    }
}

/// Logs announcements, and omits some if there are too many.
#[derive(Debug)]
pub(crate) struct Logger(LogLimiter);

impl Logger {
    pub(crate) const fn new() -> Self {
        Self(LogLimiter::new(BURST, INTERVAL))
    }

    pub(crate) fn log(&self, announcements: &[Announcement]) {
        for announcement in announcements {
            match self.0.check(Instant::now()) {
                LogDecision::Log => announcement.log(),
                LogDecision::OmitFirst => {
                    info!("too many episodes at once; omitting lines about single ones");
                }
                LogDecision::Omit => {}
            }
        }
    }
}

impl Announcement {
    fn log(&self) {
        let (Self::Begin(record) | Self::End(record)) = self;
        let target = &*record.target;
        let start = crate::format_rfc3339(record.began);
        let last_hop = record.last_hop.map(tracing::field::display);
        let source_port = record.source_port;
        let cause = record.cause.as_str();
        match self {
            Self::Begin(_) => {
                warn!(target, cause, start, source_port, last_hop, "episode began");
            }
            Self::End(record) => {
                let length = record
                    .ended
                    .and_then(|ended| ended.duration_since(record.began).ok());
                let seconds = length.unwrap_or_default().as_secs_f64();
                let slots_lost = record.slots_lost;
                info!(
                    target,
                    cause, start, seconds, slots_lost, source_port, last_hop, "episode ended"
                );
            }
        }
    }
}

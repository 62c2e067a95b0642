//! An episode of a target.

use std::{net::IpAddr, sync::Arc, time::SystemTime};

use serde::{Deserialize, Serialize};
use tcp_echo_prober::Cause;

use crate::rfc3339;

/// An episode of a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The target's name.
    pub target: Arc<str>,
    /// When the first slot was due that was lost or late.
    pub began: SystemTime,
    /// When the first slot after it was due that was answered as usual; `None` while it lasts.
    pub ended: Option<SystemTime>,
    /// The cause, as far as it is known.
    pub cause: Cause,
    /// The slots lost in it so far, of all flows.
    pub slots_lost: u64,
    /// The source port of the flow, if it is one of a single flow and the port is known.
    pub source_port: Option<u16>,
    /// The last router of that flow's path that has answered a trace.
    pub last_hop: Option<IpAddr>,
}

/// An episode as JSON: an entry of `/api/v1/episodes` and of the state file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Json {
    target: String,
    start: String,
    end: Option<String>,
    cause: String,
    slots_lost: u64,
    source_port: Option<u16>,
    last_hop: Option<IpAddr>,
}

impl From<&Record> for Json {
    fn from(record: &Record) -> Self {
        Self {
            target: record.target.to_string(),
            start: rfc3339::format(record.began),
            end: record.ended.map(rfc3339::format),
            cause: record.cause.as_str().to_owned(),
            slots_lost: record.slots_lost,
            source_port: record.source_port,
            last_hop: record.last_hop,
        }
    }
}

impl Json {
    /// The episode; `None` if a time or the cause is none.
    pub(crate) fn record(self) -> Option<Record> {
        let end = self.end.map(|end| rfc3339::parse(&end));
        let cause = Cause::ALL
            .iter()
            .find(|cause| cause.as_str() == self.cause)?;
        Some(Record {
            target: self.target.into(),
            began: rfc3339::parse(&self.start)?,
            ended: match end {
                Some(end) => Some(end?),
                None => None,
            },
            cause: *cause,
            slots_lost: self.slots_lost,
            source_port: self.source_port,
            last_hop: self.last_hop,
        })
    }
}

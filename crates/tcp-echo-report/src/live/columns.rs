//! The rows of the table, and the columns that sort them.

use std::cmp::Ordering;
use std::sync::Arc;
use std::time::Duration;

use tcp_echo_prober::{Counts, Direction};

use super::targets::{Cell, Data, Outcome};
use crate::format::{Charset, short};

/// The current state of a target.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) cell: Arc<Cell>,
    pub(super) state: State,
    /// The RTT of the last slot in seconds, if it has one.
    pub(super) last: Option<f32>,
    /// Percentiles of the last slots, in seconds.
    pub(super) p50: Option<f32>,
    pub(super) p99: Option<f32>,
    pub(super) loss_ratio: f64,
    /// Packet loss, forward and reverse.
    pub(super) packet_loss: [Option<f64>; Direction::ALL.len()],
    pub(super) counts: Counts,
}

/// The state of a target, from worst to best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum State {
    /// There is no connection, for this reason.
    Down(&'static str),
    /// There is a connection, but the last slot was lost.
    Silent,
    /// This host missed the last slot, so the target may be up or down.
    Missed,
    /// The target has said that it stops, and is not back.
    Departed,
    /// The first attempt to connect is in progress.
    New,
    /// The last slot has a reply, or none has an outcome yet.
    Up,
}

/// The columns, in the order of the key that selects one to sort by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    Worst,
    Name,
    Last,
    P50,
    P99,
    Loss,
    LostThere,
    LostBack,
    Sent,
    Received,
    Timeouts,
    Late,
}

impl Row {
    /// The row of a cell. `scratch` is memory for sorting.
    pub(super) fn new(cell: &Arc<Cell>, scratch: &mut Vec<f32>) -> Self {
        let data = cell.lock();
        scratch.clear();
        scratch.extend(data.samples.iter().filter_map(|sample| sample.rtt()));
        let mut row = Self {
            cell: Arc::clone(cell),
            state: State::of(&data),
            last: data.samples.back().and_then(|sample| sample.rtt()),
            p50: None,
            p99: None,
            loss_ratio: data.loss_ratio,
            packet_loss: data.packet_loss,
            counts: data.counts,
        };
        drop(data);
        row.p50 = quantile(scratch, 50);
        row.p99 = quantile(scratch, 99);
        row
    }

    /// The packet loss of the last minute, 0 to 1, where it is known.
    pub(super) const fn packet_loss(&self, direction: Direction) -> Option<f64> {
        self.packet_loss[direction as usize]
    }

    /// The text in a column.
    pub(super) fn text(&self, column: Column, charset: Charset) -> String {
        let time = |time: Option<f32>| {
            time.map_or_else(
                || "-".to_owned(),
                |time| short(Duration::from_secs_f32(time.max(0.0)), charset),
            )
        };
        let percent = |ratio: f64| format!("{:.1}%", 100.0 * ratio);
        let loss = |direction| {
            let ratio: Option<f64> = self.packet_loss(direction);
            ratio.map_or_else(|| "-".to_owned(), percent)
        };
        match column {
            Column::Worst => self.state.as_str().to_owned(),
            Column::Name => self.cell.name.to_string(),
            Column::Last => time(self.last),
            Column::P50 => time(self.p50),
            Column::P99 => time(self.p99),
            Column::Loss => percent(self.loss_ratio),
            Column::LostThere => loss(Direction::Forward),
            Column::LostBack => loss(Direction::Reverse),
            Column::Sent => self.counts.sent.to_string(),
            Column::Received => self.counts.received.to_string(),
            Column::Timeouts => self.counts.timeouts.to_string(),
            Column::Late => self.counts.late.to_string(),
        }
    }
}

impl State {
    fn of(data: &Data) -> Self {
        let last = data.samples.back().map(|sample| sample.outcome);
        match (data.is_connected, data.failure) {
            _ if data.is_departed => Self::Departed,
            _ if last == Some(Outcome::Missed) => Self::Missed,
            (true, _) if last == Some(Outcome::Lost) => Self::Silent,
            (true, _) => Self::Up,
            (false, Some(reason)) => Self::Down(reason.as_str()),
            (false, None) if data.peer.is_some() => Self::Down("down"),
            (false, None) => Self::New,
        }
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Down(reason) => reason,
            Self::Silent => "silent",
            Self::Missed => "missed",
            Self::Departed => "departed",
            Self::New => "new",
            Self::Up => "up",
        }
    }
}

impl Column {
    const ALL: [Self; 12] = [
        Self::Worst,
        Self::Name,
        Self::Last,
        Self::P50,
        Self::P99,
        Self::Loss,
        Self::LostThere,
        Self::LostBack,
        Self::Sent,
        Self::Received,
        Self::Timeouts,
        Self::Late,
    ];

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Worst => "state",
            Self::Name => "target",
            Self::Last => "last",
            Self::P50 => "p50",
            Self::P99 => "p99",
            Self::Loss => "loss",
            Self::LostThere => "lost there",
            Self::LostBack => "lost back",
            Self::Sent => "sent",
            Self::Received => "received",
            Self::Timeouts => "timeouts",
            Self::Late => "late",
        }
    }

    pub(super) fn next(self) -> Self {
        self.step(1)
    }

    pub(super) fn previous(self) -> Self {
        self.step(Self::ALL.len() - 1)
    }

    fn step(self, by: usize) -> Self {
        let here = Self::ALL
            .iter()
            .position(|column| *column == self)
            .unwrap_or(0);
        Self::ALL[(here + by) % Self::ALL.len()]
    }

    /// The order of two rows: the worst first, then by name.
    pub(super) fn order(self, a: &Row, b: &Row) -> Ordering {
        // Unknown values come last.
        let time = |a: Option<f32>, b: Option<f32>| {
            let known = |time: Option<f32>| time.unwrap_or(-1.0);
            known(b).total_cmp(&known(a))
        };
        let loss = || b.loss_ratio.total_cmp(&a.loss_ratio);
        let packet_loss = |direction| {
            let known = |row: &Row| row.packet_loss(direction).unwrap_or(-1.0);
            known(b).total_cmp(&known(a))
        };
        let order = match self {
            Self::Worst => a
                .state
                .rank()
                .cmp(&b.state.rank())
                .then_with(loss)
                .then_with(|| time(a.p99, b.p99)),
            Self::Name => Ordering::Equal,
            Self::Last => time(a.last, b.last),
            Self::P50 => time(a.p50, b.p50),
            Self::P99 => time(a.p99, b.p99),
            Self::Loss => loss(),
            Self::LostThere => packet_loss(Direction::Forward),
            Self::LostBack => packet_loss(Direction::Reverse),
            Self::Sent => b.counts.sent.cmp(&a.counts.sent),
            Self::Received => b.counts.received.cmp(&a.counts.received),
            Self::Timeouts => b.counts.timeouts.cmp(&a.counts.timeouts),
            Self::Late => b.counts.late.cmp(&a.counts.late),
        };
        order.then_with(|| a.cell.name.cmp(&b.cell.name))
    }
}

impl State {
    /// All reasons for being down rank equally.
    fn rank(self) -> u8 {
        match self {
            Self::Down(_) => 0,
            Self::Silent => 1,
            Self::Missed => 2,
            Self::Departed => 3,
            Self::New => 4,
            Self::Up => 5,
        }
    }
}

/// The smallest value that at least `percent` of the values don't exceed. Reorders them.
fn quantile(values: &mut [f32], percent: usize) -> Option<f32> {
    let rank = (values.len() * percent).div_ceil(100).checked_sub(1)?;
    let (_, value, _) = values.select_nth_unstable_by(rank, f32::total_cmp);
    Some(*value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_have_the_nearest_rank() {
        assert_eq!(quantile(&mut [], 50), None);
        assert_eq!(quantile(&mut [7.0], 99), Some(7.0));
        let mut values: Vec<f32> = (1..=200_u8).rev().map(f32::from).collect();
        assert_eq!(quantile(&mut values, 50), Some(100.0));
        assert_eq!(quantile(&mut values, 99), Some(198.0));
    }

    #[test]
    fn columns_cycle() {
        let mut column = Column::Worst;
        for _ in Column::ALL {
            assert_eq!(column.next().previous(), column);
            column = column.next();
        }
        assert_eq!(column, Column::Worst);
    }
}

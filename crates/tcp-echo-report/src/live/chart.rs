//! RTT over time, newest at the right: a bar for each slot, a cross where it was lost, a
//! dash where this host missed it.

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::{Alignment, Constraint, Layout, Rect};
use ratatui::style::{Color, Style};
use ratatui::symbols::bar;
use ratatui::text::Line;
use ratatui::widgets::{Paragraph, RenderDirection, Sparkline, Widget};

use super::targets::{Outcome, Sample};
use crate::format::{Charset, short};

/// Bars for terminals without Unicode.
const ASCII: bar::Set<'_> = bar::Set {
    full: "#",
    seven_eighths: "#",
    three_quarters: "#",
    five_eighths: "#",
    half: "#",
    three_eighths: ".",
    one_quarter: ".",
    one_eighth: ".",
    empty: " ",
};

/// The width of the scale.
const SCALE_WIDTH: u16 = 7;

/// The chart of a target.
pub(super) struct Chart<'a> {
    /// The last slots, the newest first.
    pub(super) samples: &'a [Sample],
    /// The number of slots per column.
    pub(super) zoom: usize,
    /// Seconds since the start of the view.
    pub(super) now: f64,
    pub(super) charset: Charset,
}

/// The value of a column: the maximum RTT in nanoseconds, or `None` if a slot was lost.
fn column(samples: &[Sample]) -> Option<u64> {
    let nanos = |sample: &Sample| {
        let rtt = Duration::try_from_secs_f32(sample.rtt()?).ok()?;
        u64::try_from(rtt.as_nanos()).ok()
    };
    let all: Option<Vec<_>> = samples.iter().map(nanos).collect();
    // A reply is visible, however fast it came.
    all?.into_iter().max().map(|nanos| nanos.max(1))
}

/// Whether this host missed slots, and no others were lost.
fn is_missed(samples: &[Sample]) -> bool {
    let has = |outcome| samples.iter().any(|sample| sample.outcome == outcome);
    has(Outcome::Missed) && !has(Outcome::Lost)
}

impl Widget for Chart<'_> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let [upper, lower] =
            Layout::vertical([Constraint::Min(1), Constraint::Length(1)]).areas(area);
        let [scale, _, bars] = Layout::horizontal([
            Constraint::Length(SCALE_WIDTH),
            Constraint::Length(1),
            Constraint::Min(1),
        ])
        .areas(upper);
        let shown = usize::from(bars.width) * self.zoom;
        let samples = &self.samples[..self.samples.len().min(shown)];
        let columns: Vec<_> = samples.chunks(self.zoom).map(column).collect();
        let missed = samples.chunks(self.zoom).map(is_missed);
        let max = columns.iter().flatten().max().copied().unwrap_or(0);

        let (set, cross) = match self.charset {
            Charset::Unicode => (bar::NINE_LEVELS, "×"),
            Charset::Ascii => (ASCII, "x"),
        };
        Sparkline::default()
            .data(columns)
            .max(max.max(1))
            .bar_set(set)
            .direction(RenderDirection::RightToLeft)
            .style(Style::new().fg(Color::Cyan))
            .absent_value_symbol(cross)
            .absent_value_style(Style::new().fg(Color::Red))
            .render(bars, buf);
        for (x, _) in bars
            .columns()
            .rev()
            .zip(missed)
            .filter(|(_, missed)| *missed)
        {
            for place in x.positions() {
                buf[place].set_symbol("-").set_fg(Color::Magenta);
            }
        }

        let label = |time: u64| match max {
            // Without replies there is no scale.
            0 => String::new(),
            _ => short(Duration::from_nanos(time), self.charset),
        };
        let mut labels = vec![Line::raw(label(max))];
        if scale.height > 3 {
            let middle = usize::from(scale.height / 2);
            labels.resize(middle, Line::default());
            labels.push(Line::raw(label(max / 2)));
        }
        labels.resize(usize::from(scale.height.max(1)) - 1, Line::default());
        if scale.height > 1 {
            labels.push(Line::raw(if max == 0 { "" } else { "0" }));
        }
        Paragraph::new(labels)
            .alignment(Alignment::Right)
            .render(scale, buf);

        let oldest = samples.last().map_or(0.0, |sample| self.now - sample.at);
        Paragraph::new(format!(
            "{oldest:.1}s of {} slots, newest right",
            samples.len()
        ))
        .alignment(Alignment::Right)
        .style(Style::new().fg(Color::DarkGray))
        .render(lower, buf);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A missed slot in a list of RTTs.
    const MISSED: f32 = -1.0;

    fn samples(rtts: &[f32]) -> Vec<Sample> {
        let newest_first = rtts.iter().rev();
        newest_first
            .map(|rtt| Sample {
                at: 1.0,
                outcome: match *rtt {
                    MISSED => Outcome::Missed,
                    rtt if rtt.is_nan() => Outcome::Lost,
                    rtt => Outcome::Received(rtt),
                },
            })
            .collect()
    }

    fn drawn(rtts: &[f32], zoom: usize, charset: Charset) -> Vec<String> {
        let area = Rect::new(0, 0, 16, 5);
        let mut buffer = Buffer::empty(area);
        let samples = samples(rtts);
        Chart {
            samples: &samples,
            zoom,
            now: 3.0,
            charset,
        }
        .render(area, &mut buffer);
        let row = |y| {
            (0..area.width)
                .map(|x| buffer[(x, y)].symbol())
                .collect::<String>()
        };
        (0..area.height).map(row).collect()
    }

    #[test]
    fn losses_are_crosses_and_the_newest_is_right() {
        let lost = f32::NAN;
        let chart = drawn(&[0.001, 0.002, lost, 0.004], 1, Charset::Ascii);
        assert_eq!(
            chart[..4],
            [
                " 4.00ms       x#",
                "              x#",
                " 2.00ms      #x#",
                "      0     ##x#"
            ]
        );
        let chart = drawn(&[0.001, 0.002, lost, 0.004], 2, Charset::Unicode);
        assert_eq!(chart[3], "      0       █×");
    }

    #[test]
    fn missed_slots_are_no_losses() {
        let chart = drawn(&[0.004, MISSED, f32::NAN, MISSED], 1, Charset::Ascii);
        assert_eq!(chart[3], "      0     #-x-");
        // A loss beside it stays visible. Without replies there is no scale.
        let chart = drawn(&[0.004, MISSED, f32::NAN, MISSED], 2, Charset::Ascii);
        assert_eq!(chart[3], "              -x");
    }

    #[test]
    fn every_size_can_be_drawn() {
        for (width, height) in [(0, 0), (1, 1), (8, 1), (9, 2), (200, 3)] {
            let area = Rect::new(0, 0, width, height);
            let samples = samples(&[0.1, f32::NAN, 0.0]);
            Chart {
                samples: &samples,
                zoom: 1,
                now: 3.0,
                charset: Charset::Unicode,
            }
            .render(area, &mut Buffer::empty(area));
        }
    }
}

//! Draws the parts of a plot.

use plotters::{
    coord::{Shift, types::RangedCoordf64},
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use super::{colors::Colors, data::PlotData};
use crate::page::{
    history::{
        STEP,
        step::{HEATMAP_BUCKETS, heatmap_bound},
    },
    text,
};

/// Drawing units per pixel. The library's coordinates are integers, which would be too coarse.
pub(super) const SCALE: i32 = 4;

/// The heights of the plot's parts, in pixels.
const TITLE_HEIGHT: i32 = 30;
const RTT_HEIGHT: i32 = 210;
const LOSS_HEIGHT: i32 = 74;
const HEATMAP_HEIGHT: i32 = 170;

/// The height of the plot, in pixels.
pub(super) const HEIGHT: i32 = TITLE_HEIGHT + RTT_HEIGHT + LOSS_HEIGHT + HEATMAP_HEIGHT;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
pub(super) type DrawResult<T = ()> = Result<T, Box<dyn std::error::Error>>;

fn font(pixels: i32) -> (&'static str, i32) {
    ("system-ui, sans-serif", pixels * SCALE)
}

/// Draws one plot.
pub(super) struct Painter<'a> {
    pub(super) data: &'a PlotData,
    pub(super) colors: &'a Colors,
    pub(super) width: i32,
}

type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

impl Painter<'_> {
    /// Draws the whole plot.
    pub(super) fn draw(&self, root: &Area<'_>) -> DrawResult {
        root.fill(&self.colors.background)?;
        let (title, rest) = root.split_vertically(TITLE_HEIGHT * SCALE);
        let (band, rest) = rest.split_vertically(RTT_HEIGHT * SCALE);
        let (loss, heat) = rest.split_vertically(LOSS_HEIGHT * SCALE);
        // XML allows no control characters.
        let name = self.data.name.replace(char::is_control, "\u{fffd}");
        title.draw(&Text::new(
            name,
            (12 * SCALE, 9 * SCALE),
            font(15)
                .into_font()
                .style(FontStyle::Bold)
                .color(&self.colors.text),
        ))?;
        self.band(&band)?;
        self.loss(&loss)?;
        self.heat(&heat)?;
        Ok(root.present()?)
    }

    /// Draws a chart over time with the vertical range `low` to `high` and labelled ticks.
    fn chart<'a, 'b>(
        &self,
        area: &'a Area<'b>,
        caption: &str,
        (low, high): (f64, f64),
        ticks: &[(f64, String)],
        times: bool,
    ) -> DrawResult<Chart<'a, 'b>> {
        let style = font(11).into_font().color(&self.colors.muted);
        area.draw(&Text::new(
            caption.to_owned(),
            (12 * SCALE, 2 * SCALE),
            style.clone(),
        ))?;
        let chart = ChartBuilder::on(area)
            .margin_top(20 * SCALE)
            .margin_right(16 * SCALE)
            .margin_left(64 * SCALE)
            .margin_bottom(if times { 24 } else { 6 } * SCALE)
            .build_cartesian_2d(-self.data.minutes..0.0, low..high)?;
        let plane = chart.plotting_area();
        let (left, bottom) = plane.map_coordinate(&(-self.data.minutes, low));
        let right = plane.map_coordinate(&(0.0, low)).0;
        let corner = area.get_base_pixel();
        let at = |(x, y): (i32, i32)| (x - corner.0, y - corner.1);
        for (value, text) in ticks {
            let y = plane.map_coordinate(&(0.0, *value)).1;
            area.draw(&PathElement::new(
                vec![at((left, y)), at((right, y))],
                self.colors.grid.stroke_width(SCALE as u32),
            ))?;
            area.draw(&Text::new(
                text.clone(),
                at((left - 8 * SCALE, y)),
                style.pos(Pos::new(HPos::Right, VPos::Center)),
            ))?;
        }
        if times {
            for (minutes, text) in self.times() {
                let x = plane.map_coordinate(&(minutes, low)).0;
                let side = if minutes < 0.0 {
                    HPos::Center
                } else {
                    HPos::Right
                };
                area.draw(&Text::new(
                    text,
                    at((x, bottom + 6 * SCALE)),
                    style.pos(Pos::new(side, VPos::Top)),
                ))?;
            }
        }
        Ok(chart)
    }

    fn times(&self) -> impl Iterator<Item = (f64, String)> {
        let every = self.data.minutes / if self.width < 600 { 2.0 } else { 5.0 };
        let every = every.ceil().max(1.0);
        let ticks = (0..10).map(move |index| -every * f64::from(index));
        let left = -self.data.minutes;
        ticks
            .take_while(move |minutes| *minutes > left * 0.97)
            .map(|minutes| match minutes {
                0.0 => (0.0, "now".to_owned()),
                _ => (minutes, format!("{:.0} min ago", -minutes)),
            })
    }

    /// Draws p10 to p90 with the median, and marks where the connection changed.
    fn band(&self, area: &Area<'_>) -> DrawResult {
        let steps = &self.data.steps;
        let tops = steps.iter().filter_map(|step| step.quantile(2));
        let top = tops.fold(0.0, f64::max);
        let top = if top > 0.0 { top * 1.08 } else { 0.001 };
        let ticks: Vec<_> = linear_ticks(top);
        let caption =
            "RTT: median, and p10 to p90 · marks: connected (green), connection lost (red)";
        let caption = if self.width < 600 {
            "RTT: median, p10–p90"
        } else {
            caption
        };
        let mut chart = self.chart(area, caption, (0.0, top), &ticks, false)?;
        for run in self.runs() {
            let x = |index: &usize| self.middle(*index);
            let value = |index: &usize, q| (x(index), steps[*index].quantile(q).unwrap_or(0.0));
            let upper = run.iter().map(|index| value(index, 2));
            let lower = run.iter().rev().map(|index| value(index, 0));
            let outline: Vec<_> = upper.chain(lower).collect();
            let median: Vec<_> = run.iter().map(|index| value(index, 1)).collect();
            if let [only] = median[..] {
                chart.draw_series([Circle::new(only, 2 * SCALE, self.colors.line.filled())])?;
                continue;
            }
            chart.draw_series([Polygon::new(outline, self.colors.line.mix(0.22))])?;
            let stroke = self.colors.line.stroke_width(7);
            chart.draw_series([PathElement::new(median, stroke)])?;
        }
        for (index, step) in steps.iter().enumerate() {
            let marks = [
                (step.connects, self.colors.good, 0.0),
                (step.disconnects, self.colors.bad, 0.18),
            ];
            for (_, color, shift) in marks.iter().filter(|(count, ..)| *count > 0) {
                let x = self.middle(index) + shift * STEP.as_secs_f64() / 60.0;
                let line = vec![(x, 0.0), (x, top)];
                let stroke = color.mix(0.8).stroke_width(4);
                chart.draw_series([PathElement::new(line, stroke)])?;
                let marker = TriangleMarker::new((x, 0.0), 5 * SCALE, color.filled());
                chart.draw_series([marker])?;
            }
        }
        if self.data.is_empty() {
            let plane = chart.plotting_area();
            let style = font(13).into_font().color(&self.colors.muted);
            let style = style.pos(Pos::new(HPos::Center, VPos::Center));
            let middle = (-self.data.minutes / 2.0, top / 2.0);
            plane.draw(&Text::new("no replies in this time", middle, style))?;
        }
        Ok(())
    }

    fn loss(&self, area: &Area<'_>) -> DrawResult {
        let ticks = [(0.0, "0 %".to_owned()), (1.0, "100 %".to_owned())];
        let caption = "Loss · missed by this host (grey)";
        let mut chart = self.chart(area, caption, (0.0, 1.0), &ticks, false)?;
        for (index, step) in self.data.steps.iter().enumerate() {
            let (begin, end) = self.interval(index);
            let mut from = 0.0;
            for (part, color) in [
                (step.loss(), self.colors.bad),
                (step.missed(), self.colors.muted),
            ] {
                if let Some(part) = part.filter(|part| *part > 0.0) {
                    // The smallest loss is still visible.
                    let to = (from + part.max(0.04)).min(1.0);
                    let bar = [(begin, from), (end, to)];
                    chart.draw_series([Rectangle::new(bar, color.filled())])?;
                    from = to;
                }
            }
        }
        Ok(())
    }

    /// Draws the heatmap: the number of replies by RTT and time.
    fn heat(&self, area: &Area<'_>) -> DrawResult {
        let steps = &self.data.steps;
        let used = (0..HEATMAP_BUCKETS)
            .filter(|bucket| steps.iter().any(|step| step.heatmap_count(*bucket) > 0));
        let (first, last) = used.fold((HEATMAP_BUCKETS, 0), |(first, last), bucket| {
            (first.min(bucket), last.max(bucket))
        });
        // At least a few rows, so that a row is not too high.
        let (first, last) = if first > last {
            (14, 21)
        } else {
            (first, last)
        };
        let first = first.saturating_sub(2);
        let last = (last + 2).max(first + 6).min(HEATMAP_BUCKETS - 1);
        let range = (first as f64, last as f64 + 1.0);
        let every = (last - first).div_ceil(6);
        let ticks: Vec<_> = (first..=last)
            .step_by(every.max(1))
            .map(|bucket| {
                (
                    bucket as f64 + 1.0,
                    text::duration(Some(heatmap_bound(bucket))),
                )
            })
            .collect();
        let caption = "Replies by RTT (logarithmic); the stronger, the more";
        let mut chart = self.chart(area, caption, range, &ticks, true)?;
        let max_count = steps
            .iter()
            .flat_map(|step| (0..HEATMAP_BUCKETS).map(|bucket| step.heatmap_count(bucket)));
        let max_count = f64::from(max_count.max().unwrap_or(0)) + 1.0;
        for bucket in first..=last {
            let row = |begin, end| [(begin, bucket as f64), (end, bucket as f64 + 1.0)];
            // Neighbours of the same colour become one rectangle.
            let mut open: Option<(u32, f64, f64)> = None;
            let ends = (0..steps.len()).map(|index| {
                let (begin, end) = self.interval(index);
                (steps[index].heatmap_count(bucket), begin, end)
            });
            for (count, begin, end) in ends.chain([(0, 0.0, 0.0)]) {
                if let Some((same, _, until)) = open.as_mut().filter(|open| open.0 == count) {
                    debug_assert!(*same == count);
                    *until = end;
                    continue;
                }
                if let Some((count, begin, end)) = open.take() {
                    let strength = 0.12 + 0.88 * (f64::from(count) + 1.0).ln() / max_count.ln();
                    let fill = self.colors.heat.mix(strength.min(1.0));
                    chart.draw_series([Rectangle::new(row(begin, end), fill.filled())])?;
                }
                open = (count > 0).then_some((count, begin, end));
            }
        }
        Ok(())
    }

    /// Returns a step's begin and end, clipped to the plot.
    fn interval(&self, index: usize) -> (f64, f64) {
        let (begin, end) = self.data.when(index);
        let left = -self.data.minutes;
        (begin.max(left), end.max(left))
    }

    fn middle(&self, index: usize) -> f64 {
        let (begin, end) = self.interval(index);
        f64::midpoint(begin, end)
    }

    /// Returns the runs of consecutive steps with replies.
    fn runs(&self) -> Vec<Vec<usize>> {
        let steps = &self.data.steps;
        let indices: Vec<usize> = (0..steps.len()).collect();
        indices
            .chunk_by(|one, other| {
                steps[*one].quantile(1).is_some() == steps[*other].quantile(1).is_some()
            })
            .filter(|run| steps[run[0]].quantile(1).is_some())
            .map(<[usize]>::to_vec)
            .collect()
    }
}

/// Returns four or five round values from 0 to `top`.
pub(super) fn linear_ticks(top: f64) -> Vec<(f64, String)> {
    // Logarithms and powers of ten are inexact, in a way that depends on the system. That must
    // not drop a tick.
    const SLACK: f64 = 1.0 + 1e-9;
    let rough = top / 4.0;
    let ten = 10_f64.powf((rough * SLACK).log10().floor());
    let steps = [1.0, 2.0, 5.0];
    let step = steps.into_iter().find(|step| rough <= step * ten * SLACK);
    let every = ten * step.unwrap_or(10.0);
    (0..=5)
        .map(|index| every * f64::from(index))
        .take_while(|value| *value <= top * SLACK)
        .map(|value| (value, text::tick(value)))
        .collect()
}

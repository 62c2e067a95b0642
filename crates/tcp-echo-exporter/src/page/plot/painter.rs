//! Draws what the panels of a plot have in common: title, time, captions and grid.

use plotters::{
    coord::{Shift, types::RangedCoordf64},
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use super::{
    axis::time_ticks, colors::Colors, data::PlotData, directions, excess, heat, loss, rtt,
};

/// Drawing units per pixel. The library's coordinates are integers, which would be too coarse.
pub(super) const SCALE: i32 = 4;

/// The margins beside the time axis of every panel, in pixels.
pub(crate) const LEFT: i32 = 62;
pub(crate) const RIGHT: i32 = 14;

/// The size of most text, in pixels. Nothing is smaller.
const TEXT: i32 = 12;
const CAPTION: i32 = 13;
const TITLE: i32 = 16;

const TITLE_HEIGHT: i32 = 32;
/// The space for a panel's caption, above its grid.
const CAPTION_HEIGHT: i32 = 32;
/// The height of a caption's line.
const CAPTION_LINE: i32 = 20;
/// The side of a square in a key of colours.
const SQUARE: i32 = 10;
const TIMES_HEIGHT: i32 = 24;

/// Plots narrower than this have shorter captions.
const NARROW: i32 = 600;

/// A part of the plot, with values of its own above the common time axis.
struct Panel {
    /// In pixels.
    height: i32,
    /// Returns whether there is something to draw.
    is_shown: fn(&PlotData) -> bool,
    draw: fn(&Painter<'_>, &Area<'_>) -> DrawResult,
}

/// From top to bottom.
const PANELS: [Panel; 5] = [
    Panel {
        height: 226,
        is_shown: always,
        draw: rtt::draw,
    },
    Panel {
        height: 150,
        is_shown: excess::is_shown,
        draw: excess::draw,
    },
    Panel {
        height: 94,
        is_shown: always,
        draw: loss::draw,
    },
    Panel {
        height: 130,
        is_shown: directions::is_shown,
        draw: directions::draw,
    },
    Panel {
        height: 188,
        is_shown: always,
        draw: heat::draw,
    },
];

const fn always(_: &PlotData) -> bool {
    true
}

pub(super) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
pub(super) type DrawResult<T = ()> = Result<T, Box<dyn std::error::Error>>;
pub(super) type Plane = Cartesian2d<RangedCoordf64, RangedCoordf64>;
type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Plane>;

/// Draws one plot.
pub(super) struct Painter<'a> {
    pub(super) data: &'a PlotData,
    pub(super) colors: &'a Colors,
    /// In pixels.
    pub(super) width: i32,
    pub(super) has_title: bool,
}

/// Returns the font of this size in pixels.
fn font(pixels: i32) -> FontDesc<'static> {
    // The library divides the size by this, to get from the height of a line to that of the text.
    const LINE: f64 = 1.24;
    ("system-ui, sans-serif", f64::from(pixels * SCALE) * LINE).into_font()
}

impl Painter<'_> {
    /// Returns the height of the plot in pixels.
    pub(super) fn height(&self) -> i32 {
        let panels: i32 = self.panels().map(|panel| panel.height).sum();
        panels + TIMES_HEIGHT + if self.has_title { TITLE_HEIGHT } else { 0 }
    }

    fn panels(&self) -> impl Iterator<Item = &'static Panel> {
        PANELS.iter().filter(|panel| (panel.is_shown)(self.data))
    }

    pub(super) const fn is_narrow(&self) -> bool {
        self.width < NARROW
    }

    /// Draws the whole plot.
    pub(super) fn draw(&self, root: &Area<'_>) -> DrawResult {
        root.fill(&self.colors.background)?;
        let mut rest = root.clone();
        if self.has_title {
            let (title, below) = rest.split_vertically(TITLE_HEIGHT * SCALE);
            self.title(&title)?;
            rest = below;
        }
        for panel in self.panels() {
            let (area, below) = rest.split_vertically(panel.height * SCALE);
            (panel.draw)(self, &area)?;
            rest = below;
        }
        self.times(&rest)?;
        Ok(root.present()?)
    }

    fn title(&self, area: &Area<'_>) -> DrawResult {
        // XML allows no control characters.
        let name = self.data.name.replace(char::is_control, "\u{fffd}");
        // A letter has at most about this width; a long name is cut off.
        let fits = usize::try_from((self.width - 24) / (TITLE * 5 / 8)).unwrap_or(0);
        let name = match name.char_indices().nth(fits) {
            Some((end, _)) => format!("{}…", &name[..end]),
            None => name,
        };
        let style = font(TITLE).style(FontStyle::Bold).color(&self.colors.text);
        area.draw(&Text::new(name, (12 * SCALE, 10 * SCALE), style))?;
        Ok(())
    }

    /// Draws a chart over time with a caption, the vertical range `low` to `high`, and a grid.
    pub(super) fn chart<'a, 'b>(
        &self,
        area: &'a Area<'b>,
        caption: &str,
        (low, high): (f64, f64),
        ticks: &[(f64, String)],
    ) -> DrawResult<Chart<'a, 'b>> {
        self.caption(area, caption)?;
        let mut chart = ChartBuilder::on(area)
            .margin_top(CAPTION_HEIGHT * SCALE)
            .margin_right(RIGHT * SCALE)
            .margin_left(LEFT * SCALE)
            .margin_bottom(8 * SCALE)
            .build_cartesian_2d(-self.data.span..0.0, low..high)?;
        let stroke = self.colors.grid.stroke_width(SCALE.unsigned_abs());
        let line = |from, to| PathElement::new(vec![from, to], stroke);
        for (time, _) in self.time_ticks() {
            chart.draw_series([line((time, low), (time, high))])?;
        }
        for (value, text) in ticks {
            chart.draw_series([line((-self.data.span, *value), (0.0, *value))])?;
            let (x, y) = chart.backend_coord(&(-self.data.span, *value));
            let corner = area.get_base_pixel();
            let style = font(TEXT).color(&self.colors.muted);
            area.draw(&Text::new(
                text.clone(),
                (x - corner.0 - 8 * SCALE, y - corner.1),
                style.pos(Pos::new(HPos::Right, VPos::Center)),
            ))?;
        }
        Ok(chart)
    }

    fn caption(&self, area: &Area<'_>, caption: &str) -> DrawResult {
        if !caption.is_empty() {
            let style = font(CAPTION).color(&self.colors.text);
            area.draw(&Text::new(
                caption.to_owned(),
                (12 * SCALE, 5 * SCALE),
                style,
            ))?;
        }
        Ok(())
    }

    /// Draws a caption, and the key of the colours beside it, or below it on a narrow plot. Returns
    /// the area for a chart without a caption.
    pub(super) fn keyed<'b>(
        &self,
        area: &Area<'b>,
        caption: &str,
        entries: &[(&str, RGBColor)],
    ) -> DrawResult<Area<'b>> {
        self.caption(area, caption)?;
        let area = if self.is_narrow() {
            area.split_vertically(CAPTION_LINE * SCALE).1
        } else {
            area.clone()
        };
        // A square, and the text beside it.
        let width = |text: &str| -> DrawResult<i32> {
            let letters = i32::try_from(text.chars().count())?;
            Ok(SQUARE + 5 + letters * TEXT * 3 / 5 + 12)
        };
        let widths = entries.iter().map(|(text, _)| width(text));
        let widths: Vec<i32> = widths.collect::<Result<_, _>>()?;
        let mut left = if self.is_narrow() {
            12
        } else {
            self.width - RIGHT - widths.iter().sum::<i32>()
        };
        for ((text, color), width) in entries.iter().zip(widths) {
            let corners = [(left, 8), (left + SQUARE, 8 + SQUARE)];
            let corners = corners.map(|(x, y)| (x * SCALE, y * SCALE));
            area.draw(&Rectangle::new(corners, color.filled()))?;
            let place = ((left + SQUARE + 5) * SCALE, 6 * SCALE);
            let style = font(TEXT).color(&self.colors.text);
            area.draw(&Text::new((*text).to_owned(), place, style))?;
            left += width;
        }
        Ok(area)
    }

    /// Draws a legend in the line of the caption, from the right edge to the left.
    pub(super) fn legend(&self, area: &Area<'_>, entries: &[(&str, RGBColor)]) -> DrawResult {
        let mut right = self.width - RIGHT;
        for (text, color) in entries.iter().rev() {
            let style = font(TEXT).color(color);
            let style = style.pos(Pos::new(HPos::Right, VPos::Top));
            area.draw(&Text::new(
                (*text).to_owned(),
                (right * SCALE, 6 * SCALE),
                style,
            ))?;
            // About the width of the text, and a space.
            let letters = i32::try_from(text.chars().count())?;
            right -= letters * TEXT * 3 / 5 + 14;
        }
        Ok(())
    }

    /// Draws the labels of the time axis.
    fn times(&self, area: &Area<'_>) -> DrawResult {
        let plane = f64::from((self.width - LEFT - RIGHT) * SCALE);
        for (time, text) in self.time_ticks() {
            #[expect(clippy::cast_possible_truncation, reason = "within the plot")]
            let x = LEFT * SCALE + ((1.0 + time / self.data.span) * plane) as i32;
            let (x, side) = if time < 0.0 {
                (x, HPos::Center)
            } else {
                (x + (RIGHT - 8) * SCALE, HPos::Right)
            };
            let style = font(TEXT).color(&self.colors.muted);
            let style = style.pos(Pos::new(side, VPos::Top));
            area.draw(&Text::new(text, (x, 0), style))?;
        }
        Ok(())
    }

    fn time_ticks(&self) -> impl Iterator<Item = (f64, String)> + use<> {
        time_ticks(self.data.span, f64::from(self.width - LEFT - RIGHT))
    }

    /// Returns the style of a note in the middle of a panel.
    pub(super) fn note(&self) -> TextStyle<'static> {
        let style = font(CAPTION).color(&self.colors.muted);
        style.pos(Pos::new(HPos::Center, VPos::Center))
    }

    /// Returns a step's begin and end, clipped to the plot.
    pub(super) fn interval(&self, index: usize) -> (f64, f64) {
        let step = &self.data.steps[index];
        let left = -self.data.span;
        (step.begin.max(left), step.end.max(left))
    }

    /// Returns the time at this part of a step.
    pub(super) fn within(&self, index: usize, part: f64) -> f64 {
        let (begin, end) = self.interval(index);
        begin + (end - begin) * part
    }
}

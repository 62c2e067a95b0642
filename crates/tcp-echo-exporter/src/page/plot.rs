//! A target's history as a picture.

use std::time::{Duration, Instant};

use plotters::prelude::*;

use super::{
    history::{History, STEP, step::Step},
    query::{Picture, Theme},
};

mod colors;
mod painter;

use colors::Colors;
use painter::{Drawn, Painter};

/// Everything is drawn in units of a quarter of a pixel: the library's are whole.
const FINE: i32 = 4;

/// Heights of the picture's parts, in pixels.
const TITLE: i32 = 30;
const BAND: i32 = 210;
const LOSS: i32 = 74;
const HEATMAP: i32 = 170;

/// What a picture shows.
#[derive(Debug)]
pub(crate) struct Plotted {
    pub(crate) name: String,
    /// The oldest first; the last one is under way.
    pub(crate) steps: Vec<Step>,
    /// How much of the last one has passed.
    pub(crate) running: Duration,
    /// The time that the picture spans, in minutes.
    pub(crate) minutes: f64,
}

impl Plotted {
    /// The target of this name.
    pub(crate) fn find(history: &History, name: &str) -> Option<Self> {
        history.advance(Instant::now());
        let tracks = history.tracks();
        let found = history.metrics().of(name, true)?;
        let target = found.iter().next()?;
        let track = tracks.of(&target);
        let mut steps: Vec<Step> =
            track.map_or_else(Vec::new, |track| track.steps().iter().copied().collect());
        steps.extend(track.map(|track| track.running(&target)));
        let longest = history.span();
        let length = STEP * u32::try_from(steps.len()).unwrap_or(u32::MAX);
        // In whole tens of minutes, so that a young history is not a sliver.
        let minutes = (length.as_secs_f64() / 600.0).ceil() * 10.0;
        Some(Self {
            name: name.to_owned(),
            steps,
            running: Instant::now()
                .saturating_duration_since(tracks.began())
                .min(STEP),
            minutes: minutes.clamp(10.0, (longest.as_secs_f64() / 60.0).max(10.0)),
        })
    }

    /// When a step began and ended, in minutes before now.
    pub(crate) fn when(&self, index: usize) -> (f64, f64) {
        let after = self.steps.len() - 1 - index;
        let minutes = |time: Duration| -time.as_secs_f64() / 60.0;
        let begin = self.running + STEP * u32::try_from(after).unwrap_or(u32::MAX);
        let end = begin.saturating_sub(if after == 0 { self.running } else { STEP });
        (minutes(begin), minutes(end))
    }

    fn is_empty(&self) -> bool {
        self.steps.iter().all(|step| step.quantile(1).is_none())
    }
}

/// The picture as SVG.
pub(crate) fn svg(plotted: &Plotted, picture: &Picture) -> Drawn<String> {
    let width = i32::try_from(picture.width())?;
    let height = TITLE + BAND + LOSS + HEATMAP;
    let mut svg = String::new();
    let size = (u32::try_from(width * FINE)?, u32::try_from(height * FINE)?);
    let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
    let pens = Painter {
        plotted,
        colors: &Colors::of(picture.theme),
        width,
    };
    pens.all(&root)?;
    drop(root);
    // Seen in pixels.
    let fine = format!("width=\"{}\" height=\"{}\"", size.0, size.1);
    let pixels = format!("width=\"{width}\" height=\"{height}\"");
    Ok(svg.replacen(&fine, &pixels, 1))
}

#[cfg(test)]
mod tests;

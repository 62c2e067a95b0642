//! The colours of plots, which are those of the page's style.

use plotters::style::RGBColor;

use crate::page::query::Theme;

pub(super) struct Colors {
    pub(super) background: RGBColor,
    pub(super) text: RGBColor,
    pub(super) muted: RGBColor,
    pub(super) grid: RGBColor,
    pub(super) line: RGBColor,
    pub(super) heat: RGBColor,
    pub(super) good: RGBColor,
    pub(super) bad: RGBColor,
    /// Those of the parts of a round trip: this host, way there, peer's host, way back. They differ
    /// in lightness as well, for readers who don't see all colours.
    pub(super) parts: [RGBColor; 4],
}

impl Colors {
    pub(super) const fn of(theme: Theme) -> Self {
        match theme {
            Theme::Light => Self {
                background: RGBColor(0xff, 0xff, 0xff),
                text: RGBColor(0x1c, 0x21, 0x28),
                muted: RGBColor(0x59, 0x63, 0x6e),
                grid: RGBColor(0xe4, 0xe7, 0xeb),
                line: RGBColor(0x2f, 0x5f, 0xa8),
                heat: RGBColor(0x1f, 0x4e, 0x8c),
                good: RGBColor(0x1a, 0x7f, 0x45),
                bad: RGBColor(0xb4, 0x2b, 0x22),
                parts: [
                    RGBColor(0x59, 0x63, 0x6e),
                    RGBColor(0x3a, 0x8e, 0xe6),
                    RGBColor(0xb9, 0x82, 0x00),
                    RGBColor(0x4a, 0x12, 0x59),
                ],
            },
            Theme::Dark => Self {
                background: RGBColor(0x17, 0x1b, 0x21),
                text: RGBColor(0xe6, 0xea, 0xef),
                muted: RGBColor(0x9a, 0xa5, 0xb1),
                grid: RGBColor(0x2a, 0x31, 0x3a),
                line: RGBColor(0x7f, 0xb0, 0xf5),
                heat: RGBColor(0x8f, 0xbe, 0xff),
                good: RGBColor(0x57, 0xc7, 0x85),
                bad: RGBColor(0xf0, 0x7f, 0x75),
                parts: [
                    RGBColor(0xe6, 0xea, 0xef),
                    RGBColor(0x2f, 0xa8, 0xc8),
                    RGBColor(0xf2, 0xc1, 0x4e),
                    RGBColor(0xa2, 0x59, 0xe6),
                ],
            },
        }
    }
}

//! The queries of the page's endpoints, and links with a query.

use std::time::Duration;

use serde::Deserialize;

/// The maximum number of rows in a page or stream.
pub(crate) const MAX_ROWS: usize = 1000;

/// Which targets to show, and how many.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct TargetsQuery {
    /// Terms that must all occur in the name, the address, a label or the state.
    pub(crate) search: String,
    pub(crate) limit: Option<usize>,
    /// The name of a single target; only the page supports it.
    pub(crate) target: Option<String>,
    /// How much of that target's history to show.
    pub(crate) range: Range,
}

impl TargetsQuery {
    pub(crate) fn limit(&self) -> usize {
        self.limit.unwrap_or(MAX_ROWS).min(MAX_ROWS)
    }
}

/// Whose paths to return.
#[derive(Debug, Deserialize)]
pub(crate) struct PathsQuery {
    pub(crate) target: String,
}

/// Which episodes to list.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct EpisodesQuery {
    /// The name of a target; all without it.
    pub(crate) target: Option<String>,
    pub(crate) limit: Option<usize>,
}

/// Which plot to draw.
#[derive(Debug, Deserialize)]
pub(crate) struct PlotQuery {
    pub(crate) target: String,
    #[serde(default)]
    pub(crate) theme: Theme,
    #[serde(default)]
    pub(crate) range: Range,
    /// Whether the target's name is above the plot.
    #[serde(default = "default_title")]
    pub(crate) title: bool,
    #[serde(default = "default_width")]
    width: u32,
}

const fn default_title() -> bool {
    true
}

const fn default_width() -> u32 {
    960
}

/// The narrowest plot, in pixels: that of a page 320 px wide.
pub(crate) const MIN_WIDTH: u32 = 260;

impl PlotQuery {
    pub(crate) fn width(&self) -> u32 {
        self.width.clamp(MIN_WIDTH, 2000)
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Theme {
    #[default]
    Light,
    Dark,
}

/// How much of a history to show, if there is as much.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) enum Range {
    #[default]
    #[serde(rename = "10m")]
    TenMinutes,
    #[serde(rename = "1h")]
    Hour,
}

impl Range {
    pub(crate) const ALL: [Self; 2] = [Self::TenMinutes, Self::Hour];

    /// Returns the parameter's value.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::TenMinutes => "10m",
            Self::Hour => "1h",
        }
    }

    /// Returns the name that people read.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::TenMinutes => "10 minutes",
            Self::Hour => "1 hour",
        }
    }

    pub(crate) const fn length(self) -> Duration {
        match self {
            Self::TenMinutes => Duration::from_secs(600),
            Self::Hour => Duration::from_secs(3600),
        }
    }
}

/// Returns the link to one target's view.
pub(crate) fn target_link(name: &str) -> String {
    format!("?{}", encode_pair("target", name))
}

/// Encodes `key=value`, escaping everything but letters, digits and `-._`.
pub(crate) fn encode_pair(key: &str, value: &str) -> String {
    use std::fmt::Write as _;
    let mut encode_pair = format!("{key}=");
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._".contains(&byte) {
            encode_pair.push(char::from(byte));
        } else {
            let _ = write!(encode_pair, "%{byte:02X}");
        }
    }
    encode_pair
}

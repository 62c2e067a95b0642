//! The queries of the page's endpoints, and links with a query.

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
}

impl TargetsQuery {
    pub(crate) fn limit(&self) -> usize {
        self.limit.unwrap_or(MAX_ROWS).min(MAX_ROWS)
    }
}

/// Which plot to draw.
#[derive(Debug, Deserialize)]
pub(crate) struct PlotQuery {
    pub(crate) target: String,
    #[serde(default)]
    pub(crate) theme: Theme,
    #[serde(default = "default_width")]
    width: u32,
}

const fn default_width() -> u32 {
    960
}

impl PlotQuery {
    pub(crate) fn width(&self) -> u32 {
        self.width.clamp(320, 2000)
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Theme {
    #[default]
    Light,
    Dark,
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

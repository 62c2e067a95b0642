//! What requests ask for after the `?`, and links that ask for it.

use serde::Deserialize;

/// The most rows that a page or a stream shows.
pub(crate) const MAX_ROWS: usize = 1000;

/// Which targets, and how many.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct TargetsQuery {
    /// Words that each have to be in the name, the address, a label or the state.
    pub(crate) search: String,
    pub(crate) limit: Option<usize>,
    /// One target by its name; only the page knows it.
    pub(crate) target: Option<String>,
}

impl TargetsQuery {
    pub(crate) fn limit(&self) -> usize {
        self.limit.unwrap_or(MAX_ROWS).min(MAX_ROWS)
    }
}

/// Which picture.
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

/// The view of one target.
pub(crate) fn target_link(name: &str) -> String {
    format!("?{}", encode_pair("target", name))
}

/// `key=value` with everything but letters and digits escaped.
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

//! The configuration of a run in the foreground.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::str::FromStr;
use std::time::Duration;

/// The configuration of a run in the foreground.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchConfig {
    /// The run ends after this many slots of each target have an outcome.
    pub count: Option<NonZeroU64>,
    /// The run ends after this long, above zero.
    pub duration: Option<Duration>,
    /// The report at the end of the run, if there is one.
    pub report: Option<ReportConfig>,
    /// Whether to print a line for each probe.
    pub verbose: bool,
    /// Whether the hops to the targets are lines, too, once they are known: for a prober that traces
    /// each connection.
    pub hops: bool,
    /// Whether to show a live view in the terminal. Needs the feature `terminal`.
    pub live: bool,
}

/// The configuration of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportConfig {
    /// The format.
    pub output: Output,
    /// The exit status is 0 up to this loss.
    pub max_loss: Percent,
    /// Labels of every target, besides its own.
    pub labels: BTreeMap<String, String>,
}

/// The format of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Output {
    /// A table, for people.
    Table,
    /// A JSON object, for programs.
    Json,
}

impl Output {
    /// The names of the formats.
    pub const NAMES: [&'static str; 2] = ["table", "json"];
}

/// A text that names no format of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("use table or json")]
pub struct UnknownOutput;

impl FromStr for Output {
    type Err = UnknownOutput;

    fn from_str(name: &str) -> Result<Self, UnknownOutput> {
        match name {
            "table" => Ok(Self::Table),
            "json" => Ok(Self::Json),
            _ => Err(UnknownOutput),
        }
    }
}

/// A number from 0 to 100.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Percent(f64);

/// It is never a NaN.
impl Eq for Percent {}

impl Percent {
    /// The percentage, if the number is from 0 to 100.
    pub fn new(percent: f64) -> Option<Self> {
        (0.0..=100.0).contains(&percent).then_some(Self(percent))
    }

    /// The number.
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl FromStr for Percent {
    type Err = PercentError;

    /// A number from 0 to 100, with or without `%`.
    fn from_str(text: &str) -> Result<Self, PercentError> {
        let number = text.strip_suffix('%').unwrap_or(text);
        let number = number.parse().ok();
        number.and_then(Self::new).ok_or(PercentError)
    }
}

/// The text is no [`Percent`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("use a number from 0 to 100")]
pub struct PercentError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentage_is_from_0_to_100() {
        for (text, number) in [("0", 0.0), ("0.1", 0.1), ("5%", 5.0), ("100", 100.0)] {
            assert_eq!(text.parse().map(Percent::get), Ok(number));
        }
        for text in ["-1", "100.1", "NaN", "inf", "", "%", "5%%", "1,5"] {
            assert_eq!(text.parse::<Percent>(), Err(PercentError), "{text:?}");
        }
    }
}

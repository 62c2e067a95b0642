//! Which series a target has.

use std::str::FromStr;

/// Which series each target has. A larger set includes a smaller one, except where it has the
/// same by `reason` or as a histogram.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum SeriesSet {
    /// At most ten, for very many targets: counts of probes, the loss, whether there is a
    /// connection, and the RTT. In protobuf the RTT is a native histogram; in text it is its sum,
    /// and quantiles over the loss window.
    Minimal,
    /// Some thirty with the default buckets: what the overview and the alerts need.
    Standard,
    /// All of them.
    #[default]
    All,
}

/// A text that names no set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("use all, standard or minimal")]
pub struct UnknownSeriesSet;

impl SeriesSet {
    /// The names of the sets, the largest first.
    pub const NAMES: [&'static str; 3] = ["all", "standard", "minimal"];
}

impl FromStr for SeriesSet {
    type Err = UnknownSeriesSet;

    fn from_str(name: &str) -> Result<Self, UnknownSeriesSet> {
        match name {
            "all" => Ok(Self::All),
            "standard" => Ok(Self::Standard),
            "minimal" => Ok(Self::Minimal),
            _ => Err(UnknownSeriesSet),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_parsed() {
        let sets = SeriesSet::NAMES.map(str::parse);
        let expected = [SeriesSet::All, SeriesSet::Standard, SeriesSet::Minimal];
        assert_eq!(sets, expected.map(Ok));
        assert_eq!("ALL".parse::<SeriesSet>(), Err(UnknownSeriesSet));
    }
}

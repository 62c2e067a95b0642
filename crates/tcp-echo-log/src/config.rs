//! The configuration of a log.

use std::str::FromStr;

use tracing::level_filters::LevelFilter;

/// The format of log lines, and the levels that are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// The format of a line.
    pub format: LogFormat,
    /// The least severe level that is written.
    pub level: LogLevel,
}

/// The format of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LogFormat {
    /// Time, level, message, and fields as `name=value`.
    Text,
    /// A JSON object.
    Json,
}

/// The severity of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LogLevel {
    /// Something is broken.
    Error,
    /// Something is wrong, and the program goes on.
    Warn,
    /// A change worth knowing.
    Info,
    /// Details that help to find a fault.
    Debug,
    /// Everything.
    Trace,
}

/// A text that names no format or level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("use {0}")]
pub struct UnknownName(&'static str);

impl LogFormat {
    /// The names of the formats.
    pub const NAMES: [&'static str; 2] = ["text", "json"];
}

impl LogLevel {
    /// The names of the levels, the most severe first.
    pub const NAMES: [&'static str; 5] = ["error", "warn", "info", "debug", "trace"];
}

impl FromStr for LogFormat {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        match name {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(UnknownName("text or json")),
        }
    }
}

impl FromStr for LogLevel {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        match name {
            "error" => Ok(Self::Error),
            "warn" => Ok(Self::Warn),
            "info" => Ok(Self::Info),
            "debug" => Ok(Self::Debug),
            "trace" => Ok(Self::Trace),
            _ => Err(UnknownName("error, warn, info, debug or trace")),
        }
    }
}

impl From<LogLevel> for LevelFilter {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Error => Self::ERROR,
            LogLevel::Warn => Self::WARN,
            LogLevel::Info => Self::INFO,
            LogLevel::Debug => Self::DEBUG,
            LogLevel::Trace => Self::TRACE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_parsed() {
        for name in LogFormat::NAMES {
            assert!(name.parse::<LogFormat>().is_ok(), "{name}");
        }
        for name in LogLevel::NAMES {
            assert!(name.parse::<LogLevel>().is_ok(), "{name}");
        }
        assert!("warning".parse::<LogLevel>().is_err());
    }
}

//! The format of lines.

use std::io;

use tracing::subscriber::with_default;

use crate::config::{LogConfig, LogFormat, LogLevel};
use crate::output::Buffer;
use crate::subscriber::{Style, subscriber};

const HOSTILE: &str = "a b\n\u{1b}[31mred\u{7f}\u{9b}2J\u{202e}";

/// The lines that `log` writes.
fn logged(format: LogFormat, level: LogLevel, style: Style, log: impl FnOnce()) -> String {
    let buffer = Buffer::default();
    let config = LogConfig { format, level };
    with_default(subscriber(config, style, buffer.clone()), log);
    String::from_utf8(buffer.take()).unwrap()
}

const JOURNAL: Style = Style {
    ansi: false,
    journal: true,
};

fn text(log: impl FnOnce()) -> String {
    logged(LogFormat::Text, LogLevel::Info, JOURNAL, log)
}

#[test]
fn text_is_level_message_and_fields() {
    let line = text(|| tracing::info!(target_name = "db", port = 4000, up = true, "connected"));
    assert_eq!(line, " INFO connected target_name=db port=4000 up=true\n");
}

#[test]
fn time_is_left_to_the_journal_alone() {
    let line = logged(LogFormat::Text, LogLevel::Info, Style::default(), || {
        tracing::warn!("odd");
    });
    let (time, rest) = line.split_once(' ').unwrap();
    assert!(time.starts_with("20") && time.ends_with('Z'), "{line}");
    assert_eq!(rest, " WARN odd\n");
}

#[cfg(unix)]
#[test]
fn the_journal_is_known_by_device_and_inode() {
    use std::os::unix::fs::MetadataExt;

    use crate::subscriber::is_stream;

    let (file, other) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
    let metadata = file.metadata().unwrap();
    let stream = format!("{}:{}", metadata.dev(), metadata.ino());
    assert!(is_stream(&file, &stream));
    assert!(!is_stream(&other, &stream));
    assert!(!is_stream(&file, "") && !is_stream(&file, "8:1"));
}

#[test]
fn no_value_from_outside_forges_lines_or_fields() {
    let line = text(|| {
        tracing::info!(a = HOSTILE, b = %HOSTILE, c = ?HOSTILE, d = %"x=y", e = %"\"", f = %"", "said {HOSTILE}");
    });
    let quoted = r#""a b\n\u{1b}[31mred\u{7f}\u{9b}2J\u{202e}""#;
    assert_eq!(
        line,
        format!(
            " INFO said {} a={quoted} b={quoted} c={quoted} d=\"x=y\" e=\"\\\"\" f=\"\"\n",
            quoted.trim_matches('"')
        )
    );
}

#[test]
fn errors_come_with_their_sources_and_spans_with_their_fields() {
    let source = io::Error::other("line\nbreak");
    let error = io::Error::other(source);
    let line = text(|| {
        let span = tracing::info_span!("probing", target_name = HOSTILE);
        let error: &(dyn std::error::Error + 'static) = &error;
        span.in_scope(|| tracing::info!(error, "failed"));
    });
    assert_eq!(line.matches('\n').count(), 1, "{line:?}");
    assert!(
        !line.trim_end().contains(|c: char| c.is_control()),
        "{line:?}"
    );
    assert!(line.contains(r#"error="line\nbreak""#), "{line:?}");
    assert!(line.contains("probing{target_name=\"a b"), "{line:?}");
}

#[test]
fn colours_are_for_people_and_only_ours() {
    let style = Style {
        ansi: true,
        journal: true,
    };
    let line = logged(LogFormat::Text, LogLevel::Info, style, || {
        tracing::info!(name = HOSTILE, "{HOSTILE}");
    });
    assert!(line.contains("\u{1b}["), "{line:?}");
    assert!(!line.contains("\u{1b}[31m"), "{line:?}");
}

#[test]
fn json_is_one_object_a_line_without_control_characters() {
    let line = logged(LogFormat::Json, LogLevel::Info, Style::default(), || {
        tracing::warn!(name = HOSTILE, other = %HOSTILE, count = 3, "said {HOSTILE}");
    });
    assert!(
        !line
            .trim_end()
            .contains(|c: char| c.is_control() || c == '\u{202e}'),
        "{line:?}"
    );
    let object: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(object["level"], "WARN");
    assert_eq!(object["message"], format!("said {HOSTILE}"));
    assert_eq!(object["name"], HOSTILE);
    assert_eq!(object["other"], HOSTILE);
    assert_eq!(object["count"], 3);
    assert!(object["timestamp"].is_string());
}

#[test]
fn levels_are_those_of_this_project_and_warnings_are_everybodys() {
    let log = || {
        tracing::debug!(target: "tcp_echo_prober::driver", "ours");
        tracing::debug!(target: "hyper::proto", "theirs");
        tracing::warn!(target: "hyper::proto", "their warning");
    };
    let lines = |level| {
        let lines = logged(LogFormat::Text, level, JOURNAL, log);
        lines
            .lines()
            .map(|line| line.trim().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(lines(LogLevel::Trace), ["DEBUG ours", "WARN their warning"]);
    assert_eq!(lines(LogLevel::Info), ["WARN their warning"]);
    assert!(lines(LogLevel::Error).is_empty());
}

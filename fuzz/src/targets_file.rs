//! Fuzzes targets files as JSON and YAML: both parsers return the same for the same text, an accepted
//! file is clean and can be written and parsed again, and a rejected one has a clean one-line
//! error.

use std::{
    num::{NonZeroU16, NonZeroU32},
    time::Duration,
};

use serde_json::json;
use tcp_echo_targets::{Defaults, Format, ParseError, Spec, parse};

use crate::text::is_clean_line;

/// The input is the content of a file.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let json = read(text, Format::Json);
    let yaml = read(text, Format::Yaml);
    for specs in [&json, &yaml] {
        match specs {
            Ok(specs) => accepted(specs),
            Err(error) => {
                let message = error.to_string();
                assert!(is_clean_line(&message), "{message:?}");
            }
        }
    }
    if let (Ok(json), Ok(yaml)) = (json, yaml) {
        assert_eq!(json, yaml);
    }
}

fn defaults() -> Defaults {
    Defaults {
        interval: Duration::from_millis(200),
        timeout: Duration::from_millis(800),
        window: NonZeroU32::MIN,
        stall: None,
        is_adaptive: false,
        flows: NonZeroU16::MIN,
    }
}

fn read(text: &str, format: Format) -> Result<Vec<Spec>, ParseError> {
    parse(text, format, &defaults())
}

fn accepted(specs: &[Spec]) {
    let entry = |spec: &Spec| {
        assert!(is_clean_line(spec.name()));
        let session = spec.session();
        let mut labels = spec.labels().clone();
        for (label, value) in &labels {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
            assert!(label.bytes().all(allowed) && !label.starts_with("__"));
            assert!(!value.is_empty());
        }
        let nanos = |duration: Duration| format!("{}ns", duration.as_nanos());
        labels.extend([
            ("target".to_owned(), spec.name().to_string()),
            ("__probe_interval__".to_owned(), nanos(session.interval())),
            ("__probe_timeout__".to_owned(), nanos(session.timeout())),
            ("__probe_window__".to_owned(), session.window().to_string()),
            ("__probe_flows__".to_owned(), spec.flows().to_string()),
        ]);
        json!({"targets": [spec.endpoint().to_string()], "labels": labels})
    };
    let entries: Vec<_> = specs.iter().map(entry).collect();
    let text = serde_json::to_string(&entries).unwrap();
    assert_eq!(read(&text, Format::Json).as_deref(), Ok(specs));
    assert_eq!(read(&text, Format::Yaml).as_deref(), Ok(specs));
}

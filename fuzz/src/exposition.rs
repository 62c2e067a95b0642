//! Fuzzes the text formats with arbitrary target names and labels: parsing every sample returns the
//! original names and labels.

use std::{collections::BTreeMap, time::Duration};

use axum::{body::Body, http::Request};
use tcp_echo_exporter::{Endpoints, TargetMetrics};
use tcp_echo_prober::{Observer as _, SessionConfig, Target};

use crate::endpoints::{BUILD, ask, block_on};

const FORMATS: [&str; 2] = ["text/plain", "application/openmetrics-text"];

/// The input is the target's name, then labels and values alternately, separated by a 0 byte.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let mut parts = text.split('\0');
    let name = parts.next().unwrap_or_default();
    let mut labels = BTreeMap::new();
    while let (Some(label), Some(value)) = (parts.next(), parts.next()) {
        labels.insert(label, value);
    }
    let session = SessionConfig::new(Duration::from_secs(1), Duration::from_secs(1)).unwrap();
    let target = Target::new("192.0.2.1:4000".parse().unwrap(), session).named(name);
    let with = |target: Target, (label, value): (&&str, &&str)| target.with_label(*label, *value);
    let target = labels.iter().fold(target, with);
    let metrics = TargetMetrics::new();
    let sensor = metrics.attach(&target);
    for format in FORMATS {
        let answer = block_on(async {
            let router = Endpoints::new(BUILD).with_targets(metrics.clone()).router();
            let request = Request::get("/metrics").header("accept", format);
            ask(&router, request.body(Body::empty()).unwrap()).await
        });
        assert_eq!(answer.status, 200);
        assert!(answer.kind.starts_with(format));
        check(&answer.text.unwrap(), name, &labels);
    }
    drop(sensor);
}

fn check(text: &str, name: &str, labels: &BTreeMap<&str, &str>) {
    let mut of_target = 0;
    for line in text.split('\n') {
        if line.is_empty() || line.starts_with("# ") {
            continue;
        }
        let found = sample(line).unwrap_or_else(|| panic!("no sample: {line:?}"));
        let Some(target) = found.get("target") else {
            continue;
        };
        assert_eq!(target, name, "{line}");
        of_target += 1;
        let own = [
            "target",
            "reason",
            "le",
            "address",
            "quantile",
            "direction",
            "part",
        ];
        for (label, value) in found.iter().filter(|(label, _)| !own.contains(&&***label)) {
            assert!(
                labels.values().any(|given| given == value),
                "{label} in {line}"
            );
        }
        // Labels that are valid as they are must be present, except for two that became equal.
        for (label, value) in labels {
            let plain = |byte: u8| byte.is_ascii_lowercase();
            if label.bytes().all(plain)
                && !label.is_empty()
                && !own.contains(label)
                && !value.is_empty()
            {
                assert_eq!(
                    found.get(*label).map(|value| &**value),
                    Some(*value),
                    "{line}"
                );
            }
        }
    }
    assert!(of_target > 20);
}

/// Parses a sample; returns its unescaped labels.
fn sample(line: &str) -> Option<BTreeMap<String, String>> {
    let name = |text: &str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        !text.is_empty() && text.bytes().all(allowed) && !text.as_bytes()[0].is_ascii_digit()
    };
    let end = line.find(['{', ' '])?;
    let (metric, mut rest) = line.split_at(end);
    if !name(metric) {
        return None;
    }
    let mut labels = BTreeMap::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        loop {
            if let Some(after) = rest.strip_prefix('}') {
                rest = after;
                break;
            }
            let (label, after) = rest.split_once("=\"")?;
            if !name(label) {
                return None;
            }
            let (value, after) = unescaped(after)?;
            if labels.insert(label.to_owned(), value).is_some() {
                return None;
            }
            rest = after.strip_prefix(',').unwrap_or(after);
        }
    }
    let value = rest.strip_prefix(' ')?;
    (value == "+Inf" || value.parse::<f64>().is_ok()).then_some(labels)
}

/// Unescapes a value up to its closing quote; returns the value and the rest.
fn unescaped(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((place, c)) = chars.next() {
        match c {
            '"' => return Some((value, &text[place + 1..])),
            '\\' => value.push(match chars.next()?.1 {
                'n' => '\n',
                c @ ('\\' | '"') => c,
                _ => return None,
            }),
            c => value.push(c),
        }
    }
    None
}

//! The text of targets files: valid files, and the errors of others.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::fmt::Write;
use std::num::NonZeroU16;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use tcp_echo_targets::{Defaults, Format, ParseError, Spec, parse};

fn defaults() -> Defaults {
    Defaults {
        interval: Duration::from_millis(200),
        timeout: Duration::from_millis(800),
        window: 100.try_into().unwrap(),
        stall: None,
        is_adaptive: false,
        flows: NonZeroU16::MIN,
    }
}

fn yaml(text: &str) -> Result<Vec<Spec>, ParseError> {
    parse(text, Format::Yaml, &defaults())
}

fn json(text: &str) -> Result<Vec<Spec>, ParseError> {
    parse(text, Format::Json, &defaults())
}

fn names(specs: &[Spec]) -> Vec<&str> {
    specs.iter().map(|spec| &**spec.name()).collect()
}

/// Both notations of one list: `JSON` is nearly a part of `YAML`.
fn both(text: &str) -> Vec<Spec> {
    let specs = json(text).unwrap();
    assert_eq!(yaml(text).unwrap(), specs, "{text}");
    specs
}

#[test]
fn file_sd_as_prometheus_documents_it() {
    let specs = both(
        r#"[
            {"targets": ["a.example.com:4000", "[2001:db8::1]:4001"],
             "labels": {"dc": "fra", "job": "echo", "instance": "x", "__meta_x": "y", "empty": ""}},
            {"targets": [":4000"]},
            {"targets": [], "labels": {}},
            {"targets": null, "labels": null}
        ]"#,
    );
    assert_eq!(
        names(&specs),
        ["a.example.com:4000", "[2001:db8::1]:4001", ":4000"]
    );
    let labels: Vec<_> = specs[1].labels().iter().collect();
    let kept = [("dc", "fra"), ("instance", "x"), ("job", "echo")];
    assert_eq!(
        labels,
        kept.map(|(a, b)| (a.to_owned(), b.to_owned()))
            .iter()
            .map(|(a, b)| (a, b))
            .collect::<Vec<_>>()
    );
    assert!(specs[2].labels().is_empty());
}

#[test]
fn labels_rename_and_override() {
    let specs = both(
        r#"[{"targets": ["a:1"],
             "labels": {"target": "web", "__probe_interval__": "10ms", "__probe_timeout__": "2000ms",
                        "__probe_window__": "6000", "__probe_flows__": "64"}},
            {"name": "db", "address": "b:1", "labels": {"__probe_window__": "1", "dc": "ams"}},
            {"address": "c:1"}]"#,
    );
    assert_eq!(names(&specs), ["web", "db", "c:1"]);
    let session = specs[0].session();
    assert_eq!(session.interval(), Duration::from_millis(10));
    assert_eq!(session.timeout(), Duration::from_secs(2));
    // The automatic stall limit follows the timeout.
    assert_eq!(session.stall(), Duration::from_secs(6));
    assert_eq!(session.window().get(), 6000);
    assert_eq!(specs[0].flows().get(), 64);
    assert_eq!(specs[1].flows().get(), 1);
    assert!(specs[0].labels().is_empty());
    assert_eq!(specs[1].session().window().get(), 1);
    assert_eq!(specs[1].session().interval(), Duration::from_millis(200));
    assert_eq!(specs[1].labels()["dc"], "ams");
    assert_eq!(*specs[2].session(), defaults().session().unwrap());
}

#[cfg(feature = "discovery")]
#[test]
fn names_to_be_looked_up() {
    let specs = both(
        r#"[{"targets": ["dns+web.example.com:4000", "srv+_echo._tcp.example.com"]},
            {"name": "web", "address": "dns+web:4000"}]"#,
    );
    assert_eq!(
        names(&specs),
        [
            "dns+web.example.com:4000",
            "srv+_echo._tcp.example.com",
            "web"
        ]
    );
    assert!(
        matches!(specs[2].endpoint(), tcp_echo_targets::Endpoint::Dns { port: 4000, host } if host.ascii() == "web")
    );
}

#[test]
fn yaml_has_more_ways_to_write_it() {
    let specs = yaml(
        "# comment\n---\n\
         - targets: [a:1, 'b:2']\n  labels: &common {rack: 7, on: yes, version: 1.50, n: null, __probe_window__: 300}\n\
         - targets:\n  - c:3\n  labels:\n    <<: *common\n    rack: '8'\n",
    )
    .unwrap();
    assert_eq!(names(&specs), ["a:1", "b:2", "c:3"]);
    let labels = |index: usize| {
        let labels = specs[index].labels().iter();
        labels.map(|(a, b)| format!("{a}={b}")).collect::<Vec<_>>()
    };
    assert_eq!(labels(0), ["on=yes", "rack=7", "version=1.50"]);
    assert_eq!(labels(2), ["on=yes", "rack=8", "version=1.50"]);
    assert_eq!(specs[2].session().window().get(), 300);
    assert_eq!(both("[]"), []);
    assert_eq!(
        names(&json("\u{feff}[{\"address\": \"a:1\"}]").unwrap()),
        ["a:1"]
    );
    assert_eq!(names(&yaml("\u{feff}- address: a:1").unwrap()), ["a:1"]);
}

#[test]
fn errors_have_their_place() {
    let empty = "it is empty: a list of no targets is written []";
    for (text, message) in [
        ("", empty),
        (" \n", empty),
        ("null", empty),
        (
            r#"[{"targets": ["a:1"], "lables": {}}]"#,
            "line 1, column 30: unknown field `lables`, expected one of `targets`, `labels`, `name`, `address`, `interval`, `timeout`",
        ),
        (
            "[{\"targets\": [\"a:1\"]},\n {\"targets\": \"a:1\"}]",
            "line 2, column 18: invalid type: string \"a:1\", expected a sequence",
        ),
        (
            "[\n{\"targets\": [\"a:1\"]},]",
            "line 2, column 22: trailing comma",
        ),
        (
            r#"{"targets": ["a:1"]}"#,
            "line 1, column 1: invalid type: map, expected a sequence",
        ),
        (
            "[5]",
            "line 1, column 2: invalid type: integer `5`, expected an entry with targets or address",
        ),
        (
            r#"[{"targets": ["a:1"], "labels": {"a": 1}}]"#,
            "line 1, column 39: invalid type: integer `1`, expected a string",
        ),
        (
            r#"[{"targets": ["a:1"], "labels": {"a": "b", "a": "c"}}]"#,
            "line 1, column 52: label \"a\" comes twice",
        ),
        (
            r#"[{"targets": [], "targets": []}]"#,
            "line 1, column 26: duplicate field `targets`",
        ),
        (
            r#"[{"targets": ["a:1"]}] x"#,
            "line 1, column 24: a second list begins here: a file has one, with all entries",
        ),
    ] {
        assert_eq!(json(text).unwrap_err().to_string(), message, "{text}");
    }
    for (text, message) in [
        ("", empty),
        ("# nothing\n", empty),
        ("~", empty),
        (
            "- targets: [a:1]\n  lables: {}",
            "line 2, column 3: unknown field `lables`, expected one of targets, labels, name, address, interval, timeout",
        ),
        ("- targets: a:1", "line 1, column 12: expected a list"),
        ("targets: [a:1]", "line 1, column 1: expected a list"),
        ("- a:1", "line 1, column 3: expected a mapping"),
        ("- targets: [{a: 1}]", "line 1, column 13: expected a text"),
        (
            "- targets: [a:1]\n  labels: {a: b, a: c}",
            "line 2, column 18: duplicate mapping key `a` is not allowed here",
        ),
        (
            "- targets: [a:1\n",
            "line 1, column 12: unclosed bracket '['",
        ),
        (
            "- address: a:1\n- address: &a *a",
            "line 2, column 15: while parsing a block mapping, did not find expected key",
        ),
    ] {
        assert_eq!(yaml(text).unwrap_err().to_string(), message, "{text}");
    }
}

#[test]
fn entries_that_can_not_be_used() {
    for (entry, message) in [
        ("{}", "it has neither targets nor address"),
        (
            r#"{"labels": {"a": "b"}}"#,
            "it has neither targets nor address",
        ),
        (
            r#"{"targets": ["a:1"], "address": "b:1"}"#,
            "it has both targets and address: use one",
        ),
        (
            r#"{"targets": ["a:1"], "name": "b"}"#,
            "name goes with address; what goes with targets is the label target",
        ),
        (r#"{"address": "b:1", "name": ""}"#, "its name is empty"),
        (
            r#"{"address": "b:1", "name": "a\nb"}"#,
            "the target's name \"a\\nb\" has control characters",
        ),
        (
            r#"{"address": "b:1", "labels": {"target": "\u001b[1m"}}"#,
            "the target's name \"\\u{1b}[1m\" has control characters",
        ),
        (
            r#"{"address": "b:1", "name": "b", "labels": {"target": "c"}}"#,
            "it has both name and the label target: use one",
        ),
        (
            r#"{"address": "b"}"#,
            "\"b\": the port is missing: write host:port, as in localhost:4000 or [::1]:4000",
        ),
        (
            r#"{"address": "b:0"}"#,
            "\"b:0\": a target's port must be from 1 to 65535",
        ),
        #[cfg(feature = "discovery")]
        (
            r#"{"address": "dns+b"}"#,
            "\"dns+b\": the port is missing: write host:port, as in localhost:4000 or [::1]:4000",
        ),
    ] {
        second_entry_fails(entry, message);
    }
    let second = json(r#"[{"targets": ["a:1", "b"]}]"#)
        .unwrap_err()
        .to_string();
    let start = "line 1, column 22 (entry 1, target 2): \"b\": ";
    assert!(second.starts_with(start), "{second}");
}

#[test]
fn labels_that_can_not_be_used() {
    for (entry, message) in [
        (
            r#"{"address": "b:1", "labels": {"7a": "x"}}"#,
            "the label \"7a\" has no valid name: letters, digits and _, no digit first",
        ),
        (
            r#"{"address": "b:1", "labels": {"a-b": ""}}"#,
            "the label \"a-b\" has no valid name: letters, digits and _, no digit first",
        ),
        (
            r#"{"address": "b:1", "labels": {"": "x"}}"#,
            "the label \"\" has no valid name: letters, digits and _, no digit first",
        ),
        (
            r#"{"address": "b:1", "labels": {"größe": "x"}}"#,
            "the label \"größe\" has no valid name: letters, digits and _, no digit first",
        ),
        (
            r#"{"address": "b:1", "labels": {"le": "x"}}"#,
            "the label \"le\" is one that the metrics have themselves",
        ),
        (
            r#"{"address": "b:1", "labels": {"reason": "x"}}"#,
            "the label \"reason\" is one that the metrics have themselves",
        ),
        (
            r#"{"address": "b:1", "labels": {"address": "x"}}"#,
            "the label \"address\" is one that the metrics have themselves",
        ),
        (
            r#"{"address": "b:1", "labels": {"__probe_intervall__": "x"}}"#,
            "unknown label \"__probe_intervall__\": there are __probe_interval__, __probe_timeout__, __probe_window__ and __probe_flows__",
        ),
        (
            r#"{"address": "b:1", "labels": {"__probe_interval__": "5"}}"#,
            "__probe_interval__: \"5\": a duration needs a unit, as in 5ms, 1.5s or 1h2m3s",
        ),
        (
            r#"{"address": "b:1", "labels": {"__probe_interval__": "0ms"}}"#,
            "__probe_interval__: \"0ms\": must be more than 0",
        ),
        (
            r#"{"address": "b:1", "labels": {"__probe_timeout__": "99999999999ms"}}"#,
            "timeout 99999999.999s is not above 0 and at most 24h",
        ),
        (
            r#"{"address": "b:1", "labels": {"__probe_interval__": "1ms", "__probe_timeout__": "1048577ms"}}"#,
            "timeout 1048.577s at interval 1ms means 1048577 probes in flight, more than 1048576: change __probe_timeout__ or __probe_interval__",
        ),
        (
            r#"{"address": "b:1", "labels": {"__probe_window__": "0"}}"#,
            "__probe_window__: \"0\": use a whole number from 1 to 10000000",
        ),
        (
            r#"{"address": "b:1", "labels": {"__probe_window__": "+5"}}"#,
            "__probe_window__: \"+5\": use a whole number from 1 to 10000000",
        ),
        (
            r#"{"address": "b:1", "labels": {"__probe_flows__": "0"}}"#,
            "__probe_flows__: \"0\": use a whole number from 1 to 64",
        ),
        (
            r#"{"address": "b:1", "labels": {"__probe_flows__": "65"}}"#,
            "__probe_flows__: \"65\": use a whole number from 1 to 64",
        ),
        (
            r#"{"address": "b:1", "labels": {"__probe_window__": "10000001"}}"#,
            "__probe_window__: \"10000001\": use a whole number from 1 to 10000000",
        ),
    ] {
        second_entry_fails(entry, message);
    }
}

/// Asserts the error of `entry`, in both notations.
fn second_entry_fails(entry: &str, message: &str) {
    let text = format!(r#"[{{"address": "a:1"}}, {entry}]"#);
    let error = json(&text).unwrap_err().to_string();
    assert_eq!(yaml(&text).unwrap_err().to_string(), error, "{text}");
    let expected = format!(" (entry 2): {message}");
    let place = error.strip_suffix(&expected).unwrap_or(&error);
    let column = place.strip_prefix("line 1, column ").unwrap_or(place);
    let column: usize = column.parse().expect(&error);
    // The position of the entry, or of the part with the error.
    assert!((22..=text.len()).contains(&column), "{error}");
}

#[test]
fn every_mistake_has_its_line() {
    let text = "[\n  {\"targets\": [\n    \"größe:1\",\n    \"b:70000\"]},\n  {}\n]";
    let place = "line 4, column 5 (entry 1, target 2): ";
    let port = "\"b:70000\": a target's port must be from 1 to 65535";
    for parse in [json, yaml] {
        let error = parse(text).unwrap_err().to_string();
        assert_eq!(error, format!("{place}{port}"));
        let error = parse(&text.replace("70000", "1")).unwrap_err().to_string();
        assert_eq!(
            error,
            "line 5, column 3 (entry 2): it has neither targets nor address"
        );
        let text = text
            .replace("70000", "1")
            .replace("{}", "{\"address\":\n \"c:1 \"}");
        assert_eq!(
            parse(&text).unwrap_err().to_string(),
            "line 6, column 2 (entry 2): \"c:1 \": there is white space in it: remove that"
        );
    }
    let error = yaml("- targets:\n  - a:1\n  labels:\n    dc: fra\n    __probe_window__: x\n");
    assert_eq!(
        error.unwrap_err().to_string(),
        "line 5, column 23 (entry 1): __probe_window__: \"x\": use a whole number from 1 to 10000000"
    );
    for (text, column) in [
        ("- targets: [a:1]\n---\n- targets: [b:1]\n", 1),
        ("- targets: [a:1]\n...\n---\n[]\n", 1),
    ] {
        let error = yaml(text).unwrap_err().to_string();
        let expected = format!(
            ", column {column}: a second list begins here: a file has one, with all entries"
        );
        assert!(error.ends_with(&expected), "{error}");
    }
}

/// A target with `count` labels, of which it may have 64.
fn labelled(count: usize, name: &str) -> String {
    let labels: Vec<_> = (0..count)
        .map(|n| format!("\"{name}{n}\":\n\"x\""))
        .collect();
    format!(
        r#"[{{"targets": ["a:1"], "labels": {{"target": "web", {}}}}}]"#,
        labels.join(", ")
    )
}

#[test]
fn labels_have_a_bound_and_their_number_costs_no_more_than_its_length() {
    assert_eq!(both(&labelled(64, "l"))[0].labels().len(), 64);
    // Labels that Prometheus reserves are dropped.
    assert!(both(&labelled(1000, "__meta_l"))[0].labels().is_empty());
    for count in [65, 100_000] {
        let text = labelled(count, "l");
        let message = format!("it has {count} labels: a target may have 64");
        for parse in [json, yaml] {
            let begun = Instant::now();
            let error = parse(&text).unwrap_err().to_string();
            assert_eq!(error, format!("line 66, column 1 (entry 1): {message}"));
            assert!(begun.elapsed() < Duration::from_secs(30));
        }
    }
}

#[test]
fn the_name_of_a_file_says_what_it_is() {
    let format = |path: &str| Format::of(path.as_ref());
    assert_eq!(format("/a/b.json"), Format::Json);
    assert_eq!(format("b.JSON"), Format::Json);
    for path in ["b.yml", "b.yaml", "b", "json", "b.json.yml"] {
        assert_eq!(format(path), Format::Yaml, "{path}");
    }
}

/// Texts that expand to much more, each within the maximum size of a file.
#[test]
fn bombs_are_defused() {
    let mut laughs = String::from("- targets: &a0 [\"a:1\", \"a:1\"]\n");
    for n in 1..=40 {
        let last = n - 1;
        writeln!(
            laughs,
            "- targets: &a{n} [*a{last}, *a{last}, *a{last}, *a{last}]"
        )
        .unwrap();
    }
    let big = "x".repeat(1_000_000);
    let copies = format!(
        "- name: &a {big}\n  address: a:1\n{}",
        "- {name: *a, address: b:1}\n".repeat(9_000)
    );
    let lists = format!(
        "- targets: &a [{}]\n{}",
        "a:1,".repeat(1_000),
        "- targets: *a\n".repeat(40_000)
    );
    for bomb in [
        laughs,
        copies,
        lists,
        "[".repeat(5_000_000),
        "- ".repeat(1_000_000),
        "{a: ".repeat(1_000_000),
        "- ? ".repeat(1_000_000),
        "--- []\n".repeat(1_000_000),
        "&a ".repeat(1_000_000),
    ] {
        let begun = Instant::now();
        let start: String = bomb.chars().take(40).collect();
        assert!(
            matches!(yaml(&bomb), Err(ParseError::Syntax { .. })),
            "{start}"
        );
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "{start}: {:?}",
            begun.elapsed()
        );
    }
    assert!(json(&"[".repeat(5_000_000)).is_err());
}

fn many(count: usize) -> String {
    let entry = |n: usize| {
        format!(
            r#"{{"targets": ["host-{n}.example.com:4000"], "labels": {{"dc": "fra", "rack": "r{n}"}}}}"#
        )
    };
    let entries: Vec<_> = (0..count).map(entry).collect();
    format!("[\n{}\n]", entries.join(",\n"))
}

#[test]
fn a_file_of_the_largest_size_is_within_the_limits() {
    let text = many(100_000);
    assert!(
        (8_000_000..10_000_000).contains(&text.len()),
        "{}",
        text.len()
    );
    assert_eq!(yaml(&text).unwrap().len(), 100_000);
    assert_eq!(json(&text).unwrap().len(), 100_000);
}

proptest! {
    #[test]
    fn no_text_is_a_reason_to_panic(text: String) {
        let _ = (json(&text), yaml(&text));
    }

    #[test]
    fn no_bytes_are_a_reason_to_panic(bytes: Vec<u8>) {
        let text = String::from_utf8_lossy(&bytes);
        let _ = (json(&text), yaml(&text));
    }

    /// Texts of the tokens of such files.
    #[test]
    fn what_is_nearly_a_list_is_no_reason_to_panic(
        words in prop::collection::vec(prop::sample::select(&[
            "- ", "\n", "\n  ", "targets", "labels", "name", "address", ": ", "[", "]", "{", "}", ",",
            "\"", "'", "a:1", "dns+b:2", "srv+_c._d", "&a ", "*a", "<<", "!!str ", "| ", "> ", "? ", "# ",
            "---", "...", "\t", "null", "__probe_window__", "7", "%YAML 1.2", "\u{feff}", "\r\n", "\u{85}",
        ][..]), 0..40)
    ) {
        let text = words.concat();
        let _ = (json(&text), yaml(&text));
    }

    /// A good file with one character changed.
    #[test]
    fn a_typing_error_is_no_reason_to_panic(at in 0usize..150, with: char) {
        let mut text: Vec<char> = "- targets: [\"a:1\", b:2]\n  labels: {dc: fra, __probe_window__: 30}\n\
            - name: c\n  address: dns+c:3\n  labels:\n    <<: &x {a: b}\n    rack: '7'\n".chars().collect();
        let at = at % text.len();
        text[at] = with;
        let text: String = text.into_iter().collect();
        let _ = (json(&text), yaml(&text));
    }
}

#[test]
fn no_key_reaches_a_terminal_as_it_is() {
    for parse in [json, yaml] {
        let error = parse(r#"[{"a\u001b[31m\nb": "c:1"}]"#)
            .unwrap_err()
            .to_string();
        assert!(!error.contains(char::is_control), "{error:?}");
    }
}

#[test]
fn an_address_may_have_an_interval_and_a_timeout() {
    let text = r#"[
        {"name": "a", "address": "h:1", "interval": "2s", "timeout": "3s"},
        {"name": "b", "address": "h:2", "interval": "0", "timeout": ""},
        {"name": "c", "address": "h:3", "labels": {"__probe_interval__": "5s"}, "interval": "2s"}
    ]"#;
    for format in [Format::Json, Format::Yaml] {
        let specs = parse(text, format, &defaults()).unwrap();
        let durations = |index: usize| {
            let session = specs[index].session();
            (
                session.interval().as_millis(),
                session.timeout().as_millis(),
            )
        };
        assert_eq!(durations(0), (2000, 3000));
        assert_eq!(durations(1), (200, 800));
        assert_eq!(durations(2), (2000, 800));
    }
    let wrong = r#"[{"name": "a", "address": "h:1", "timeout": "5"}]"#;
    let error = parse(wrong, Format::Json, &defaults())
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("line 1, column 45 (entry 1): timeout: \"5\": "),
        "{error}"
    );
}

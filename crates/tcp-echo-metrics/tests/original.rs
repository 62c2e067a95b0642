//! Command lines of the original: those that its versions document, and what becomes of them.
#![expect(clippy::panic, reason = "a helper of tests fails as a test does")]

use std::collections::HashMap;
use std::ffi::OsString;
use std::time::Duration;

use assert_cmd::Command;
use tcp_echo_log::LogFormat;
use tcp_echo_metrics::cli::{self, Config, Mode, ServiceAction, Stop};

fn parse_with(line: &str, environment: &[(&str, &str)]) -> Result<Config, Stop> {
    let environment: HashMap<&str, &str> = environment.iter().copied().collect();
    cli::parse(line.split_whitespace(), |name| {
        environment.get(name).map(OsString::from)
    })
}

fn parse(line: &str) -> Config {
    parse_with(line, &[]).unwrap_or_else(|stop| panic!("{line}: {stop}"))
}

fn error(line: &str) -> String {
    error_with(line, &[])
}

fn error_with(line: &str, environment: &[(&str, &str)]) -> String {
    match parse_with(line, environment) {
        Err(Stop::Usage(error)) => error.to_string(),
        other => panic!("{line}: {other:?}"),
    }
}

fn labels(config: &Config) -> Vec<(&str, &str)> {
    config.labels.iter().collect()
}

/// As a shell passes them on, without the quotes.
#[test]
fn documented_command_lines_mean_the_same() {
    let client = parse(
        "-mode=client -target=192.168.1.71:4000 -interval=10ms -timeout=20ms -metrics=:2113 \
         -window=100",
    );
    assert_eq!(client.mode, Mode::Client);
    assert_eq!(
        client.client.targets[0].endpoint.to_string(),
        "192.168.1.71:4000"
    );
    assert_eq!(client.client.interval, Duration::from_millis(10));
    assert_eq!(client.client.timeout, Duration::from_millis(20));
    assert_eq!(client.client.window.get(), 100);
    assert_eq!(client.metrics.to_string(), ":2113");

    let server = parse("-mode=server -listen=:4000 -metrics=:2112");
    assert_eq!(
        (server.mode, server.server.listen.port()),
        (Mode::Server, 4000)
    );

    for line in [
        "-mode=client -targets=targets.json -interval=10ms -timeout=20ms -metrics=:2113",
        "-mode=client -targets=targets.json -interval=10ms -timeout=20ms -metrics=:2113 -window=100",
        "-mode=both -targets=targets.json -interval=10ms -timeout=20ms -metrics=:2113",
        "-mode=both -targets=/etc/tcp_ping_prometheus/targets.json",
    ] {
        let config = parse(line);
        assert!(
            config.mode.probes() && config.client.targets.is_empty(),
            "{line}"
        );
        assert_eq!(config.client.files.len(), 1, "{line}");
    }

    let install = parse(
        "-mode=both -targets=targets.json -interval=10ms -timeout=20ms -metrics=:2113 -svc=install",
    );
    assert_eq!(install.service, Some(ServiceAction::Install));

    let site = parse("-mode=client -target=203.0.113.10:4000 -source=sydney-dc -metrics=:2112");
    assert_eq!(labels(&site), [("source", "sydney-dc")]);
    assert_eq!(site.client.source, None);

    // The version over UDP; its peers are another matter.
    let udp = parse("-mode=server -listen=:4000 -allow=203.0.113.5 -metrics=:2112 -dscp=46");
    assert!(udp.server.allow.is_some());
}

#[test]
fn a_source_is_an_address_or_a_label() {
    let address = parse("-mode=client -source=192.0.2.7");
    assert_eq!(address.client.source, Some("192.0.2.7".parse().unwrap()));
    assert_eq!(labels(&address), []);
    let name = parse("-source sydney-dc -label region=au -label rack=7");
    assert_eq!(
        labels(&name),
        [("region", "au"), ("rack", "7"), ("source", "sydney-dc")]
    );
    // Scripts pass variables that may be empty.
    let nothing = parse("-source=");
    assert_eq!((labels(&nothing), nothing.client.source), (vec![], None));
    let variable = [
        ("TCP_ECHO_LABEL", "region=au,rack=7"),
        ("TCP_ECHO_SOURCE", "syd"),
    ];
    let config = parse_with("", &variable).unwrap();
    assert_eq!(
        labels(&config),
        [("region", "au"), ("rack", "7"), ("source", "syd")]
    );
    // A service has them, too.
    for given in ["--label=region=au", "--label=rack=7", "--source=syd"] {
        assert!(config.given.iter().any(|one| one == given), "{given}");
    }
}

#[test]
fn an_adaptive_timeout_is_off_unless_it_is_given() {
    assert!(!parse("-mode=client").client.adaptive);
    assert!(parse("-mode=client -adaptive").client.adaptive);
    assert!(
        parse("-mode=client -adaptive=true -timeout=20ms")
            .client
            .adaptive
    );
    assert!(!parse("-mode=client -adaptive=false").client.adaptive);
    assert!(error("-mode=client -adaptive -interval=1us").contains("for -timeout"));
}

#[test]
fn logs_and_the_read_timeout_have_other_names() {
    assert_eq!(parse("-json-logs").log.format, LogFormat::Json);
    assert_eq!(parse("-json-logs=true").log.format, LogFormat::Json);
    assert_eq!(parse("-json-logs=false").log.format, LogFormat::Text);
    assert_eq!(
        parse("-json-logs=false -log-format=json").log.format,
        LogFormat::Json
    );
    let timeout = parse("-read-timeout=10s").server.idle_timeout;
    assert_eq!(timeout, Some(Duration::from_secs(10)));
    assert_eq!(
        error("-read-timeout=10s -idle-timeout=1m"),
        "-read-timeout and -idle-timeout are the same: use one of them"
    );
    assert_eq!(
        error_with("-json-logs", &[("TCP_ECHO_LOG_FORMAT", "text")]),
        "-json-logs and TCP_ECHO_LOG_FORMAT are the same: use one of them"
    );
    assert!(error("-read-timeout=0").contains("for -read-timeout"));
}

#[test]
fn a_password_is_in_no_message_and_not_recorded() {
    let line = "-metrics-user=monitoring -metrics-pass=hunter2 -svc=install";
    let config = parse(line);
    assert!(config.has_unrecorded_password());
    assert_eq!(config.given, ["--metrics-user=monitoring"]);
    assert!(!format!("{config:?}").contains("hunter2"));
    // What is recorded needs the password from the environment.
    let recorded = config.given.join(" ");
    assert_eq!(error(&recorded), "-metrics-user needs -metrics-pass");
    for variable in ["TCP_ECHO_METRICS_PASS", "TCP_PING_METRICS_PASS"] {
        let again = parse_with(&recorded, &[(variable, "hunter2")]).unwrap();
        assert_eq!(again.web_options, config.web_options);
    }
    let original = [
        ("TCP_PING_METRICS_USER", "monitoring"),
        ("TCP_PING_METRICS_PASS", "hunter2"),
    ];
    let from_variables = parse_with("", &original).unwrap();
    assert_eq!(from_variables.web_options, config.web_options);
    assert_eq!(from_variables.given, ["--metrics-user=monitoring"]);
    let ours = [
        ("TCP_ECHO_METRICS_PASS", "other"),
        ("TCP_PING_METRICS_PASS", "hunter2"),
    ];
    assert_ne!(
        parse_with(&recorded, &ours).unwrap().web_options,
        config.web_options
    );

    for line in [
        "-metrics-pass=hunter2",
        "-metrics-pass=hunter2 -metrics-user=a:b",
        "-metrics-pass=hunter2 -metrics-user=a -web.config.file=web.yml",
        "-metrics-pass=hunter2 -metrics-user=a -metrics-tls-cert=a.pem",
    ] {
        let error = error(line);
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn options_of_the_endpoints_come_in_pairs_and_without_a_file() {
    assert_eq!(parse("").web_options, None);
    let nothing = "-metrics-user= -metrics-pass= -metrics-tls-cert= -metrics-tls-key=";
    assert_eq!(parse(nothing).web_options, None);
    let options = parse("-metrics-tls-cert=a.pem -metrics-tls-key=a.key").web_options;
    let options = options.unwrap();
    assert!(options.has_certificate() && !options.has_credentials());
    assert_eq!(
        error("-metrics-tls-cert=a.pem"),
        "-metrics-tls-cert needs -metrics-tls-key"
    );
    assert_eq!(
        error("-metrics-tls-key=a.key"),
        "-metrics-tls-key needs -metrics-tls-cert"
    );
    assert_eq!(
        error("-metrics-tls-key=a.key -web.config.file=web.yml"),
        "-metrics-tls-key is for endpoints without -web.config.file: put it into that file, under \
         basic_auth_users or tls_server_config"
    );
    assert!(
        error("-metrics-user=a:b -metrics-pass=x")
            .starts_with("invalid value \"a:b\" for -metrics-user: a colon")
    );
}

#[test]
fn flags_without_a_meaning_here_say_what_to_use() {
    for (line, advice) in [
        ("-reconnect-interval=5m", "use -dns-refresh"),
        ("-payload 100", "a probe has a fixed size"),
        ("-targets-reload-interval=30s", "are followed"),
        ("-mtu-sweep=0", "use -mtu-probe"),
        ("-mem-scavenge=5m", "omit it"),
        ("-metrics-allow-insecure", "with a warning"),
        ("-metrics-gzip=true", "are compressed"),
        ("-echo-secret=hunter2", "-allow"),
        ("-echo-secret-old=hunter2", "-allow"),
        ("-log-file=a.log", "redirect them"),
        ("-log-file-max-mb=10", "redirect them"),
        ("-log-file-max-backups=5", "redirect them"),
        ("-log-file-max-age=28", "redirect them"),
    ] {
        let error = error(line);
        let name = line.split([' ', '=']).next().unwrap();
        let expected = format!("{name} is a flag of the original's versions over UDP: ");
        assert!(error.starts_with(&expected), "{error}");
        assert!(
            error.contains(advice) && !error.contains("hunter2"),
            "{error}"
        );
    }
}

/// The binary, without variables from the environment of the tests.
fn binary(line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tcp-echo-metrics"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("TCP_") {
            command.env_remove(name);
        }
    }
    command.args(line.split_whitespace());
    command
}

#[test]
fn the_report_has_the_labels_of_all_targets() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("targets.json");
    // The file of the original, and one of Prometheus.
    let entries = r#"[
        {"name": "a", "address": "127.0.0.1:1", "interval": "2ms", "timeout": ""},
        {"targets": ["127.0.0.1:2"], "labels": {"target": "b", "region": "eu"}}
    ]"#;
    std::fs::write(&list, entries).unwrap();
    let output = binary("-mode=client -interval=1ms -count=3 -output=json -source=syd")
        .arg("-label=region=au")
        .arg(format!("-targets={}", list.display()))
        .output()
        .unwrap();
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let labels = |index: usize| report["targets"][index]["labels"].clone();
    let expected = |region: &str| serde_json::json!({"region": region, "source": "syd"});
    assert_eq!((labels(0), labels(1)), (expected("au"), expected("eu")));
    let intervals = [0, 1].map(|index| report["targets"][index]["interval_seconds"].as_f64());
    assert_eq!(intervals, [Some(0.002), Some(0.001)]);
}

#[test]
fn a_certificate_that_is_missing_ends_the_program_at_its_start() {
    let folder = tempfile::tempdir().unwrap();
    let cert = folder.path().join("cert.pem");
    let output = binary("-listen=127.0.0.1:0 -metrics=127.0.0.1:0")
        .arg(format!("-metrics-tls-cert={}", cert.display()))
        .arg("-metrics-tls-key=key.pem")
        .assert()
        .code(1)
        .get_output()
        .clone();
    let error = String::from_utf8(output.stderr).unwrap();
    let expected = format!("tcp-echo-metrics: {}: ", cert.display());
    assert!(error.starts_with(&expected), "{error}");
}

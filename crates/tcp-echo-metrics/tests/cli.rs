//! The binary as a user runs it: its output and exit status.

use assert_cmd::Command;

/// The binary, without variables from the environment of the tests.
fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tcp-echo-metrics"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("TCP_ECHO_") {
            command.env_remove(name);
        }
    }
    command
}

/// The error of a wrong command line, which has status 2 and no output.
fn usage_error(command: &mut Command) -> String {
    let output = command.assert().code(2).stdout("").get_output().clone();
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn usage_error_of(args: &[&str]) -> String {
    usage_error(binary().args(args))
}

#[test]
fn help() {
    for flag in ["-help", "--help"] {
        let output = binary()
            .arg(flag)
            .assert()
            .success()
            .stderr("")
            .get_output()
            .clone();
        let help = String::from_utf8(output.stdout).unwrap();
        insta::assert_snapshot!("help", help);
        for line in help.lines() {
            assert!(line.chars().count() <= 80, "too wide: {line}");
        }
    }
}

/// It fits on one screen.
#[test]
fn short_help() {
    let output = binary().arg("-h").assert().success().stderr("");
    let help = String::from_utf8(output.get_output().stdout.clone()).unwrap();
    insta::assert_snapshot!("short_help", help);
    assert!(help.lines().count() <= 50, "{}", help.lines().count());
    for line in help.lines() {
        assert!(line.chars().count() <= 80, "too wide: {line}");
    }
}

#[test]
fn version() {
    for flag in ["-V", "-version", "--version"] {
        let output = binary()
            .arg(flag)
            .assert()
            .success()
            .stderr("")
            .get_output()
            .clone();
        let version = String::from_utf8(output.stdout).unwrap();
        let rest = version
            .strip_prefix(concat!(
                "tcp-echo-metrics ",
                env!("CARGO_PKG_VERSION"),
                " (revision "
            ))
            .unwrap();
        let (revision, rest) = rest.split_once(", rustc ").unwrap();
        assert!(!revision.is_empty());
        assert!(
            rest.ends_with(")\n") && rest.lines().count() == 1,
            "{version}"
        );
    }
}

#[test]
fn errors_name_flag_value_and_what_is_accepted() {
    let table = [
        &["-interval", "5"][..],
        &["-interval", "0"],
        &["--interval=-1s"],
        &["-timeout=0s"],
        &["-timeout", "1e3s"],
        &["-idle-timeout", "5d"],
        &["-stall", "never"],
        &["-reconnect-max", "9999999h"],
        &["-dns-refresh="],
        &["-window", "0"],
        &["-window=10000001"],
        &["-buckets", "5ms,1ms"],
        &["-buckets", "0s,1ms"],
        &["-series", "few"],
        &["-max-connections", "-1"],
        &["-mode", "proxy"],
        &["-mode"],
        &["-mode="],
        &["-svc", "-mode"],
        &["-svc", "reboot"],
        &["-svc-name", "a/b"],
        &["-svc-name", "echo.service"],
        &["-svc-account", "a\nb"],
        &["-svc-user", "-svc-account", "echo"],
        &["-svc-user=perhaps"],
        &["-listen", "4000"],
        &["-listen", "localhost"],
        &["-listen", "localhost:http"],
        &["-metrics", "[::1]:70000"],
        &["-target", "::1:4000"],
        &["-target", "a=10.0.0.1:4000,b=10.0.0.2:4000"],
        &["-target", "http://example.com:80/"],
        &["-target", "a=:1", "-target", "a=:2"],
        &["-target", "a:70000"],
        &["-target", "größe!:4000"],
        &["-target", "[fe80::1]:4000"],
        &["-targets", "lists/*/a.json"],
        &["-targets", "a.json", "b.json"],
        &["-dns-max", "0"],
        &["-discover-allow", "10.0.0.1/8"],
        &["-source", "10.0.0.300"],
        &["-label", "region"],
        &["-label", "data-center=a"],
        &["-label", "__a=b"],
        &["-label", "target=a"],
        &["-label", "source=a"],
        &["-label", "region="],
        &["-label", "a=1", "-label", "a=2"],
        &["-read-timeout", "0"],
        &["-read-timeout=1s", "-idle-timeout=2s"],
        &["-json-logs", "-log-format", "text"],
        &["-metrics-user", "a"],
        &["-metrics-pass", "secret"],
        &["-metrics-user=a:b", "-metrics-pass=secret"],
        &["-metrics-tls-cert", "a.pem"],
        &["-metrics-tls-key=a.key", "-web.config.file=web.yml"],
        &["-payload", "100"],
        &["-source", "::1", "-ip", "4"],
        &["-mesh-degree", "0"],
        &["-mesh-degree", "all"],
        &["-health", "-svc", "run"],
        &["-health", "10.0.0.1"],
        &["-mode=client", "-stall", "25h"],
        &["-mode=client", "-interval", "1ms", "-timeout", "1h"],
        &["-interface", "a name that is too long"],
        &["-dscp", "64"],
        &["-ip", "5"],
        &["-mtu-probe", "999ms"],
        &["-mtu-probe", "1"],
        &["-timestamps", "hardware"],
        &["-hello", "never"],
        &["-coalesce", "0"],
        &["-wire", "17"],
        &["-server-clients", "100001"],
        &["-coalesce", "200ms"],
        &["-coalesce=1ms", "-timestamps=user"],
        &["-mode=client", "-web.enable-probe"],
        &["-web.enable-probe", "-web.probe-allow=10.0.0.0/8"],
        &[
            "-mode=client",
            "-web.enable-probe",
            "-web.probe-allow=::1",
            "-count=5",
        ],
        &["-web.enable-probe=perhaps"],
        &["-web.probe-allow", "private"],
        &["-allow", "10.0.0.0/33"],
        &["-allow="],
        &["-slow-reader-timeout", "-1s"],
        &["-web.probe-allow", "10.0.0.0/8,10.1.2.3/8"],
        &["-web.probe-idle", "0"],
        &["-web.probe-max", "0"],
        &["-web.allowed-hosts", "a.example:2112"],
        &["-web.allowed-hosts=*.example.com"],
        &["-web.allowed-hosts="],
        &["-log-format", "xml"],
        &["-log-level", "loud"],
        &["-intervall", "5s"],
        &["--interval-max=5s"],
        &["-x"],
        &["--=5"],
        &["-help=yes"],
        &["--", "-mode", "client"],
        &["a:http"],
        &["4000"],
        &["::1:4000"],
        &["fe80::1"],
        &["http://a"],
        &["-live", "true"],
        &["a", "a"],
        &["a", "-mode", "both"],
        &["a", "-svc", "install"],
        &["a", "-web.enable-probe", "-web.probe-allow=::1"],
        &["a", "-interval", "5"],
        &["a", "-targets", "a.json"],
        &["-targets", "lists/a.json", "lists/b.json"],
        &["-mode", "\u{1b}[31m\n"],
    ]
    .iter()
    .map(|args| {
        format!(
            "{}\n{}\n",
            args.join(" ").escape_debug(),
            usage_error_of(args)
        )
    })
    .collect::<Vec<_>>()
    .concat();
    insta::assert_snapshot!("errors", table);
}

#[test]
fn errors_are_one_line_and_a_hint() {
    for args in [
        &["-mode", "a\nb"][..],
        &["a\nb\u{9b}"],
        &["a\nb=c", "-mode=server"],
        &["a\nb=c", "-svc=install"],
        &["-a\nb"],
        &["-target=a\nb=:0"],
    ] {
        let error = usage_error_of(args);
        let lines: Vec<_> = error.lines().collect();
        assert_eq!(lines.len(), 2, "{error}");
        assert!(lines[0].starts_with("tcp-echo-metrics: "), "{error}");
        assert!(!lines[0].contains(char::is_control), "{error}");
        assert_eq!(lines[1], "try --help");
    }
}

#[test]
fn errors_from_the_environment_name_the_variable() {
    for (name, value, expected) in [
        (
            "TCP_ECHO_INTERVAL",
            "5",
            r#"invalid value "5" for TCP_ECHO_INTERVAL: a duration needs a unit"#,
        ),
        (
            "TCP_ECHO_MODE",
            "proxy",
            r#"invalid value "proxy" for TCP_ECHO_MODE: use server, client or both"#,
        ),
        (
            "TCP_ECHO_TARGET",
            "a=:1, b",
            r#"invalid value "b" for TCP_ECHO_TARGET: the port is missing"#,
        ),
        (
            "TCP_ECHO_TARGET",
            "a=:1,a=:2",
            r#"two targets of TCP_ECHO_TARGET have the name "a""#,
        ),
        (
            "TCP_ECHO_MAX_CONNECTIONS_PER_IP",
            "all",
            r#"invalid value "all" for TCP_ECHO_MAX_CONNECTIONS_PER_IP: use a whole number"#,
        ),
    ] {
        let error = usage_error(binary().env(name, value));
        let expected = format!("tcp-echo-metrics: {expected}");
        assert!(error.starts_with(&expected), "{error}");
    }
}

#[test]
fn the_command_line_wins_over_the_environment() {
    // Both are wrong, so that the error shows which one was read.
    let error = usage_error(
        binary()
            .env("TCP_ECHO_WINDOW", "1x")
            .args(["-window", "2x"]),
    );
    assert!(error.contains(r#""2x" for -window"#), "{error}");
}

#[cfg(unix)]
#[test]
fn what_is_not_utf_8_is_refused() {
    use std::{ffi::OsString, os::unix::ffi::OsStringExt as _};

    let odd = || OsString::from_vec(b"a\xff=:4000".to_vec());
    let error_of_argument = usage_error(binary().arg("-target").arg(odd()));
    assert_eq!(
        error_of_argument,
        "tcp-echo-metrics: argument 2 is not valid UTF-8: \"a\u{fffd}=:4000\"\ntry --help\n"
    );
    let error_of_variable = usage_error(binary().env("TCP_ECHO_TARGET", odd()));
    assert!(error_of_variable.contains("TCP_ECHO_TARGET is not valid UTF-8"));
}

#[test]
fn a_bad_web_configuration_ends_the_program_at_its_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("web.yml");
    let run = || {
        let mut command = binary();
        command
            .args(["-listen=127.0.0.1:0", "-metrics=127.0.0.1:0"])
            .arg("-web.config.file")
            .arg(&file);
        let output = command.assert().code(1).stdout("").get_output().clone();
        String::from_utf8(output.stderr).unwrap()
    };
    let shown = file.display();
    let missing = run();
    assert!(
        missing.starts_with(&format!("tcp-echo-metrics: {shown}: ")),
        "{missing}"
    );
    std::fs::write(&file, "rate_limit: {}\nbasic_auth_user: {}\n").unwrap();
    assert_eq!(
        run(),
        format!(
            "tcp-echo-metrics: {shown}: line 2: basic_auth_user: unknown key; accepted: \
             tls_server_config, http_server_config, basic_auth_users, rate_limit\n"
        )
    );
}

/// The longest duration of Go.
const MAX_DURATION: &str = "2562047h47m16.854775807s";

#[test]
fn no_duration_is_too_long() {
    for flag in ["interval", "timeout", "stall"] {
        let error = usage_error_of(&["-mode=client", &format!("-{flag}={MAX_DURATION}")]);
        assert!(error.contains("at most 24h"), "{flag}: {error}");
    }
    let long = [
        "duration",
        "dns-refresh",
        "dns-stale",
        "reconnect-max",
        "idle-timeout",
        "slow-reader-timeout",
    ];
    let long = long.map(|flag| format!("-{flag}={MAX_DURATION}"));
    let output = binary()
        .args(["-mode=both", "-listen=127.0.0.1:0", "-metrics=127.0.0.1:0"])
        // Nobody listens there, so it connects again and again.
        .args(["-target=127.0.0.1:1", "-interval=20ms", "-count=30"])
        .args(long)
        .assert()
        .get_output()
        .clone();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!stderr.contains("panic"), "{stderr}");
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(report.contains("127.0.0.1:1"), "{report}{stderr}");
}

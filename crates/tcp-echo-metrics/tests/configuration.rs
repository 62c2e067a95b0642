//! What command lines and environments mean.

use std::collections::HashMap;
use std::ffi::OsString;
use std::num::{NonZeroU16, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use proptest::prelude::*;
use tcp_echo_exporter::{AllowedHosts, Lifecycle, SeriesSet};
use tcp_echo_log::{LogFormat, LogLevel};
use tcp_echo_metrics::cli::{
    self, Config, Hello, IpFamily, Mode, ServiceAction, Stop, Timestamps, UsageError,
};
use tcp_echo_net::Host;
use tcp_echo_prober::{Coalesce, Dscp, Trace, Wire};

fn parse(args: &[&str]) -> Result<Config, Stop> {
    cli::parse(args, |_| None)
}

fn parse_with(args: &[&str], environment: &[(&str, &str)]) -> Result<Config, Stop> {
    let environment: HashMap<&str, &str> = environment.iter().copied().collect();
    cli::parse(args, |name| environment.get(name).map(OsString::from))
}

fn names(config: &Config) -> Vec<&str> {
    config
        .client
        .targets
        .iter()
        .map(|target| target.name.as_str())
        .collect()
}

#[test]
fn defaults_are_those_of_the_original_and_of_the_manual() {
    let config = parse(&[]).unwrap();
    assert_eq!(config.mode, Mode::Server);
    assert_eq!(config.metrics.to_string(), ":2112");
    assert_eq!(config.metrics.host(), None);
    assert_eq!(config.service, None);
    assert_eq!(config.log.format, LogFormat::Text);
    assert_eq!(config.log.level, LogLevel::Info);
    assert_eq!(config.given, [""; 0]);

    let server = config.server;
    assert_eq!(server.listen.to_string(), ":4000");
    assert_eq!(server.max_connections.map(usize::from), Some(10_000));
    assert_eq!(server.max_connections_per_ip.map(usize::from), Some(1_000));
    assert_eq!(server.idle_timeout, Some(Duration::from_secs(300)));
    assert_eq!(server.slow_reader_timeout, Some(Duration::from_secs(60)));
    assert_eq!(server.allow, None);

    let client = config.client;
    assert_eq!(client.targets.len(), 1);
    assert_eq!(client.targets[0].name, ":4000");
    assert_eq!(client.targets[0].endpoint.to_string(), ":4000");
    assert_eq!(client.interval, Duration::from_millis(200));
    assert_eq!(client.timeout, Duration::from_millis(800));
    assert_eq!(client.window.get(), 100);
    assert_eq!(client.series, SeriesSet::All);
    assert_eq!(client.stall, None);
    assert_eq!(client.reconnect_max, Duration::from_secs(1));
    assert_eq!(client.dns_refresh, Duration::from_secs(30));
    assert_eq!(client.dns_stale, Duration::from_secs(300));
    assert_eq!(client.timestamps, Timestamps::Auto);
    assert_eq!(client.hello, Hello::Auto);
    assert_eq!(client.coalesce, Coalesce::Auto);
    assert_eq!(client.wire, Wire::Plain);
    assert_eq!(client.mtu_probe, None);
    assert_eq!(client.ip, IpFamily::Auto);
    assert_eq!(
        (client.source, client.interface, client.dscp),
        (None, None, None)
    );
}

#[test]
fn default_buckets_are_100us_doubled_14_times() {
    let buckets = parse(&[]).unwrap().client.buckets;
    let expected: Vec<_> = (0..15).map(|n| Duration::from_micros(100 << n)).collect();
    assert_eq!(buckets, expected);
}

#[test]
fn hosts_are_probed_like_ping() {
    let config = parse(&["web.example.com"]).unwrap();
    assert_eq!(config.mode, Mode::Client);
    let targets = &config.client.targets;
    assert_eq!(targets.len(), 1);
    assert_eq!(targets[0].name, "web.example.com");
    assert_eq!(targets[0].endpoint.to_string(), "web.example.com:4000");
    assert_eq!(config.client.interval, Duration::from_millis(200));
    assert!(!config.serves_metrics());
    assert_eq!(config.log.level, LogLevel::Warn);
    let watch = config.watch.unwrap();
    assert!(watch.verbose && watch.report.is_some() && !watch.live);
    assert_eq!((watch.count, watch.duration), (None, None));

    // Flags before, between and after them; after -- there is none.
    for args in [
        &["-count", "5", "db=10.0.0.5", "::1"][..],
        &["db=10.0.0.5", "-count", "5", "::1"],
        &["db=10.0.0.5", "::1", "--count=5"],
        &["--count", "5", "--", "db=10.0.0.5", "::1"],
        &["-mode=client", "-count=5", "db=10.0.0.5", "--", "::1"],
    ] {
        let config = parse(args).unwrap();
        assert_eq!(names(&config), ["db", "::1"], "{args:?}");
        let endpoints = config.client.targets.iter();
        let endpoints: Vec<_> = endpoints
            .map(|target| target.endpoint.to_string())
            .collect();
        assert_eq!(endpoints, ["10.0.0.5:4000", "[::1]:4000"], "{args:?}");
        assert_eq!(config.watch.unwrap().count.map(u64::from), Some(5));
    }
    let both = parse(&["a", "-target", "b=c:1", "-metrics=:2113"]).unwrap();
    assert_eq!(names(&both), ["a", "b"]);
    assert!(both.serves_metrics());
    assert_eq!(
        parse(&both.given.iter().map(String::as_str).collect::<Vec<_>>()),
        Ok(both)
    );
}

#[test]
fn lines_of_hosts_can_be_left_out() {
    let watch = |args: &[&str]| parse(args).unwrap().watch.unwrap();
    for (args, verbose, report) in [
        (&["a", "-v=false"][..], false, true),
        (&["a", "-output=table"], true, true),
        (&["a", "-output=json"], false, true),
        (&["a", "-output=json", "-v"], true, true),
        (&["a", "-live"], false, false),
        (&["a", "-live", "-count=1"], false, true),
    ] {
        let watch = watch(args);
        assert_eq!(
            (watch.verbose, watch.report.is_some()),
            (verbose, report),
            "{args:?}"
        );
    }
}

#[test]
fn a_mode_that_does_not_only_probe_is_refused_beside_a_host() {
    let refused = |environment: &[(&str, &str)], args: &[&str]| {
        parse_with(args, environment).unwrap_err().to_string()
    };
    let error = refused(&[], &["db", "-mode=both"]);
    assert!(
        error.contains("\"db\"") && error.contains("-mode"),
        "{error}"
    );
    let error = refused(&[("TCP_ECHO_MODE", "server")], &["db"]);
    assert!(error.contains("TCP_ECHO_MODE"), "{error}");
}

const WINDOW: Duration = Duration::from_micros(500);

#[test]
fn flags_of_the_wire_arrive() {
    let config = parse(&["-wire", "24", "-server-clients=50", "-mtu-probe=1m"]).unwrap();
    assert_eq!(config.client.mtu_probe, Some(Duration::from_secs(60)));
    assert_eq!(config.client.wire, Wire::Prefixed);
    assert_eq!(config.server.server_clients, 50);
}

#[test]
fn flags_of_paths_arrive() {
    let args = ["-flows=16", "-source-ports=50000", "-trace=always"];
    let client = parse(&args).unwrap().client;
    assert_eq!(client.flows.get(), 16);
    assert_eq!(client.source_ports, NonZeroU16::new(50_000));
    assert_eq!((client.trace, client.votes_max), (Trace::Always, 1_000));
    assert_eq!(client.state, None);
    let client = parse(&["-votes-max=9", "-state", "e.json"]).unwrap().client;
    assert_eq!((client.flows.get(), client.source_ports), (1, None));
    assert_eq!((client.trace, client.votes_max), (Trace::OnLoss, 9));
    assert_eq!(client.state, Some("e.json".into()));
}

#[test]
fn every_flag_arrives() {
    let config = parse(&[
        "-mode",
        "both",
        "-listen",
        "[::1]:5000",
        "-metrics",
        "localhost:9000",
        "-target",
        "a=host:1",
        "-target",
        "10.0.0.1:2",
        "-interval",
        ".5s",
        "-timeout",
        "1m",
        "-window",
        "7",
        "-buckets",
        "1ms,2ms",
        "-series",
        "minimal",
        "-stall",
        "3s",
        "-reconnect-max",
        "5s",
        "-dns-refresh",
        "1h",
        "-dns-stale",
        "0",
        "-timestamps",
        "kernel",
        "-coalesce",
        "500us",
        "-ip",
        "4",
        "-source",
        "10.0.0.9",
        "-interface",
        "eth0",
        "-dscp",
        "af41",
        "-max-connections",
        "0",
        "-max-connections-per-ip",
        "5",
        "-idle-timeout",
        "0",
        "-slow-reader-timeout",
        "0s",
        "-allow",
        "10.0.0.0/8,2001:db8::/32",
        "-allow=192.0.2.1",
        "-svc",
        "install",
        "-log-format",
        "json",
        "-log-level",
        "trace",
    ])
    .unwrap();
    assert_eq!(config.mode, Mode::Both);
    assert_eq!(
        config.server.listen.host(),
        Some(&Host::Ip("::1".parse().unwrap()))
    );
    assert_eq!(
        config.metrics.host(),
        Some(&Host::Name("localhost".parse().unwrap()))
    );
    assert_eq!(names(&config), ["a", "10.0.0.1:2"]);
    assert_eq!(config.client.interval, Duration::from_millis(500));
    assert_eq!(config.client.timeout, Duration::from_secs(60));
    assert_eq!(config.client.window.get(), 7);
    assert_eq!(config.client.buckets, [1, 2].map(Duration::from_millis));
    assert_eq!(config.client.series, SeriesSet::Minimal);
    assert_eq!(config.client.stall, Some(Duration::from_secs(3)));
    assert_eq!(config.client.reconnect_max, Duration::from_secs(5));
    assert_eq!(config.client.dns_refresh, Duration::from_secs(3600));
    assert_eq!(config.client.dns_stale, Duration::ZERO);
    assert_eq!(config.client.timestamps, Timestamps::Kernel);
    assert_eq!(config.client.coalesce, Coalesce::Every(WINDOW));
    assert_eq!(config.client.ip, IpFamily::V4);
    assert_eq!(config.client.source, Some("10.0.0.9".parse().unwrap()));
    assert_eq!(config.client.interface.as_deref(), Some("eth0"));
    assert_eq!(config.client.dscp.map(Dscp::get), Some(34));
    assert_eq!(config.server.max_connections, None);
    assert_eq!(
        config.server.max_connections_per_ip.map(usize::from),
        Some(5)
    );
    assert_eq!(config.server.idle_timeout, None);
    assert_eq!(config.server.slow_reader_timeout, None);
    let allow = config.server.allow.map(|allow| allow.to_string());
    assert_eq!(
        allow.as_deref(),
        Some("10.0.0.0/8,2001:db8::/32,192.0.2.1/32")
    );
    assert_eq!(config.service, Some(ServiceAction::Install));
    assert_eq!(config.log.format, LogFormat::Json);
    assert_eq!(config.log.level, LogLevel::Trace);
}

#[test]
fn the_hello_may_be_left_out() {
    for (value, hello) in [("auto", Hello::Auto), ("off", Hello::Off)] {
        assert_eq!(parse(&["-hello", value]).unwrap().client.hello, hello);
        let config = parse_with(&[], &[("TCP_ECHO_HELLO", value)]).unwrap();
        assert_eq!(config.client.hello, hello);
    }
}

#[test]
fn the_last_of_a_repeated_flag_counts() {
    let config = parse(&["-mode=both", "--mode", "client", "-window=1", "-window=2"]).unwrap();
    assert_eq!(config.mode, Mode::Client);
    assert_eq!(config.client.window.get(), 2);
}

#[test]
fn a_value_may_look_like_a_flag() {
    let config = parse(&[
        "-target",
        "-mode=:4000",
        "-target",
        "--=:1",
        "-interface",
        "-mode",
    ])
    .unwrap();
    assert_eq!(names(&config), ["-mode", "--"]);
    assert_eq!(config.client.interface.as_deref(), Some("-mode"));
    assert_eq!(config.mode, Mode::Server);
}

#[test]
fn modes_say_what_runs() {
    for (mode, serves, probes) in [
        ("server", true, false),
        ("client", false, true),
        ("both", true, true),
    ] {
        let mode = parse(&["-mode", mode]).unwrap().mode;
        assert_eq!((mode.serves(), mode.probes()), (serves, probes));
    }
}

#[test]
fn the_environment_stands_in_for_flags() {
    let environment = [
        ("TCP_ECHO_MODE", "client"),
        ("TCP_ECHO_TARGET", "a=host:1, :2"),
        ("TCP_ECHO_DNS_REFRESH", "1m"),
        ("TCP_ECHO_MAX_CONNECTIONS_PER_IP", "9"),
        ("TCP_ECHO_INTERVAL", ""),
        ("TCP_ECHO_HELP", "true"),
        ("TCP_ECHO_PORT", "tcp://10.0.0.1:4000"),
    ];
    let config = parse_with(&[], &environment).unwrap();
    assert_eq!(config.mode, Mode::Client);
    assert_eq!(names(&config), ["a", ":2"]);
    assert_eq!(config.client.dns_refresh, Duration::from_secs(60));
    assert_eq!(
        config.server.max_connections_per_ip.map(usize::from),
        Some(9)
    );
    assert_eq!(config.client.interval, Duration::from_millis(200));

    // The flags of the command line replace those of the environment, lists too.
    let config = parse_with(&["-target", "c,d=:3", "-mode=both"], &environment).unwrap();
    assert_eq!(config.mode, Mode::Both);
    assert_eq!(names(&config), ["c,d"]);
    assert_eq!(config.client.dns_refresh, Duration::from_secs(60));
}

#[test]
fn a_file_may_say_how_the_metrics_are_served() {
    assert_eq!(parse(&[]).unwrap().web_config, None);
    let file = Some(PathBuf::from("web.yml"));
    for args in [
        &["-web.config.file", "web.yml"][..],
        &["--web.config.file=web.yml"],
    ] {
        assert_eq!(parse(args).unwrap().web_config, file);
    }
    let variable = [("TCP_ECHO_WEB_CONFIG_FILE", "web.yml")];
    assert_eq!(parse_with(&[], &variable).unwrap().web_config, file);
}

#[test]
fn a_wrong_variable_does_no_harm_where_the_flag_is_given() {
    let config = parse_with(&["-window", "3"], &[("TCP_ECHO_WINDOW", "many")]).unwrap();
    assert_eq!(config.client.window.get(), 3);
}

#[test]
fn what_was_given_gives_the_same_again() {
    let environment = [("TCP_ECHO_TARGET", "a=:1,b=:2"), ("TCP_ECHO_SVC", "stop")];
    let args = ["-svc", "install", "-interval", "10ms", "--mode=both", "--"];
    let config = parse_with(&args, &environment).unwrap();
    assert_eq!(
        config.given,
        [
            "--target=a=:1",
            "--target=b=:2",
            "--interval=10ms",
            "--mode=both"
        ]
    );
    let again = cli::parse(&config.given, |_| None).unwrap();
    assert_eq!(again.service, None);
    assert_eq!(
        Config {
            service: config.service,
            ..again
        },
        config
    );
}

#[test]
fn help_and_version_are_texts_and_no_errors() {
    for flag in ["-h", "-help", "-V", "--version"] {
        assert!(matches!(parse(&[flag]), Err(Stop::Print(text)) if text.ends_with('\n')));
    }
}

#[test]
fn targets_need_names_of_their_own() {
    let twice = |args: &[&str]| parse(args).unwrap_err();
    let error = Stop::Usage(UsageError::DuplicateTarget {
        name: "a:1".to_owned(),
        origin: "-target".to_owned(),
    });
    assert_eq!(twice(&["-target", "a:1", "-target", "a:1"]), error);
    assert_eq!(twice(&["-target", "a:1", "-target", "a:1=b:2"]), error);
    assert!(parse(&["-target", "a=a:1", "-target", "b=a:1"]).is_ok());
}

/// Anything that may stand on a command line: flags of any spelling with values that
/// are good, bad or missing, and noise.
fn argument() -> impl Strategy<Value = OsString> {
    let flag = "-{0,3}(mode|target|interval|window|buckets|svc|ip|dscp|listen|help|V|h|q)";
    let value = "(both|a=:4000|:1|\\[::1\\]:2|5ms|0|-1s|1ms,2ms|install|4|ef|[ -~]{0,6})";
    prop_oneof![
        4 => flag.prop_map(OsString::from),
        4 => value.prop_map(OsString::from),
        4 => (flag, value).prop_map(|(flag, value)| format!("{flag}={value}").into()),
        1 => any::<String>().prop_map(OsString::from),
        1 => any::<OsString>(),
    ]
}

proptest! {
    #[test]
    fn no_command_line_is_a_reason_to_panic(
        args in prop::collection::vec(argument(), 0..8),
        variable in prop::option::of(argument()),
    ) {
        match cli::parse(args, |name| variable.clone().filter(|_| name.len() % 2 == 0)) {
            Ok(config) => {
                prop_assert!(!config.client.targets.is_empty());
                prop_assert!(!config.client.interval.is_zero());
                let again = cli::parse(&config.given, |_| None).unwrap();
                prop_assert_eq!(Config { service: config.service, ..again }, config);
            }
            Err(Stop::Print(text)) => prop_assert!(text.contains("tcp-echo-metrics")),
            Err(Stop::Usage(error)) => {
                let text = error.to_string();
                prop_assert!(!text.is_empty() && !text.contains(char::is_control), "{}", text);
            }
        }
    }
}

#[test]
fn lists_of_targets_take_the_place_of_the_default() {
    let client = parse(&["-mode=client", "-targets=a.yml", "--targets", "b.json"])
        .unwrap()
        .client;
    assert!(client.targets.is_empty());
    assert_eq!(
        client.files,
        ["a.yml", "b.json"].map(|file| file.parse().unwrap())
    );

    let both = [
        "-targets",
        "a.yml",
        "-target",
        "x=10.0.0.1:4000",
        "-shard=1/3",
    ];
    let client = parse(&both).unwrap().client;
    assert_eq!(client.targets.len(), 1);
    assert_eq!(client.shard.to_string(), "1/3");
    assert_eq!(parse(&[]).unwrap().client.targets.len(), 1);
}

#[test]
fn threads_are_a_number_or_left_to_the_program() {
    let threads = |value: &str| Some(parse(&["-threads", value]).ok()?.client.threads);
    assert_eq!(threads("auto"), Some(None));
    assert_eq!(threads("2"), Some(NonZeroUsize::new(2)));
    assert_eq!(threads("0"), None);
    assert_eq!(threads("1025"), None);
}

#[test]
fn who_may_post_is_this_host_unless_it_is_said() {
    let lifecycle = |args: &[&str]| parse(args).unwrap().lifecycle;
    assert_eq!(lifecycle(&[]), Lifecycle::ThisHost);
    assert_eq!(lifecycle(&["-web.enable-lifecycle"]), Lifecycle::Anyone);
    let nobody = ["--web.enable-lifecycle=false"];
    assert_eq!(lifecycle(&nobody), Lifecycle::Nobody);
    let environment = [("TCP_ECHO_WEB_ENABLE_LIFECYCLE", "true")];
    let config = parse_with(&[], &environment).unwrap();
    assert_eq!(config.lifecycle, Lifecycle::Anyone);
}

#[test]
fn hosts_are_a_list_of_which_the_last_one_holds() {
    let hosts = |args: &[&str]| parse(args).unwrap().allowed_hosts;
    assert_eq!(hosts(&[]), None);
    let list = |text: &str| Some(text.parse::<AllowedHosts>().unwrap());
    let given = [
        "-web.allowed-hosts=*",
        "-web.allowed-hosts",
        "A.example,::1",
    ];
    assert_eq!(hosts(&given), list("a.example,[::1]"));
    assert_eq!(hosts(&given[..1]), Some(AllowedHosts::any()));
    let environment = [("TCP_ECHO_WEB_ALLOWED_HOSTS", "a.example,b.example")];
    let config = parse_with(&[], &environment).unwrap();
    assert_eq!(config.allowed_hosts, list("a.example,b.example"));
}

#[test]
fn targets_may_be_asked_for_where_it_is_enabled() {
    let client = ["-mode=client", "-web.probe-allow=10.0.0.0/8,::1"];
    let with = |more: &[&str]| parse(&[&client, more].concat()).unwrap();
    assert_eq!(with(&[]).on_demand, None);
    assert_eq!(with(&["-web.enable-probe=false"]).on_demand, None);

    let config = with(&["-web.enable-probe", "-web.probe-allow", "192.0.2.1"]);
    let limits = config.on_demand.clone().unwrap();
    assert_eq!(
        limits.networks.to_string(),
        "10.0.0.0/8,::1/128,192.0.2.1/32"
    );
    assert_eq!((limits.idle, limits.max), (Duration::from_secs(300), 1000));
    // Whoever asks says what is probed, not the default.
    assert!(config.client.targets.is_empty());

    let given = [
        "-web.enable-probe",
        "-web.probe-idle=1h",
        "-web.probe-max=5",
        "-target=a:1",
    ];
    let config = with(&given);
    let limits = config.on_demand.clone().unwrap();
    assert_eq!((limits.idle, limits.max), (Duration::from_secs(3600), 5));
    assert_eq!(names(&config), ["a:1"]);

    let environment = [
        ("TCP_ECHO_MODE", "client"),
        ("TCP_ECHO_WEB_ENABLE_PROBE", "true"),
        ("TCP_ECHO_WEB_PROBE_ALLOW", "10.0.0.0/8, fd00::/8"),
    ];
    let limits = parse_with(&[], &environment).unwrap().on_demand.unwrap();
    assert_eq!(limits.networks.to_string(), "10.0.0.0/8,fd00::/8");
}

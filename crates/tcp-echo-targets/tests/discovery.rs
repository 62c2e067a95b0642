//! Names that stand for many targets, with a DNS server on loopback.
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use common::{
    DEFAULTS, Running, config, names,
    server::{Answer, Server},
    soon,
};
use hickory_resolver::proto::{op::ResponseCode, rr::RecordType};
use proptest::prelude::*;
use tcp_echo_prober::IpVersion;
use tcp_echo_targets::{Config, FilePattern, Shard, Source, SourceStatus, Spec};

fn spec(endpoint: &str) -> Spec {
    Spec::new(endpoint.parse().unwrap(), DEFAULTS.session().unwrap())
}

/// A configuration of these targets, whose names `server` answers.
fn config_of(server: &Server, targets: impl IntoIterator<Item = Spec>) -> Config {
    let mut config = config();
    config.targets = targets.into_iter().collect();
    config.resolver = server.resolver("");
    config
}

#[tokio::test]
async fn a_target_for_every_address() {
    let server = Server::start().await;
    server.addresses("web.test", &["192.0.2.2", "192.0.2.1", "2001:db8::1"]);
    let labels = BTreeMap::from([("dc".to_owned(), "fra".to_owned())]);
    let named = spec("dns+web.test:4001").named("web").with_labels(labels);
    let mut config = config_of(&server, [spec("dns+web.test:4000"), named]);
    config.targets.push(spec("web.test:4002"));
    let mut running = Running::start(config).unwrap();
    assert_eq!(names(&running.first), ["web.test:4002"]);
    let set = running.next().await;
    assert_eq!(
        names(&set),
        [
            "dns+web.test:4000/192.0.2.1",
            "dns+web.test:4000/192.0.2.2",
            "dns+web.test:4000/2001:db8::1",
            "web.test:4002",
            "web/192.0.2.1",
            "web/192.0.2.2",
            "web/2001:db8::1",
        ]
    );
    let target = set.iter().last().unwrap();
    assert_eq!(target.address().to_string(), "[2001:db8::1]:4001");
    assert_eq!(target.labels()["dc"], "fra");
    assert_eq!(*target.session(), DEFAULTS.session().unwrap());
    // Each question is sent once, however many targets need the answer.
    let a = ("web.test.".to_owned(), RecordType::A);
    let aaaa = ("web.test.".to_owned(), RecordType::AAAA);
    assert_eq!(server.take_questions(), [a, aaaa].into());
}

#[tokio::test]
async fn addresses_come_and_go() {
    let server = Server::start().await;
    server.addresses("web.test", &["192.0.2.1", "192.0.2.2"]);
    let mut running =
        Running::start(config_of(&server, [spec("dns+web.test:1").named("w")])).unwrap();
    running.until(&["w/192.0.2.1", "w/192.0.2.2"]).await;
    // Another order is the same answer.
    server.addresses("web.test", &["192.0.2.2", "192.0.2.1"]);
    wait_for_questions(&server, 3).await;
    assert!(running.is_quiet());
    server.addresses("web.test", &["192.0.2.2", "192.0.2.3"]);
    assert_eq!(names(&running.next().await), ["w/192.0.2.2", "w/192.0.2.3"]);
    server.addresses("web.test", &["2001:db8::7"]);
    assert_eq!(names(&running.next().await), ["w/2001:db8::7"]);
}

/// Waits for this number of further rounds of questions.
async fn wait_for_questions(server: &Server, times: usize) {
    server.take_questions();
    for _ in 0..times {
        soon(async {
            while server.take_questions().is_empty() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
        // The rest of the round.
        tokio::time::sleep(Duration::from_millis(20)).await;
        server.take_questions();
    }
}

#[tokio::test]
async fn a_failure_keeps_the_targets() {
    let server = Server::start().await;
    let both = [RecordType::A, RecordType::AAAA];
    let endpoints = [
        spec("dns+bad.test:1").named("bad"),
        spec("dns+good.test:1").named("good"),
    ];
    let config = config_of(&server, endpoints);
    server.addresses("bad.test", &["192.0.2.1", "2001:db8::1"]);
    server.addresses("good.test", &["192.0.2.100"]);
    let mut running = Running::start(config).unwrap();
    let known = ["bad/192.0.2.1", "bad/2001:db8::1"];
    running
        .until(&[known[0], known[1], "good/192.0.2.100"])
        .await;
    let failures = [
        Answer::Code(ResponseCode::NXDomain),
        Answer::Code(ResponseCode::ServFail),
        Answer::Code(ResponseCode::Refused),
        Answer::Silence,
        Answer::Bytes(vec![]),
        Answer::Bytes(vec![0xff; 100]),
    ];
    for (answer, n) in failures.into_iter().zip(101..) {
        for kind in both {
            server.set_answer("bad.test", kind, answer.clone());
        }
        wait_for_questions(&server, 2).await;
        // The other name is looked up nevertheless.
        let other = format!("192.0.2.{n}");
        server.addresses("good.test", &[&other]);
        let set = running.next().await;
        assert_eq!(names(&set), [known[0], known[1], &format!("good/{other}")]);
    }
    // One family is answered again.
    server.set_answer("bad.test", RecordType::A, Answer::Records(vec![]));
    let set = running.next().await;
    assert_eq!(names(&set), [known[1], "good/192.0.2.106"]);
    server.addresses("bad.test", &["192.0.2.9"]);
    running.until(&["bad/192.0.2.9", "good/192.0.2.106"]).await;
}

/// A name that no longer exists, or no longer has records, keeps its targets for a while, and has
/// others as soon as it has records again.
#[tokio::test]
async fn targets_of_a_removed_name_end_after_a_while() {
    let server = Server::start().await;
    let endpoints = [
        spec("dns+web.test:1").named("w"),
        spec("srv+_echo.test").named("s"),
    ];
    let mut config = config_of(&server, endpoints);
    config.dns_stale = Duration::from_millis(500);
    let appear = || {
        server.addresses("web.test", &["192.0.2.1"]);
        server.services("_echo.test", &[("a.test.", 4000)]);
    };
    appear();
    let mut running = Running::start(config).unwrap();
    let known = ["s/a.test:4000", "w/192.0.2.1"];
    running.until(&known).await;
    for answer in [
        Answer::Code(ResponseCode::NXDomain),
        Answer::Records(vec![]),
    ] {
        let begun = Instant::now();
        for kind in [RecordType::A, RecordType::AAAA] {
            server.set_answer("web.test", kind, answer.clone());
        }
        server.set_answer("_echo.test", RecordType::SRV, answer);
        running.until(&[]).await;
        assert!(begun.elapsed() >= Duration::from_millis(500));
        assert!(
            running
                .handle
                .sources()
                .iter()
                .all(|source| source.targets == 0)
        );
        appear();
        running.until(&known).await;
    }
}

/// The SRV record itself declares that there is no such service.
#[tokio::test]
async fn a_service_that_is_declared_absent_ends_at_once() {
    let server = Server::start().await;
    server.services("_echo.test", &[("a.test.", 4000)]);
    let mut running =
        Running::start(config_of(&server, [spec("srv+_echo.test").named("s")])).unwrap();
    running.until(&["s/a.test:4000"]).await;
    server.services("_echo.test", &[(".", 0)]);
    running.until(&[]).await;
}

#[tokio::test]
async fn each_source_has_a_status() {
    let server = Server::start().await;
    server.addresses("web.test", &["192.0.2.1", "2001:db8::1"]);
    let endpoints = ["dns+web.test:1", "srv+bad.test", "plain.test:1"].map(spec);
    let mut running = Running::start(config_of(&server, endpoints)).unwrap();
    let known = |running: &Running| {
        let describe =
            |s: SourceStatus| (s.source.to_string(), s.targets, s.last_success.is_some());
        let sources = running.handle.sources().into_iter();
        sources.map(describe).collect::<Vec<_>>()
    };
    let source = |source: &str, targets, ok| (source.to_owned(), targets, ok);
    let unknown = [
        source("dns+web.test:1", 0, false),
        source("srv+bad.test", 0, false),
    ];
    assert_eq!(known(&running), unknown);
    running.next().await;
    let one = [
        source("dns+web.test:1", 2, true),
        source("srv+bad.test", 0, false),
    ];
    assert_eq!(known(&running), one);
}

/// A file that can't be used keeps its targets and the time of its last success.
#[tokio::test]
async fn each_file_has_a_status() {
    let directory = tempfile::tempdir().unwrap();
    let files = ["a.json", "b.json"].map(|name| directory.path().join(name));
    let list = r#"[{"targets": ["a:1", "b:1"]}]"#;
    std::fs::write(&files[0], list).unwrap();
    std::fs::write(&files[1], "[]").unwrap();
    let mut config = config();
    let path = |file: &std::path::PathBuf| FilePattern::new(file).unwrap();
    config.files = files.iter().map(path).collect();
    let running = Running::start(config).unwrap();
    let first = running.handle.sources();
    let names: Vec<_> = first
        .iter()
        .map(|source| source.source.to_string())
        .collect();
    assert_eq!(names, files.clone().map(|file| file.display().to_string()));
    assert_eq!([first[0].targets, first[1].targets], [2, 0]);
    std::fs::write(&files[0], "no list").unwrap();
    let later = async |name: &str, other: usize| {
        let _ = soon(running.handle.reload()).await;
        let before = running.handle.sources();
        soon(async {
            while running.handle.sources()[other].last_success == before[other].last_success {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
        let now = running.handle.sources();
        let status = now.into_iter().find(|source| source.source.ends_with(name));
        let before = before
            .into_iter()
            .find(|source| source.source.ends_with(name));
        (before.unwrap(), status.unwrap())
    };
    // The other file is checked meanwhile.
    let (before, now) = later("a.json", 1).await;
    assert_eq!(before, now);
    assert_eq!(now.targets, 2);
}

/// One family is not answered: the targets of the other one don't wait for it.
#[tokio::test]
async fn a_family_that_is_silent_blocks_nothing() {
    let server = Server::start().await;
    server.addresses("web.test", &["192.0.2.1"]);
    server.set_answer("web.test", RecordType::AAAA, Answer::Silence);
    let mut config = config_of(&server, [spec("dns+web.test:1").named("w")]);
    config.resolver = server.resolver("options timeout:30");
    let mut running = Running::start(config).unwrap();
    assert_eq!(names(&running.next().await), ["w/192.0.2.1"]);
}

#[tokio::test]
async fn one_slow_name_delays_no_other() {
    let server = Server::start().await;
    let mut endpoints = vec![spec("dns+good.test:1").named("good")];
    for n in 0..80 {
        let name = format!("slow-{n}.test");
        for kind in [RecordType::A, RecordType::AAAA] {
            server.set_answer(&name, kind, Answer::Silence);
        }
        endpoints.push(spec(&format!("dns+{name}:1")));
    }
    server.addresses("good.test", &["192.0.2.1"]);
    let begun = Instant::now();
    let mut running = Running::start(config_of(&server, endpoints)).unwrap();
    assert_eq!(names(&running.next().await), ["good/192.0.2.1"]);
    // Each of the others takes ten.
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
}

/// Addresses of 192.0.2.0/24.
fn addresses(last: impl IntoIterator<Item = u8>) -> Vec<String> {
    last.into_iter().map(|n| format!("192.0.2.{n}")).collect()
}

fn publish(server: &Server, name: &str, addresses: &[String]) {
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    server.addresses(name, &addresses);
}

#[tokio::test]
async fn beyond_the_limit_the_probed_targets_stay() {
    let server = Server::start().await;
    publish(&server, "web.test", &addresses(11..=30));
    server.services(
        "srv.test",
        &[("c.test.", 3), ("a.test.", 1), ("b.test.", 2)],
    );
    let mut config = config_of(&server, [spec("dns+web.test:1").named("w")]);
    config.targets.push(spec("srv+srv.test").named("s"));
    config.dns_max = 2.try_into().unwrap();
    let mut running = Running::start(config).unwrap();
    let services = ["s/a.test:1", "s/b.test:2"];
    let expected = |w: [&str; 2]| [services[0], services[1], w[0], w[1]].map(str::to_owned);
    let first = running
        .until(
            &expected(["w/192.0.2.11", "w/192.0.2.12"])
                .each_ref()
                .map(|n| &**n),
        )
        .await;
    assert_eq!(first.len(), 4);
    // New addresses that sort before them change nothing.
    publish(&server, "web.test", &addresses(1..=30));
    wait_for_questions(&server, 2).await;
    assert!(running.is_quiet());
    // One is removed: the first of the others takes its place.
    publish(
        &server,
        "web.test",
        &addresses((1..=30).filter(|n| *n != 11)),
    );
    assert_eq!(
        names(&running.next().await),
        expected(["w/192.0.2.1", "w/192.0.2.12"])
    );
    publish(&server, "web.test", &addresses([12]));
    let set = running.next().await;
    assert_eq!(names(&set), [services[0], services[1], "w/192.0.2.12"]);
}

#[tokio::test]
async fn names_lead_only_to_allowed_networks() {
    let server = Server::start().await;
    server.addresses("web.test", &["192.0.2.1", "198.51.100.1", "2001:db8::1"]);
    server.services("srv.test", &[("a.test.", 1)]);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("targets.yml");
    std::fs::write(&file, "- targets: [b.test:1, 'dns+web.test:2']").unwrap();
    let given = ["dns+web.test:1", "srv+srv.test", "c.test:1"].map(spec);
    let mut config = config_of(&server, given);
    config.files.push(FilePattern::new(file).unwrap());
    config.discover_allow = Some("192.0.2.0/24".parse().unwrap());
    let mut running = Running::start(config).unwrap();
    let expected = [
        "b.test:1",
        "c.test:1",
        "dns+web.test:1/192.0.2.1",
        "dns+web.test:2/192.0.2.1",
        "srv+srv.test/a.test:1",
    ];
    let set = running.until(&expected).await;
    // The prober looks these names up, and connects only to these networks.
    let bound: Vec<_> = set
        .iter()
        .map(|target| target.networks().is_some())
        .collect();
    assert_eq!(bound, [true, false, true, true, true]);
    server.addresses("web.test", &["198.51.100.1"]);
    running
        .until(&["b.test:1", "c.test:1", "srv+srv.test/a.test:1"])
        .await;
}

#[tokio::test]
async fn a_target_for_every_service() {
    let server = Server::start().await;
    let name = "_echo._tcp.example.test";
    server.services(
        name,
        &[
            ("B.example.test.", 4001),
            ("a.example.test.", 4000),
            ("a.example.test.", 4002),
            ("192.0.2.1.", 4000),
            ("no.port.test.", 0),
            (".", 4000),
        ],
    );
    let mut running = Running::start(config_of(&server, [spec(&format!("srv+{name}"))])).unwrap();
    let set = running.next().await;
    let prefix = format!("srv+{name}");
    assert_eq!(
        names(&set),
        [
            format!("{prefix}/192.0.2.1:4000"),
            format!("{prefix}/a.example.test:4000"),
            format!("{prefix}/a.example.test:4002"),
            format!("{prefix}/b.example.test:4001"),
        ]
    );
    let addresses: Vec<_> = set
        .iter()
        .map(|target| target.address().to_string())
        .collect();
    assert_eq!(
        addresses[1..3],
        ["a.example.test.:4000", "a.example.test.:4002"]
    );
    server.services(name, &[("a.example.test.", 4000)]);
    let set = running.next().await;
    assert_eq!(names(&set), [format!("{prefix}/a.example.test:4000")]);
}

#[tokio::test]
async fn long_answers_come_whole() {
    let server = Server::start().await;
    let addresses: Vec<_> = (0..500u16)
        .map(|n| format!("10.0.{}.{}", n / 250, n % 250))
        .collect();
    let addresses: Vec<_> = addresses.iter().map(String::as_str).collect();
    server.addresses("many.test", &addresses);
    let mut running = Running::start(config_of(&server, [spec("dns+many.test:1")])).unwrap();
    assert_eq!(running.next().await.len(), 500);
}

#[tokio::test]
async fn one_family_alone() {
    let server = Server::start().await;
    server.addresses("web.test", &["192.0.2.1", "2001:db8::1"]);
    for (ip, name, kind) in [
        (IpVersion::V4, "w/192.0.2.1", RecordType::A),
        (IpVersion::V6, "w/2001:db8::1", RecordType::AAAA),
    ] {
        server.take_questions();
        let mut config = config_of(&server, [spec("dns+web.test:1").named("w")]);
        config.ip = ip;
        let mut source = Source::load(config).unwrap();
        assert_eq!(names(soon(source.discover()).await), [name]);
        assert_eq!(
            server.take_questions(),
            [("web.test.".to_owned(), kind)].into()
        );
    }
}

#[tokio::test]
async fn names_can_be_looked_up_before_it_runs() {
    let server = Server::start().await;
    server.addresses("web.test", &["192.0.2.1"]);
    let mut config = config_of(
        &server,
        [spec("dns+web.test:1").named("w"), spec("dns+bad.test:1")],
    );
    config.dns_refresh = Duration::from_secs(3600);
    let mut source = Source::load(config).unwrap();
    assert_eq!(names(soon(source.discover()).await), ["w/192.0.2.1"]);
    server.take_questions();
    let mut running = Running::run(source);
    assert_eq!(names(&running.first), ["w/192.0.2.1"]);
    // They are looked up again only when they are due, or at a reload.
    server.addresses("web.test", &["192.0.2.2"]);
    assert!(server.take_questions().is_empty());
    soon(running.handle.reload()).await.unwrap();
    assert_eq!(names(&running.next().await), ["w/192.0.2.2"]);
}

#[tokio::test]
async fn listed_targets_precede_discovered_ones() {
    let server = Server::start().await;
    server.addresses("web.test", &["192.0.2.1", "192.0.2.2"]);
    let listed = spec("elsewhere.test:7").named("w/192.0.2.1");
    let config = config_of(&server, [spec("dns+web.test:1").named("w"), listed]);
    let mut source = Source::load(config).unwrap();
    let set = soon(source.discover()).await;
    assert_eq!(names(set), ["w/192.0.2.1", "w/192.0.2.2"]);
    let address = set.iter().next().unwrap().address().to_string();
    assert_eq!(address, "elsewhere.test:7");
}

#[tokio::test]
async fn discovered_targets_are_spread_over_shards() {
    let server = Server::start().await;
    let addresses: Vec<_> = (0..20).map(|n| format!("192.0.2.{n}")).collect();
    server.addresses(
        "web.test",
        &addresses.iter().map(String::as_str).collect::<Vec<_>>(),
    );
    let mut all = vec![];
    for index in 0..3 {
        let mut config = config_of(&server, [spec("dns+web.test:1"), spec("a:1"), spec("b:1")]);
        config.shard = Shard::new(index, 3.try_into().unwrap()).unwrap();
        let mut source = Source::load(config).unwrap();
        let share = names(soon(source.discover()).await);
        assert!((2..20).contains(&share.len()), "{share:?}");
        all.extend(share);
    }
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 22);
}

#[tokio::test]
async fn a_missing_server_does_not_stop_the_source() {
    let mut config = config();
    let server = Server::start().await;
    config.resolver = server.resolver("");
    drop(server);
    config.targets = vec![spec("dns+web.test:1"), spec("a:1")];
    let mut source = Source::load(config).unwrap();
    assert_eq!(names(soon(source.discover()).await), ["a:1"]);
}

/// The resolver of this system, however it is configured, returns.
#[tokio::test]
async fn the_systems_own_servers() {
    let mut config = config();
    config.targets = vec![spec("dns+localhost:4000").named("this")];
    config.ip = IpVersion::V4;
    let mut source = Source::load(config).unwrap();
    assert_eq!(names(soon(source.discover()).await), ["this/127.0.0.1"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_answer_hurts_another_name(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let server = Server::start().await;
            let mut header = vec![0, 0, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0];
            header.extend(&bytes);
            server.set_answer("bad.test", RecordType::A, Answer::Bytes(bytes));
            server.set_answer("bad.test", RecordType::AAAA, Answer::Bytes(header));
            server.addresses("good.test", &["192.0.2.1"]);
            let endpoints = [spec("dns+bad.test:1"), spec("dns+good.test:1").named("good")];
            let mut config = config_of(&server, endpoints);
            config.dns_refresh = Duration::from_millis(10);
            let mut running = Running::start(config).unwrap();
            running.until(&["good/192.0.2.1"]).await;
            server.addresses("good.test", &["192.0.2.2"]);
            running.until(&["good/192.0.2.2"]).await;
        });
    }
}

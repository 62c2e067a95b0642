//! Which nameservers are asked for which names, by resolv.conf and the list of hosts.
// Only on Linux all of 127.0.0.0/8 is this host.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use std::{fs, time::Instant};

use common::{
    DEFAULTS, Running, config, names,
    server::{Answer, Server},
};
use hickory_resolver::proto::{op::ResponseCode, rr::RecordType};
use tcp_echo_targets::{Config, Spec};
use tokio::net::UdpSocket;

/// A configuration of these targets, whose names are looked up by the files of `server`.
fn config_of(server: &Server, targets: &[&str]) -> Config {
    let mut config = config();
    let session = DEFAULTS.session().unwrap();
    let spec = |target: &&str| Spec::new(target.parse().unwrap(), session.clone());
    config.targets = targets.iter().map(spec).collect();
    config.resolver = server.configured();
    config
}

fn configure(server: &Server, text: &str) {
    fs::write(server.file("resolv.conf"), text).unwrap();
}

#[tokio::test]
async fn both_families_are_of_one_search_domain() {
    let server = Server::start().await;
    configure(
        &server,
        "nameserver 127.0.0.1\nsearch a.test b.test\noptions ndots:5\n",
    );
    server.addresses("web.a.test", &["192.0.2.1"]);
    server.addresses("web.b.test", &["192.0.2.2", "2001:db8::2"]);
    let mut running = Running::start(config_of(&server, &["dns+web:1"])).unwrap();
    assert_eq!(names(&running.next().await), ["dns+web:1/192.0.2.1"]);
    // The first search domain fails: the other one is not used …
    server.set_answer(
        "web.a.test",
        RecordType::A,
        Answer::Code(ResponseCode::ServFail),
    );
    server.set_answer(
        "web.a.test",
        RecordType::AAAA,
        Answer::Code(ResponseCode::ServFail),
    );
    server.take_questions();
    let mut questions = 0;
    while questions < 3 {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        questions += server.take_questions().len();
    }
    assert!(running.is_quiet());
    // … but once the name does not exist there, both families are those of the other one.
    server.set_answer(
        "web.a.test",
        RecordType::A,
        Answer::Code(ResponseCode::NXDomain),
    );
    server.set_answer(
        "web.a.test",
        RecordType::AAAA,
        Answer::Code(ResponseCode::NXDomain),
    );
    running
        .until(&["dns+web:1/192.0.2.2", "dns+web:1/2001:db8::2"])
        .await;
}

#[tokio::test]
async fn absolute_names_have_no_search_domain() {
    let server = Server::start().await;
    configure(
        &server,
        "nameserver 127.0.0.1\nsearch a.test\noptions ndots:5\n",
    );
    server.addresses("web.test", &["192.0.2.1"]);
    server.addresses("web.test.a.test", &["192.0.2.2"]);
    let targets = ["dns+web.test.:1", "dns+web.test:1"];
    let mut running = Running::start(config_of(&server, &targets)).unwrap();
    running
        .until(&["dns+web.test.:1/192.0.2.1", "dns+web.test:1/192.0.2.2"])
        .await;
}

#[tokio::test]
async fn the_list_of_hosts_goes_first_whatever_is_searched() {
    let server = Server::start().await;
    configure(&server, "nameserver 127.0.0.1\nsearch a.test\n");
    fs::write(server.file("hosts"), "192.0.2.7 other web\n").unwrap();
    server.addresses("web.a.test", &["192.0.2.1", "2001:db8::1"]);
    let mut running = Running::start(config_of(&server, &["dns+web:1"])).unwrap();
    assert_eq!(names(&running.next().await), ["dns+web:1/192.0.2.7"]);
    assert!(server.take_questions().is_empty());
    fs::write(server.file("hosts"), "").unwrap();
    running
        .until(&["dns+web:1/192.0.2.1", "dns+web:1/2001:db8::1"])
        .await;
}

/// Without a configured nameserver it is that of this host, as for the resolver of the system.
#[tokio::test]
async fn an_empty_or_missing_file_means_this_host() {
    let server = Server::start().await;
    server.addresses("web.test", &["192.0.2.1"]);
    for text in [
        None,
        Some(""),
        Some("# nameserver 192.0.2.53\nsearch a.test\n"),
    ] {
        if let Some(text) = text {
            configure(&server, text);
        }
        let mut running = Running::start(config_of(&server, &["dns+web.test:1"])).unwrap();
        assert_eq!(names(&running.next().await), ["dns+web.test:1/192.0.2.1"]);
    }
}

#[tokio::test]
async fn a_file_that_changes_is_followed() {
    let server = Server::start().await;
    let other = server.start_beside("127.0.0.2").await;
    server.addresses("web.test", &["192.0.2.1"]);
    other.addresses("web.test", &["192.0.2.2"]);
    configure(&server, "nameserver 127.0.0.1\n");
    let mut running = Running::start(config_of(&server, &["dns+web.test:1"])).unwrap();
    running.until(&["dns+web.test:1/192.0.2.1"]).await;
    configure(&server, "nameserver 127.0.0.2\n");
    running.until(&["dns+web.test:1/192.0.2.2"]).await;
    fs::remove_file(server.file("resolv.conf")).unwrap();
    running.until(&["dns+web.test:1/192.0.2.1"]).await;
}

/// A nameserver that has not answered is asked last, so each name waits for it at most once.
#[tokio::test]
async fn the_first_of_two_nameservers_is_silent() {
    let server = Server::start().await;
    let (address, port) = ("127.0.0.2", server.address.port());
    let _silent = UdpSocket::bind((address, port)).await.unwrap();
    configure(
        &server,
        "nameserver 127.0.0.2\nnameserver 127.0.0.1\nsearch a.test b.test c.test\n\
         options timeout:2 attempts:1 ndots:5\n",
    );
    server.addresses("web.test", &["192.0.2.1"]);
    server.services("_echo.test", &[("a.test.", 4000)]);
    let targets = ["dns+web.test:1", "srv+_echo.test"];
    let begun = Instant::now();
    let mut running = Running::start(config_of(&server, &targets)).unwrap();
    running
        .until(&["dns+web.test:1/192.0.2.1", "srv+_echo.test/a.test:4000"])
        .await;
    // The first of four absolute names waits for two seconds.
    assert!(begun.elapsed().as_secs() >= 2, "{:?}", begun.elapsed());
    assert!(begun.elapsed().as_secs() < 8, "{:?}", begun.elapsed());
}

/// After a nameserver that refuses or fails, the next one is asked.
#[tokio::test]
async fn the_first_of_two_nameservers_fails() {
    let server = Server::start().await;
    let other = server.start_beside("127.0.0.2").await;
    other.set_answer(
        "web.test",
        RecordType::A,
        Answer::Code(ResponseCode::Refused),
    );
    other.set_answer(
        "web.test",
        RecordType::AAAA,
        Answer::Code(ResponseCode::ServFail),
    );
    server.addresses("web.test", &["192.0.2.1", "2001:db8::1"]);
    configure(&server, "nameserver 127.0.0.2\nnameserver 127.0.0.1\n");
    let mut running = Running::start(config_of(&server, &["dns+web.test:1"])).unwrap();
    running
        .until(&["dns+web.test:1/192.0.2.1", "dns+web.test:1/2001:db8::1"])
        .await;
}

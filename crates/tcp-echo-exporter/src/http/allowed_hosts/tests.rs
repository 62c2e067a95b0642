//! Which requests are allowed under which host.

use axum::{body::Body, routing::get};
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;

use super::*;

fn list(text: &str) -> AllowedHosts {
    text.parse().unwrap()
}

fn allows_request(hosts: &AllowedHosts, path: &str, host: &[&str]) -> bool {
    let mut headers = HeaderMap::new();
    for host in host {
        headers.append(header::HOST, host.parse().unwrap());
    }
    hosts.allows_request(Version::HTTP_11, &path.parse().unwrap(), &headers)
}

#[test]
fn loopback_allows_the_names_of_this_host() {
    let hosts = AllowedHosts::loopback();
    for host in [
        "localhost",
        "LOCALHOST:2112",
        "localhost.",
        "a.b.localhost:1",
        "127.0.0.1",
        "127.255.0.3:2112",
        "[::1]",
        "[::1]:2112",
        "[0:0::1]:1",
        "[::ffff:127.0.0.1]",
    ] {
        assert!(allows_request(&hosts, "/", &[host]), "{host}");
    }
    for host in [
        "",
        "evil.example",
        "evil.example:2112",
        "localhost.evil.example",
        "evillocalhost",
        "127.0.0.1.evil.example",
        "127.1",
        "0.0.0.0",
        "[::]",
        "10.0.0.1",
        "::1",
        "localhost@evil.example",
        "evil.example@localhost",
        "localhost:evil",
        "localhost evil.example",
        "localhost,evil.example",
        "..localhost",
    ] {
        assert!(!allows_request(&hosts, "/", &[host]), "{host}");
    }
}

#[test]
fn a_list_allows_its_hosts() {
    let hosts = list("Echo.Example.com., 10.0.0.5,2001:db8::5,bücher.example");
    for host in [
        "echo.example.com",
        "ECHO.example.com.:80",
        "10.0.0.5:2112",
        "[::ffff:10.0.0.5]",
        "[2001:DB8::5]:1",
        "xn--bcher-kva.example",
    ] {
        assert!(allows_request(&hosts, "/api/v1/targets", &[host]), "{host}");
    }
    for host in [
        "localhost",
        "127.0.0.1",
        "example.com",
        "a.echo.example.com",
    ] {
        assert!(
            !allows_request(&hosts, "/api/v1/targets", &[host]),
            "{host}"
        );
    }
}

#[test]
fn metrics_and_health_are_exempt() {
    for hosts in [AllowedHosts::loopback(), list("echo.example.com")] {
        for path in ["/metrics", "/metrics?x=1", "/-/healthy", "/-/ready"] {
            assert!(allows_request(&hosts, path, &["evil.example"]), "{path}");
            assert!(allows_request(&hosts, path, &[]), "{path}");
        }
        for path in [
            "/",
            "/metrics/",
            "//metrics",
            "/probe",
            "/-/reload",
            "/nothing",
        ] {
            assert!(!allows_request(&hosts, path, &["evil.example"]), "{path}");
            assert!(!allows_request(&hosts, path, &[]), "{path}");
        }
    }
    let any = AllowedHosts::any();
    assert!(allows_request(&any, "/", &["evil.example"]) && allows_request(&any, "/", &[]));
}

#[test]
fn http_1_0_without_a_host_is_allowed_on_loopback() {
    let none = HeaderMap::new();
    let page = Uri::from_static("/");
    for (hosts, version, admitted) in [
        (AllowedHosts::loopback(), Version::HTTP_10, true),
        (AllowedHosts::loopback(), Version::HTTP_09, true),
        (AllowedHosts::loopback(), Version::HTTP_11, false),
        (list("localhost"), Version::HTTP_10, false),
    ] {
        assert_eq!(
            hosts.allows_request(version, &page, &none),
            admitted,
            "{hosts}"
        );
    }
}

#[test]
fn all_hosts_of_a_request_must_be_allowed() {
    let hosts = AllowedHosts::loopback();
    assert!(!allows_request(&hosts, "/", &["localhost", "evil.example"]));
    assert!(!allows_request(&hosts, "/", &["evil.example", "localhost"]));
    assert!(!allows_request(
        &hosts,
        "http://evil.example/",
        &["localhost"]
    ));
    assert!(!allows_request(
        &hosts,
        "http://localhost/",
        &["evil.example"]
    ));
    assert!(allows_request(&hosts, "http://localhost/", &["localhost"]));
    assert!(allows_request(&hosts, "http://localhost:1/", &[]));
}

#[test]
fn an_invalid_list_says_why() {
    for (text, error) in [
        ("", AllowedHostsError::Empty),
        ("a,,b", AllowedHostsError::Empty),
        ("a,*", AllowedHostsError::Any),
        ("a:80", AllowedHostsError::Port("a:80".into())),
        ("[::1]:80", AllowedHostsError::Port("[::1]:80".into())),
        (
            "*.example.com",
            AllowedHostsError::Host("*.example.com".into(), HostNameError::Character('*')),
        ),
        (
            "http://a",
            AllowedHostsError::Host("http://a".into(), HostNameError::Character(':')),
        ),
        (&"a,".repeat(1001), AllowedHostsError::TooMany),
    ] {
        assert_eq!(text.parse::<AllowedHosts>(), Err(error), "{text:?}");
    }
}

#[tokio::test]
async fn a_refusal_names_the_flag() {
    let router = Router::new().route("/", get(async || "hello"));
    let router = TowerToHyperService::new(AllowedHosts::loopback().protect(router));
    for (path, host, status) in [
        ("/", "localhost", 200),
        ("/nothing", "localhost", 404),
        ("/", "evil.example", 403),
        ("/nothing", "evil.example", 403),
    ] {
        let request = Request::get(path).header(header::HOST, host);
        let request = request.body(Body::empty()).unwrap();
        let answer = router.call(request).await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{path} at {host}");
        if status == 403 {
            assert_eq!(answer.headers()[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
            let body = axum::body::to_bytes(answer.into_body(), 1000)
                .await
                .unwrap();
            let body = String::from_utf8(body.into()).unwrap();
            assert!(body.contains("-web.allowed-hosts"), "{body}");
        }
    }
}

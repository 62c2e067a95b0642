//! Fuzzes requests to the endpoints: every response has a documented status, and a page has only the
//! elements that it has for a plain request. Under another host name, no page is served.

use std::{cell::OnceCell, collections::BTreeSet, time::Duration};

use axum::{
    Router,
    body::Body,
    http::{HeaderName, HeaderValue, Method, Request, Uri, header::HOST},
};
use tcp_echo_exporter::{AllowedHosts, Endpoints, TargetMetrics, TargetSensor};
use tcp_echo_prober::{Observer as _, SessionConfig, Target};

use crate::endpoints::{Answer, BUILD, ask, block_on};

/// Names that would inject markup if they were not escaped.
const NAMES: [&str; 3] = [
    "db",
    "<script>alert(1)</script>",
    "a\"onload='x'&amp;]]>\\n",
];

struct Site {
    router: Router,
    /// The same router, restricted to loopback names.
    guarded: Router,
    /// The elements and attributes of its pages and images.
    markup: BTreeSet<String>,
    _sensors: Vec<TargetSensor>,
}

/// The first line has the method and the URI; each further line is a header.
pub fn run(data: &[u8]) {
    thread_local! {
        static SITE: OnceCell<Site> = const { OnceCell::new() };
    }
    let Some(request) = request(data) else {
        return;
    };
    SITE.with(|site| {
        let site = site.get_or_init(|| block_on(site_of_names()));
        let is_local = is_local(&request);
        if let Some(again) = self::request(data) {
            let guarded = block_on(ask(&site.guarded, again));
            assert!(is_local || guarded.status == 403, "{}", guarded.status);
            check(site, &guarded);
        }
        let answer = block_on(ask(&site.router, request));
        check(site, &answer);
    });
}

/// Returns whether the host may be a loopback name, or the path is served under any name.
fn is_local(request: &Request<Body>) -> bool {
    let hosts = request.headers().get_all(HOST).iter();
    let mut hosts = hosts.map(|host| String::from_utf8_lossy(host.as_bytes()).to_lowercase());
    let is_loopback = |host: String| {
        host.contains("localhost") || host.starts_with("127.") || host.starts_with('[')
    };
    let in_uri = request.uri().host().map(str::to_lowercase);
    ["/metrics", "/-/healthy", "/-/ready"].contains(&request.uri().path())
        || in_uri.is_some_and(is_loopback)
        || hosts.any(is_loopback)
}

fn request(data: &[u8]) -> Option<Request<Body>> {
    let mut lines = data.split(|byte| *byte == b'\n');
    let first = lines.next()?;
    let space = first.iter().position(|byte| *byte == b' ')?;
    let method = Method::from_bytes(&first[..space]).ok()?;
    let uri = Uri::try_from(&first[space + 1..]).ok()?;
    let mut request = Request::builder().method(method).uri(uri);
    for line in lines.take(50) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            continue;
        };
        let name = HeaderName::from_bytes(&line[..colon]);
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            request = request.header(name, value);
        }
    }
    request.body(Body::empty()).ok()
}

async fn site_of_names() -> Site {
    let metrics = TargetMetrics::new();
    let session = SessionConfig::new(Duration::from_secs(1), Duration::from_secs(1)).unwrap();
    let sensors = NAMES.map(|name| {
        let target = Target::new("192.0.2.1:4000".parse().unwrap(), session.clone());
        let target = target.named(name).with_label("<b>", name);
        metrics.attach(&target)
    });
    let router = Endpoints::new(BUILD).with_targets(metrics).router();
    let mut site = Site {
        guarded: AllowedHosts::loopback().protect(router.clone()),
        router,
        markup: BTreeSet::new(),
        _sensors: sensors.into(),
    };
    for path in [
        "/",
        "/?search=nothing",
        "/?search=d&limit=1",
        "/?target=db",
        "/?target=none",
        "/api/v1/plot?target=db",
        "/?target=db&range=1h",
        "/api/v1/plot?target=db&theme=dark",
        "/api/v1/plot?target=db&range=1h&title=false",
        "/api/v1/plot?target=db&width=320",
        "/api/v1/plot?target=db&width=2000",
    ] {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let answer = ask(&site.router, request).await;
        site.markup.extend(markup(&answer.text.unwrap()));
    }
    site
}

fn check(site: &Site, answer: &Answer) {
    let Answer { status, kind, text } = answer;
    assert!(
        [200, 400, 403, 404, 405, 500, 503].contains(status),
        "{status}"
    );
    let Some(text) = text.as_deref().filter(|text| !text.is_empty()) else {
        return;
    };
    match kind.split(';').next().unwrap_or_default() {
        "text/html" | "image/svg+xml" => {
            let mut found = markup(text).into_iter();
            let other = found.find(|one| !site.markup.contains(one));
            assert_eq!(other, None, "{text}");
        }
        "application/json" => {
            serde_json::from_str::<serde_json::Value>(text).unwrap();
        }
        "text/plain" | "application/openmetrics-text" | "text/css" | "text/javascript" => {}
        other => assert!(
            other.starts_with("application/vnd.google.protobuf"),
            "{other}"
        ),
    }
}

/// Returns the elements of a page, and attributes as `ELEMENT NAME`.
fn markup(page: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut rest = page;
    while let Some(start) = rest.find('<') {
        rest = &rest[start + 1..];
        let is_name = |c: char| c.is_ascii_alphanumeric() || "-!/?:".contains(c);
        let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
        let (element, mut attributes) = rest.split_at(end);
        found.insert(element.to_owned());
        loop {
            attributes = attributes.trim_start_matches(|c: char| c.is_whitespace() || c == '/');
            let end = attributes.find(|c: char| c.is_whitespace() || "=>/".contains(c));
            let (name, after) = attributes.split_at(end.unwrap_or(attributes.len()));
            if name.is_empty() {
                break;
            }
            found.insert(format!("{element} {name}"));
            attributes = after;
            if let Some(value) = after.strip_prefix("=\"") {
                attributes = value.split_once('"').map_or("", |(_, after)| after);
            }
        }
        rest = attributes;
    }
    found
}

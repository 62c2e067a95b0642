//! Every key, good and bad.

use super::*;

const HASH: &str = "$2y$10$X0h1gDsPszWURQaxFh.zoubFi6DXncSjhoQNJgRrnGs7EsimhC7zG";

fn parse(text: &str) -> Result<Config, WebConfigError> {
    Config::parse(Path::new("/etc/echo/web.yml"), text)
}

fn tls(rest: &str) -> Result<Config, WebConfigError> {
    parse(&format!(
        "tls_server_config:\n  cert_file: a.crt\n  key_file: a.key\n{rest}"
    ))
}

/// The error of `text`, which names the file.
fn error(text: &str) -> String {
    let error = parse(text).unwrap_err().to_string();
    let rest = error.strip_prefix("/etc/echo/web.yml: ");
    rest.unwrap_or_else(|| panic!("{error}")).to_owned()
}

fn tls_error(rest: &str) -> String {
    error(&format!(
        "tls_server_config:\n  cert_file: a.crt\n  key_file: a.key\n{rest}"
    ))
}

#[test]
fn nothing_is_a_configuration() {
    for text in [
        "",
        "\u{feff}# nothing\n",
        "{}",
        "~",
        "tls_server_config:\n",
        "tls_server_config: {}\n",
    ] {
        let config = parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
        assert!(config.tls.is_none() && config.users.is_empty(), "{text:?}");
        assert!(
            config.headers.is_empty() && config.rate_limit.is_none(),
            "{text:?}"
        );
    }
}

#[test]
fn all_keys_at_once() {
    let text = format!(
        "tls_server_config:
  cert_file: server.crt
  key_file: /keys/server.key
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: ca.crt
  client_allowed_sans: [prometheus.example.com, 192.0.2.1]
  min_version: TLS12
  max_version: TLS13
  cipher_suites:
    - TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
    - TLS_AES_128_GCM_SHA256
  prefer_server_cipher_suites: false
  curve_preferences: [CurveP256, X25519]
http_server_config:
  http2: true
  headers:
    Content-Security-Policy: default-src 'none'
    X-Frame-Options: sameorigin
    X-Content-Type-Options: nosniff
    X-XSS-Protection: 0
    Strict-Transport-Security: max-age=31536000
basic_auth_users:
  alice: {HASH}
  1234: {HASH}
rate_limit:
  interval: 1s
  burst: 20
"
    );
    let config = parse(&text).unwrap();
    let shown = format!("{config:?}");
    let file = |name| format!("{:?}", Path::new("/etc/echo").join(name));
    for part in [
        &*file("server.crt"),
        "/keys/server.key",
        &file("ca.crt"),
        "RequireAndVerify",
        "192.0.2.1",
        "prefer_own_order: false",
        "\"alice\"",
        "\"1234\"",
        "burst: 20",
        "interval: 1s",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(!shown.contains("$2y"), "{shown}");
    let headers: Vec<_> = config
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value))
        .collect();
    assert_eq!(headers.len(), 5);
    assert!(headers.contains(&("x-xss-protection", &HeaderValue::from_static("0"))));
    assert!(config.users.get(b"alice").is_some() && config.users.get(b"bob").is_none());
}

#[test]
fn unknown_keys_are_named_with_their_place() {
    for (text, key) in [
        ("tls_config: {}", "line 1: tls_config"),
        ("rate_limit:\n  bursts: 1", "line 2: rate_limit.bursts"),
        (
            "http_server_config:\n  http3: true",
            "line 2: http_server_config.http3",
        ),
        (
            "http_server_config:\n  headers:\n    Server: x",
            "line 3: http_server_config.headers.Server",
        ),
        (
            "# first\ntls_server_config:\n  cert_file: a\n  keyfile: b",
            "line 4: tls_server_config.keyfile",
        ),
        // What would act on a terminal is shown as an escape.
        ("a\tb: 1", "line 1: a\\tb"),
        ("\"\\e[31m\": 1", "line 1: \\u{1b}[31m"),
    ] {
        let error = error(text);
        let wanted = format!("{key}: unknown key; accepted: ");
        assert!(error.starts_with(&wanted), "{error}");
    }
    assert!(error("a: 1\nrate_limit: {}").contains("tls_server_config, http_server_config"));
}

#[test]
fn what_rustls_cannot_do_says_so() {
    for (rest, parts) in [
        (
            "  min_version: TLS10",
            &[
                "line 4",
                "tls_server_config.min_version",
                "\"TLS10\"",
                "rustls",
                "TLS12, TLS13",
            ][..],
        ),
        (
            "  max_version: TLS11",
            &["tls_server_config.max_version", "\"TLS11\"", "TLS12, TLS13"],
        ),
        (
            "  min_version: SSL30",
            &["\"SSL30\": accepted: TLS12, TLS13"],
        ),
        (
            "  min_version: TLS13\n  max_version: TLS12",
            &["line 5", "max_version", "below min_version"],
        ),
        (
            "  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA]",
            &[
                "cipher_suites",
                "\"TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA\"",
                "CBC",
                "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
            ],
        ),
        (
            "  cipher_suites: [TLS_RSA_WITH_AES_128_GCM_SHA256]",
            &["forward secrecy", "accepted: "],
        ),
        (
            "  cipher_suites: [TLS_MADE_UP]",
            &["\"TLS_MADE_UP\": accepted: ", "TLS_AES_128_GCM_SHA256"],
        ),
        (
            "  max_version: TLS12\n  cipher_suites: [TLS_AES_128_GCM_SHA256]",
            &["line 5", "none of these is of TLS 1.2"],
        ),
        (
            "  curve_preferences: [CurveP521]",
            &[
                "curve_preferences",
                "\"CurveP521\"",
                "rustls",
                "X25519, CurveP256, CurveP384",
            ],
        ),
        (
            "  curve_preferences: [X25519MLKEM768]",
            &["\"X25519MLKEM768\"", "accepted: "],
        ),
        (
            "  curve_preferences: [P-256]",
            &["\"P-256\": accepted: X25519, CurveP256, CurveP384"],
        ),
    ] {
        let error = tls_error(rest);
        for part in parts {
            assert!(error.contains(part), "{rest}: {part}: {error}");
        }
    }
}

#[test]
fn every_name_of_a_suite_is_accepted_and_those_of_13_stay() {
    let names = "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        TLS_AES_128_GCM_SHA256, TLS_AES_256_GCM_SHA384, TLS_CHACHA20_POLY1305_SHA256";
    tls(&format!("  cipher_suites: [{names}]")).unwrap();
    let one = tls("  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384]").unwrap();
    let shown = format!("{:?}", one.tls);
    assert!(shown.contains("TLS13_AES_128_GCM_SHA256"), "{shown}");
    assert!(
        !shown.contains("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
        "{shown}"
    );
    // All there are, where none is named.
    let all = tls("  cipher_suites: []\n  curve_preferences:").unwrap();
    assert!(format!("{:?}", all.tls).contains("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"));
}

#[test]
fn a_certificate_and_its_key_come_together_and_once() {
    for (text, wanted) in [
        (
            "tls_server_config: {cert_file: a}",
            "line 1: tls_server_config.key_file: missing",
        ),
        (
            "tls_server_config: {key_file: a}",
            "tls_server_config.cert_file: missing",
        ),
        (
            "tls_server_config: {min_version: TLS13}",
            "tls_server_config.cert_file: missing",
        ),
        (
            "tls_server_config: {cert_file: a, cert: b, key_file: c}",
            "tls_server_config.cert: use either this or tls_server_config.cert_file",
        ),
        (
            "tls_server_config: {cert_file: a, key_file: c, key: d}",
            "tls_server_config.key: use either this or tls_server_config.key_file",
        ),
    ] {
        let error = error(text);
        assert!(error.contains(wanted), "{error}");
    }
    // An empty text is none, as in Go.
    parse("tls_server_config: {cert: '', cert_file: a, key_file: b}").unwrap();
}

#[test]
fn clients_certificates() {
    for name in [
        "NoClientCert",
        "RequestClientCert",
        "RequireAnyClientCert",
        "RequireClientCert",
    ] {
        tls(&format!("  client_auth_type: {name}")).unwrap();
    }
    for name in ["VerifyClientCertIfGiven", "RequireAndVerifyClientCert"] {
        let rest = format!("  client_auth_type: {name}");
        assert!(tls_error(&rest).contains("tls_server_config.client_ca_file: missing"));
        tls(&format!("{rest}\n  client_ca_file: ca")).unwrap();
        tls(&format!("{rest}\n  client_ca: ca")).unwrap();
    }
    for (rest, wanted) in [
        (
            "  client_auth_type: Always",
            "\"Always\": accepted: NoClientCert, RequestClientCert",
        ),
        ("  client_ca_file: ca", "ca: without client_auth_type"),
        (
            "  client_allowed_sans: [a]",
            "client_allowed_sans: this needs a client_auth_type",
        ),
        (
            "  client_auth_type: RequestClientCert\n  client_allowed_sans: [a]",
            "RequireAnyClientCert",
        ),
        (
            "  client_auth_type: RequireAnyClientCert\n  client_allowed_sans: []",
            "nobody in",
        ),
        (
            "  client_auth_type: RequireAnyClientCert\n  client_allowed_sans: a",
            "a list of texts is accepted, and this is a text",
        ),
    ] {
        let error = tls_error(rest);
        assert!(error.contains(wanted), "{error}");
    }
}

#[test]
fn headers_of_the_toolkit_with_its_values() {
    let set = |header: &str| parse(&format!("http_server_config: {{headers: {{{header}}}}}"));
    assert_eq!(set("X-Frame-Options: DENY").unwrap().headers[0].1, "DENY");
    assert!(set("X-Frame-Options: ''").unwrap().headers.is_empty());
    let allow = set("X-Frame-Options: allow").unwrap_err().to_string();
    assert!(
        allow.contains("\"allow\": accepted: deny, sameorigin"),
        "{allow}"
    );
    assert!(set("X-Content-Type-Options: sniff").is_err());
    let lines = set("X-XSS-Protection: \"1\\r\\nSet-Cookie: a\"").unwrap_err();
    assert!(lines.to_string().contains("of one line"), "{lines}");
    assert!(
        set("x-frame-options: deny")
            .unwrap_err()
            .to_string()
            .contains("unknown key")
    );
    let http2 = |value: &str| parse(&format!("http_server_config: {{http2: {value}}}"));
    assert!(http2("false").is_ok() && http2("on").is_ok() && http2("").is_ok());
    let maybe = http2("maybe").unwrap_err().to_string();
    assert!(
        maybe.contains("http2: \"maybe\": true or false is accepted"),
        "{maybe}"
    );
}

#[test]
fn rate_limits() {
    let limit = |text: &str| parse(&format!("rate_limit: {{{text}}}")).map(|all| all.rate_limit);
    for off in ["", "interval: 0", "interval: 0s, burst: 3", "burst: 3"] {
        assert_eq!(limit(off).unwrap(), None, "{off}");
    }
    assert!(limit("interval: 2s, burst: 3").unwrap().is_some());
    for (text, wanted) in [
        (
            "interval: 1s",
            "rate_limit.burst: without a burst of at least 1",
        ),
        (
            "interval: 5, burst: 1",
            "rate_limit.interval: \"5\": a duration needs a unit",
        ),
        (
            "interval: 1s, burst: -1",
            "rate_limit.burst: \"-1\": a number of requests",
        ),
        ("interval: 1s, burst: 1.5", "rate_limit.burst: \"1.5\""),
    ] {
        let error = limit(text).unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
    }
}

#[test]
fn users_have_hashes_and_errors_dont_show_them() {
    for (text, wanted) in [
        (
            "basic_auth_users: {alice: hunter2}",
            "line 1: basic_auth_users.alice: its value (not shown here) is no bcrypt hash",
        ),
        ("basic_auth_users: {alice: }", "basic_auth_users.alice"),
        (
            "basic_auth_users:\n  alice: [hunter2]",
            "line 2: basic_auth_users.alice: a text is accepted, and this is a list",
        ),
        (
            "basic_auth_users: alice=hunter2",
            "basic_auth_users: a mapping is accepted, and this is a text",
        ),
        ("basic_auth_users: [hunter2]", "basic_auth_users: a mapping"),
        (
            "basic_auth_users: {\"a:b\": hunter2}",
            "basic_auth_users.a:b: a colon",
        ),
        (
            "tls_server_config: {cert_file: a, key: [hunter2]}",
            "tls_server_config.key: a text is accepted, and this is a list",
        ),
        (
            "tls_server_config: {cert_file: a, key: {hunter2: b}}",
            "tls_server_config.key",
        ),
        (
            "- hunter2",
            "the file: a mapping is accepted, and this is a list",
        ),
        (
            "hunter2",
            "the file: a mapping is accepted, and this is a text",
        ),
    ] {
        let error = error(text);
        assert!(error.contains(wanted), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
    let costly = HASH.replace("$10$", "$19$");
    let error = error(&format!("basic_auth_users: {{bob: {costly}}}"));
    assert!(
        error.contains("basic_auth_users.bob: its bcrypt hash is of cost 19: 4 to 18"),
        "{error}"
    );
    assert!(!error.contains("X0h1"), "{error}");
    for prefix in ["$2a$", "$2b$"] {
        let hash = HASH.replace("$2y$", prefix);
        parse(&format!("basic_auth_users: {{bob: '{hash}'}}")).unwrap();
    }
}

#[test]
fn broken_yaml_has_a_place_and_shows_no_secret() {
    for text in [
        "basic_auth_users:\n  alice: \"hunter2",
        "basic_auth_users:\n  alice: 'hunter2\n",
        "tls_server_config:\n  key: hunter2: x\n",
        "basic_auth_users:\n\talice: hunter2\n",
        "basic_auth_users: {alice: *hunter2}",
        "basic_auth_users:\n  alice: !!int hunter2\n",
        "basic_auth_users:\n  alice: !!binary hunter2!\n",
        "rate_limit: {}\n---\nrate_limit: {}\n",
        "rate_limit: {}\nrate_limit: {}\n",
    ] {
        let error = error(text);
        assert!(error.starts_with("line "), "{error}");
        let anchor = text.contains('*');
        assert!(anchor || !error.contains("hunter2"), "{error}");
    }
}

proptest::proptest! {
    #[test]
    fn no_text_is_a_reason_to_panic(
        text in "(tls_server_config|basic_auth_users|rate_limit|http_server_config|headers|key|cert|interval|[\\[\\]{}:,\n \\-'\"&*!|>#?a-z0-9$]){0,60}"
    ) {
        let _ = parse(&text);
    }
}

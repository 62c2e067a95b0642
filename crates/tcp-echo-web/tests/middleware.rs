//! Requests to a protected router.
#![expect(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

use std::{
    fs,
    net::{IpAddr, SocketAddr},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::ConnectInfo,
    http::{Request, Response, header},
    routing::get,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use tcp_echo_web::{Credentials, CredentialsError, Web, WebOptions};
use tower_service::Service as _;

/// Much longer than the second in which a change is noticed.
const TIMEOUT: Duration = Duration::from_secs(20);

fn load(path: &Path) -> Web {
    Web::load(path).unwrap()
}

fn protected(web: &Web) -> Router {
    let page = async || {
        (
            [(header::CONTENT_SECURITY_POLICY, "default-src 'self'")],
            "hello",
        )
    };
    web.protect(Router::new().route("/", get(page)))
}

async fn ask(router: &mut Router, path: &str, login: Option<&str>) -> Response<Body> {
    ask_from([127, 0, 0, 1].into(), router, path, login).await
}

async fn ask_from(
    client: IpAddr,
    router: &mut Router,
    path: &str,
    login: Option<&str>,
) -> Response<Body> {
    let client = ConnectInfo(SocketAddr::new(client, 1));
    let mut request = Request::get(path).extension(client);
    if let Some(login) = login {
        let login = format!("Basic {}", STANDARD.encode(login));
        request = request.header(header::AUTHORIZATION, login);
    }
    router
        .call(request.body(Body::empty()).unwrap())
        .await
        .unwrap()
}

fn hash(password: &str) -> String {
    bcrypt::hash(password, 4).unwrap()
}

#[tokio::test]
async fn only_users_are_admitted_and_all_responses_have_the_headers() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("web.yml");
    let text = format!(
        "basic_auth_users: {{alice: {}}}
http_server_config:
  headers:
    X-Frame-Options: deny
    Content-Security-Policy: default-src 'none'
",
        hash("secret")
    );
    fs::write(&path, text).unwrap();
    let web = load(&path);
    assert!(web.has_users() && web.tls_acceptor().is_none());
    let mut router = protected(&web);
    for (page, login, status) in [
        ("/", Some("alice:secret"), 200),
        ("/nothing", Some("alice:secret"), 404),
        ("/", Some("alice:wrong"), 401),
        ("/", Some("bob:secret"), 401),
        ("/", None, 401),
        ("/nothing", None, 401),
    ] {
        let answer = ask(&mut router, page, login).await;
        assert_eq!(answer.status(), status, "{page} {login:?}");
        let headers = answer.headers();
        assert_eq!(headers[header::X_FRAME_OPTIONS], "deny");
        assert_eq!(
            headers[header::CONTENT_SECURITY_POLICY],
            "default-src 'none'"
        );
        if status == 401 {
            let challenge = &headers[header::WWW_AUTHENTICATE];
            assert_eq!(
                challenge,
                "Basic realm=\"tcp-echo-metrics\", charset=\"UTF-8\""
            );
            assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
            assert_eq!(headers[header::CACHE_CONTROL], "no-store");
        } else {
            assert!(!headers.contains_key(header::WWW_AUTHENTICATE));
        }
    }
}

#[tokio::test]
async fn a_user_without_a_configuration_file_is_admitted() {
    let credentials = Credentials::new("alice", "pass:word").unwrap();
    assert!(!format!("{credentials:?}").contains("word"));
    let options = WebOptions::new().with_credentials(credentials);
    let web = Web::with_options(options).unwrap();
    assert!(web.has_users() && web.tls_acceptor().is_none());
    let mut router = protected(&web);
    for (login, status) in [
        (Some("alice:pass:word"), 200),
        (Some("alice:pass"), 401),
        (Some("alice:"), 401),
        (Some("bob:pass:word"), 401),
        (None, 401),
    ] {
        let answer = ask(&mut router, "/", login).await;
        assert_eq!(answer.status(), status, "{login:?}");
    }
}

#[test]
fn credentials_that_no_request_can_have_are_refused() {
    let error = |user: &str, password: &str| Credentials::new(user, password).unwrap_err();
    assert_eq!(error("", "x"), CredentialsError::NoUser);
    assert_eq!(error("a:b", "x"), CredentialsError::Colon);
    assert_eq!(error("a", ""), CredentialsError::NoPassword);
    assert_eq!(error("a", &"x".repeat(73)), CredentialsError::Long);
    assert!(Credentials::new("a", "x".repeat(72)).is_ok());
}

#[tokio::test]
async fn guessing_keeps_nobody_else_out() {
    /// How many requests the guessing client has in flight.
    const ATTEMPTS: usize = 50;
    /// The check in progress when the other client arrives, and its own one.
    const BEFORE: usize = 2;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("web.yml");
    let users = ["a", "b", "c", "d", "e"];
    let hashes = users.map(|user| format!("{user}: {}", hash("secret")));
    let text = format!("basic_auth_users: {{{}}}", hashes.join(", "));
    fs::write(&path, text).unwrap();
    let router = protected(&load(&path));

    let (guessed, ends) = (
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicBool::new(false)),
    );
    let guessing: Vec<_> = (0..ATTEMPTS)
        .map(|task| {
            let (mut router, guessed, ends) = (router.clone(), guessed.clone(), ends.clone());
            tokio::spawn(async move {
                // All of its /64.
                let client = format!("2001:db8::{task:x}").parse().unwrap();
                for guess in 0.. {
                    let login = format!("a:{task} {guess}");
                    let answer = ask_from(client, &mut router, "/", Some(&login)).await;
                    match answer.status().as_u16() {
                        401 => guessed.fetch_add(1, Ordering::Relaxed),
                        503 => {
                            tokio::time::sleep(Duration::from_millis(1)).await;
                            0
                        }
                        status => panic!("{status}"),
                    };
                    if ends.load(Ordering::Relaxed) {
                        break;
                    }
                }
            })
        })
        .collect();
    let mut router = router;
    for user in users {
        let before = guessed.load(Ordering::Relaxed);
        let under_way = async {
            while guessed.load(Ordering::Relaxed) < before + 5 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(TIMEOUT, under_way).await.unwrap();
        let before = guessed.load(Ordering::Relaxed);
        let login = format!("{user}:secret");
        let answer = ask_from([192, 0, 2, 1].into(), &mut router, "/", Some(&login)).await;
        assert_eq!(answer.status(), 200, "{user}");
        let meanwhile = guessed.load(Ordering::Relaxed) - before;
        assert!(meanwhile <= BEFORE, "{meanwhile} guesses before {user}");
    }
    ends.store(true, Ordering::Relaxed);
    for task in guessing {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn requests_beyond_the_rate_limit_get_429() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("web.yml");
    fs::write(&path, "rate_limit: {interval: 3600s, burst: 2}").unwrap();
    let mut router = protected(&load(&path));
    for status in [200, 200, 429, 429] {
        assert_eq!(ask(&mut router, "/", None).await.status(), status);
    }
}

#[tokio::test]
async fn changes_are_followed_and_mistakes_are_not() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("web.yml");
    let users = |password| format!("basic_auth_users: {{alice: {}}}", hash(password));
    fs::write(&path, users("first")).unwrap();
    let mut router = protected(&load(&path));
    assert_eq!(
        ask(&mut router, "/", Some("alice:first")).await.status(),
        200
    );

    // None of these changes how requests are answered; the last one does.
    for bad in [
        "",
        "basic_auth_users: {alice: x}",
        "a: b",
        "tls_server_config: {cert_file: a, key_file: b}",
    ] {
        fs::write(&path, bad).unwrap();
        let seen = tokio::time::Instant::now() + Duration::from_millis(1_200);
        while tokio::time::Instant::now() < seen {
            assert_eq!(ask(&mut router, "/", None).await.status(), 401, "{bad}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(
            ask(&mut router, "/", Some("alice:first")).await.status(),
            200,
            "{bad}"
        );
    }
    fs::remove_file(&path).unwrap();
    fs::write(&path, users("second")).unwrap();
    let followed = async {
        while ask(&mut router, "/", Some("alice:second")).await.status() != 200 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(TIMEOUT, followed).await.unwrap();
    assert_eq!(
        ask(&mut router, "/", Some("alice:first")).await.status(),
        401
    );
}

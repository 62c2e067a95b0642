//! Warnings about certificates that are not valid, and errors of files that cannot be used.
#![expect(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

use std::{
    fmt,
    fmt::Write as _,
    fs,
    path::Path,
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{Router, body::Body, http::Request, routing::get};
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use tcp_echo_web::Web;
use tokio::time::{sleep, timeout};
use tower_service::Service as _;
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

/// Much longer than the second in which a change is noticed.
const TIMEOUT: Duration = Duration::from_secs(20);

/// The warnings of this process, each with its fields.
static WARNINGS: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Warnings;

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string does not fail.
        let _ = write!(self.0, "{}={value:?} ", field.name());
    }
}

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = Text(String::new());
        event.record(&mut text);
        let warnings = WARNINGS.lock();
        warnings
            .unwrap_or_else(PoisonError::into_inner)
            .push(text.0);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// The warnings about the folder since the last call.
fn warnings(folder: &Path) -> Vec<String> {
    let folder = folder.display().to_string();
    let mut all = WARNINGS.lock().unwrap();
    let (own, others) = all.drain(..).partition(|text| text.contains(&folder));
    *all = others;
    own
}

fn load(path: &Path) -> Result<Web, String> {
    let web = Web::load(path);
    web.map_err(|error| error.to_string())
}

/// Puts a new certificate, valid in these years, and its key in place.
fn renew(folder: &Path, years: [i32; 2]) {
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    [params.not_before, params.not_after] = years.map(|year| date_time_ymd(year, 1, 1));
    let key = KeyPair::generate().unwrap();
    let both = params.self_signed(&key).unwrap().pem() + &key.serialize_pem();
    fs::write(folder.join("new"), both).unwrap();
    fs::rename(folder.join("new"), folder.join("server.pem")).unwrap();
}

/// Does what a request does: looks for changes.
async fn look(web: &Web) {
    let mut router = web.protect(Router::new().route("/", get(async || "hello")));
    let request = Request::get("/").body(Body::empty()).unwrap();
    let answer = router.call(request).await.unwrap();
    assert_eq!(answer.status(), 200);
}

async fn until(web: &Web, what: &str, mut holds: impl FnMut() -> bool) {
    let seen = async {
        while !holds() {
            look(web).await;
            sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(timeout(TIMEOUT, seen).await.is_ok(), "{what}");
}

fn year(year: u64) -> SystemTime {
    // Precise enough to name the year.
    UNIX_EPOCH + Duration::from_secs((year - 1970) * 31_556_952)
}

#[tokio::test]
async fn a_certificate_that_is_not_valid_is_served_and_logged_once_per_load() {
    let _ = tracing::subscriber::set_global_default(Warnings);
    let directory = tempfile::tempdir().unwrap();
    let folder = directory.path();
    let config = folder.join("web.yml");
    let text = "tls_server_config: {cert_file: server.pem, key_file: server.pem}";
    fs::write(&config, text).unwrap();
    renew(folder, [1999, 2001]);
    let web = load(&config).unwrap();
    let expires = |in_year: u64| {
        let expiry = web.certificate_expiry().unwrap();
        expiry > year(in_year) - Duration::from_secs(86_400 * 2)
            && expiry < year(in_year) + Duration::from_secs(86_400 * 2)
    };
    assert!(expires(2001), "{:?}", web.certificate_expiry());
    let logged = warnings(folder);
    assert_eq!(logged.len(), 1, "{logged:?}");
    assert!(
        logged[0].contains("expired at 2001-01-01T00:00:00Z"),
        "{logged:?}"
    );

    // Neither a valid certificate nor a repeated one is logged.
    renew(folder, [2001, 2999]);
    until(&web, "the valid one", || expires(2999)).await;
    assert_eq!(warnings(folder), Vec::<String>::new());

    // Each one that is read again is logged once.
    renew(folder, [1999, 2002]);
    until(&web, "the expired one", || expires(2002)).await;
    let later = SystemTime::now() + Duration::from_millis(2_500);
    until(&web, "further looks", || SystemTime::now() > later).await;
    let logged = warnings(folder);
    assert_eq!(logged.len(), 1, "{logged:?}");
    renew(folder, [2998, 2999]);
    until(&web, "the future one", || expires(2999)).await;
    let logged = warnings(folder);
    assert_eq!(logged.len(), 1, "{logged:?}");
    let expected = "not valid before 2998-01-01T00:00:00Z";
    assert!(logged[0].contains(expected), "{logged:?}");

    // One that expires later is logged too.
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let soon = SystemTime::now() + Duration::from_secs(3);
    params.not_after = soon.into();
    let key = KeyPair::generate().unwrap();
    let both = params.self_signed(&key).unwrap().pem() + &key.serialize_pem();
    fs::write(folder.join("server.pem"), both).unwrap();
    until(&web, "its end", || {
        let logged = warnings(folder);
        logged.iter().any(|text| text.contains("expired at "))
    })
    .await;
    assert!(SystemTime::now() >= soon - Duration::from_secs(1));
}

#[tokio::test]
async fn without_tls_nothing_expires() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("web.yml");
    fs::write(&config, "{}").unwrap();
    assert_eq!(load(&config).unwrap().certificate_expiry(), None);
}

#[cfg(unix)]
#[tokio::test]
async fn files_that_are_no_files_are_refused_and_not_waited_for() {
    let _ = tracing::subscriber::set_global_default(Warnings);
    let directory = tempfile::tempdir().unwrap();
    let folder = directory.path();
    let config = folder.join("web.yml");
    renew(folder, [2001, 2999]);
    for name in ["cert.pem", "key.pem", "ca.pem"] {
        fs::copy(folder.join("server.pem"), folder.join(name)).unwrap();
    }
    let text = "tls_server_config: {cert_file: cert.pem, key_file: key.pem, \
                client_ca_file: ca.pem, client_auth_type: VerifyClientCertIfGiven}";
    fs::write(&config, text).unwrap();
    let web = load(&config).unwrap();
    let expiry = web.certificate_expiry();
    let devices = [("a device", "/dev/zero"), ("a directory", "/")];
    for name in ["cert.pem", "key.pem", "ca.pem", "web.yml"] {
        let path = folder.join(name);
        let kept = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(made.unwrap().success());
        let expected = format!("{name}: it is a FIFO, not a file");
        let error = load(&config).unwrap_err();
        assert!(error.ends_with(&expected), "{error}");
        until(&web, &expected, || {
            let logged = warnings(folder);
            logged.iter().any(|text| text.contains(&expected))
        })
        .await;
        assert_eq!(web.certificate_expiry(), expiry);
        for (kind, device) in devices {
            fs::remove_file(&path).unwrap();
            std::os::unix::fs::symlink(device, &path).unwrap();
            let error = load(&config).unwrap_err();
            assert!(error.ends_with(&format!("{name}: it is {kind}, not a file")));
        }
        fs::remove_file(&path).unwrap();
        fs::write(&path, kept).unwrap();
    }
}

//! A web configuration that follows its files.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use axum::Router;
use tokio::time::timeout;

use crate::{
    ParseDuration, WebConfigError,
    accept::TlsAcceptor,
    files::Seen,
    gate,
    loaded::{self, Loaded},
    passwords::Passwords,
    tls::Invalid,
};

/// How often the files are looked at, at most; and only when somebody comes.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// How long a connection waits for that, should a file system hang.
const PATIENCE: Duration = Duration::from_secs(1);

/// A web configuration that follows its files. Clones share everything.
///
/// When somebody connects or asks for something, and a second has gone by since it last
/// did so, it reads the file again and those that it names. What has changed is in
/// force from then on, for new connections and all requests. What can't be used is
/// said in the log, once, and the last good one stays in force. A certificate that has
/// expired, or is not yet valid, is served as the file says, with a warning in the log.
#[derive(Clone)]
pub struct Web {
    shared: Arc<Shared>,
}

struct Shared {
    path: PathBuf,
    duration: ParseDuration,
    passwords: Passwords,
    current: Mutex<Arc<Loaded>>,
    next_check: Mutex<NextCheck>,
    /// Held while the files are looked at.
    followed: Mutex<Followed>,
}

struct NextCheck {
    at: Instant,
    is_running: bool,
}

struct Followed {
    seen: Seen,
    /// What was said of why the files can't be used, if they can't.
    failure: Option<String>,
    /// What was said of why the certificate in force is not valid, if it isn't.
    invalid: Option<Invalid>,
}

impl Web {
    /// Reads the file at `path` and those that it names; it blocks while it does.
    /// `duration` reads lengths of time.
    ///
    /// # Errors
    /// [`WebConfigError`], when a file can't be read or used.
    pub fn load(path: impl Into<PathBuf>, duration: ParseDuration) -> Result<Self, WebConfigError> {
        let path = path.into();
        let (seen, loaded) = loaded::load(&path, duration);
        let loaded = loaded?;
        let Some(passwords) = Passwords::new() else {
            return Err(WebConfigError::Random { path });
        };
        let mut followed = Followed {
            seen,
            failure: None,
            invalid: None,
        };
        followed.warn_of_certificate(&loaded, &path);
        Ok(Self {
            shared: Arc::new(Shared {
                path,
                duration,
                passwords,
                current: Mutex::new(Arc::new(loaded)),
                next_check: Mutex::new(NextCheck {
                    at: Instant::now() + CHECK_EVERY,
                    is_running: false,
                }),
                followed: Mutex::new(followed),
            }),
        })
    }

    /// What makes accepted connections those of TLS, where the file asks for it. That
    /// it does or doesn't stays as it was when it was loaded.
    pub fn tls_acceptor(&self) -> Option<TlsAcceptor> {
        let asks = self.shared.current().tls.is_some();
        asks.then(|| TlsAcceptor::new(self.clone()))
    }

    /// The end of validity of the certificate that is served at the moment; `None` without
    /// TLS.
    pub fn certificate_expiry(&self) -> Option<SystemTime> {
        let current = self.shared.current();
        current.tls.as_ref()?.validity?.not_after()
    }

    /// Whether the file names users, at the moment.
    pub fn has_users(&self) -> bool {
        !self.shared.current().users.is_empty()
    }

    /// Lets to `router` only what the file allows, and sets its headers on all answers:
    /// to come last among the router's layers.
    ///
    /// The extension [`ConnectInfo<SocketAddr>`](axum::extract::ConnectInfo) of a request says
    /// which client sent it. Checks of passwords are shared out among clients; requests
    /// without the extension count as those of one client.
    ///
    /// | status | |
    /// |---|---|
    /// | 401 | the request names no user of the file, or not the user's password |
    /// | 429 | the rate limit is reached |
    /// | 503 | too many passwords are being checked |
    pub fn protect(&self, router: Router) -> Router {
        gate::protect(router, self.clone())
    }

    /// What is in force, as far as it can be known in time.
    pub(crate) async fn current(&self) -> Arc<Loaded> {
        if self.shared.begin_check() {
            let shared = Arc::clone(&self.shared);
            let check = tokio::task::spawn_blocking(move || {
                let _end = EndOfCheck(&shared);
                shared.check();
            });
            // Without it, what was in force is.
            let _ = timeout(PATIENCE, check).await;
        }
        self.shared.current()
    }

    pub(crate) fn passwords(&self) -> &Passwords {
        &self.shared.passwords
    }
}

impl fmt::Debug for Web {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Web")
            .field("path", &self.shared.path)
            .finish_non_exhaustive()
    }
}

/// Lets the next check happen, however this one ends.
struct EndOfCheck<'a>(&'a Shared);

impl Drop for EndOfCheck<'_> {
    fn drop(&mut self) {
        *lock(&self.0.next_check) = NextCheck {
            at: Instant::now() + CHECK_EVERY,
            is_running: false,
        };
    }
}

impl Shared {
    fn current(&self) -> Arc<Loaded> {
        Arc::clone(&lock(&self.current))
    }

    /// Whether a check is due; it is then taken to have begun.
    fn begin_check(&self) -> bool {
        let mut next = lock(&self.next_check);
        let begins = !next.is_running && Instant::now() >= next.at;
        next.is_running |= begins;
        begins
    }

    /// Looks at the files, and takes over what has changed.
    fn check(&self) {
        let mut followed = lock(&self.followed);
        if followed.seen.holds() {
            followed.warn_of_certificate(&self.current(), &self.path);
            return;
        }
        let (seen, loaded) = loaded::load(&self.path, self.duration);
        followed.seen = seen;
        let before = self.current();
        match loaded.and_then(|loaded| loaded.after(&before, &self.path)) {
            Ok(loaded) => {
                tracing::info!(file = %self.path.display(), "web configuration read again");
                (followed.failure, followed.invalid) = (None, None);
                followed.warn_of_certificate(&loaded, &self.path);
                *lock(&self.current) = Arc::new(loaded);
            }
            Err(error) => {
                let failure = error.to_string();
                if followed.failure.as_ref() != Some(&failure) {
                    tracing::warn!(
                        error = failure,
                        "web configuration can't be read again, the last good one stays"
                    );
                }
                followed.failure = Some(failure);
            }
        }
    }
}

impl Followed {
    /// Says that the certificate is not valid: when it was read, and when it expires.
    fn warn_of_certificate(&mut self, loaded: &Loaded, path: &Path) {
        let validity = loaded.tls.as_ref().and_then(|tls| tls.validity);
        let invalid = validity.and_then(|validity| validity.invalid(SystemTime::now()));
        if let Some(invalid) = invalid
            && self.invalid != Some(invalid)
        {
            tracing::warn!(
                file = %path.display(),
                reason = %invalid,
                "the certificate of the endpoints is not valid, and is served all the same"
            );
        }
        self.invalid = invalid;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

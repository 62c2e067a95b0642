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
    WebConfigError,
    accept::TlsAcceptor,
    files::Seen,
    loaded::{Loaded, Source},
    middleware,
    options::WebOptions,
    passwords::Passwords,
    tls::Invalid,
};

/// The minimum time between two checks of the files.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// How long a connection waits for a check, in case a file system hangs.
const CHECK_TIMEOUT: Duration = Duration::from_secs(1);

/// A web configuration that follows its files. Clones share everything.
///
/// At a connection or request, at most once per second, it reads the file again and the files
/// that it names. Changes apply to new connections and all requests. If a file can't be used,
/// that is logged once, and the last valid configuration is used. A certificate that has expired,
/// or is not yet valid, is still served, with a warning in the log.
#[derive(Clone)]
pub struct Web {
    shared: Arc<Shared>,
}

struct Shared {
    source: Source,
    passwords: Passwords,
    current: Mutex<Arc<Loaded>>,
    next_check: Mutex<NextCheck>,
    /// Held during a check of the files.
    followed: Mutex<Followed>,
}

struct NextCheck {
    at: Instant,
    is_running: bool,
}

struct Followed {
    seen: Seen,
    /// The error that was logged last, while the files can't be used.
    failure: Option<String>,
    /// The problem that was logged last, while the certificate is not valid.
    invalid: Option<Invalid>,
}

impl Web {
    /// Reads the file at `path` and the files that it names. Blocks while it reads.
    ///
    /// # Errors
    /// [`WebConfigError`], when a file can't be read or used.
    pub fn load(path: impl Into<PathBuf>) -> Result<Self, WebConfigError> {
        Self::follow(Source::File(path.into()))
    }

    /// A configuration without a file. It follows the files of its certificate. Blocks while it
    /// reads them, and while it hashes the password.
    ///
    /// # Errors
    /// [`WebConfigError`], when a file can't be read or used.
    pub fn with_options(options: WebOptions) -> Result<Self, WebConfigError> {
        let users = options.users()?;
        Self::follow(Source::Options(options, users))
    }

    fn follow(source: Source) -> Result<Self, WebConfigError> {
        let (seen, loaded) = source.load();
        let loaded = loaded?;
        let path = source.path();
        let Some(passwords) = Passwords::new() else {
            return Err(WebConfigError::Random {
                path: path.to_owned(),
            });
        };
        let mut followed = Followed {
            seen,
            failure: None,
            invalid: None,
        };
        followed.warn_of_certificate(&loaded, path);
        Ok(Self {
            shared: Arc::new(Shared {
                source,
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

    /// The acceptor of TLS connections, if the file configures TLS. That can't change at run
    /// time.
    pub fn tls_acceptor(&self) -> Option<TlsAcceptor> {
        let asks = self.shared.current().tls.is_some();
        asks.then(|| TlsAcceptor::new(self.clone()))
    }

    /// The end of validity of the current certificate; `None` without TLS.
    pub fn certificate_expiry(&self) -> Option<SystemTime> {
        let current = self.shared.current();
        current.tls.as_ref()?.validity?.not_after()
    }

    /// Whether the current file names users.
    pub fn has_users(&self) -> bool {
        !self.shared.current().users.is_empty()
    }

    /// Adds rate limit, passwords and headers to `router`. Call it after adding all other
    /// layers.
    ///
    /// The extension [`ConnectInfo<SocketAddr>`](axum::extract::ConnectInfo) of a request
    /// identifies the client. Password checks are fair among clients; requests without the
    /// extension count as one client.
    ///
    /// | status | |
    /// |---|---|
    /// | 401 | the request names no user of the file, or not the user's password |
    /// | 429 | the rate limit is reached |
    /// | 503 | too many passwords are being checked |
    pub fn protect(&self, router: Router) -> Router {
        middleware::protect(router, self.clone())
    }

    /// The current configuration, after a check of the files if one is due.
    pub(crate) async fn current(&self) -> Arc<Loaded> {
        if self.shared.begin_check() {
            let shared = Arc::clone(&self.shared);
            let check = tokio::task::spawn_blocking(move || {
                let _end = EndOfCheck(&shared);
                shared.check();
            });
            // After a timeout the last configuration is used.
            let _ = timeout(CHECK_TIMEOUT, check).await;
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
            .field("path", &self.shared.source.path())
            .finish_non_exhaustive()
    }
}

/// Allows the next check, however this one ends.
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

    /// Starts a check if one is due. Returns whether it is.
    fn begin_check(&self) -> bool {
        let mut next = lock(&self.next_check);
        let begins = !next.is_running && Instant::now() >= next.at;
        next.is_running |= begins;
        begins
    }

    /// Checks the files, and applies changes.
    fn check(&self) {
        let mut followed = lock(&self.followed);
        let path = self.source.path();
        if followed.seen.holds() {
            followed.warn_of_certificate(&self.current(), path);
            return;
        }
        let (seen, loaded) = self.source.load();
        followed.seen = seen;
        let before = self.current();
        match loaded.and_then(|loaded| loaded.after(&before, path)) {
            Ok(loaded) => {
                tracing::info!(file = %path.display(), "reloaded the web configuration");
                (followed.failure, followed.invalid) = (None, None);
                followed.warn_of_certificate(&loaded, path);
                *lock(&self.current) = Arc::new(loaded);
            }
            Err(error) => {
                let failure = error.to_string();
                if followed.failure.as_ref() != Some(&failure) {
                    tracing::warn!(
                        error = failure,
                        "web configuration can't be read again; keeping the last valid one"
                    );
                }
                followed.failure = Some(failure);
            }
        }
    }
}

impl Followed {
    /// Logs that the certificate is not valid, when it is read and when it expires.
    fn warn_of_certificate(&mut self, loaded: &Loaded, path: &Path) {
        let validity = loaded.tls.as_ref().and_then(|tls| tls.validity);
        let invalid = validity.and_then(|validity| validity.invalid(SystemTime::now()));
        if let Some(invalid) = invalid
            && self.invalid != Some(invalid)
        {
            tracing::warn!(
                file = %path.display(),
                reason = %invalid,
                "certificate of the endpoints is not valid; serving it anyway"
            );
        }
        self.invalid = invalid;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

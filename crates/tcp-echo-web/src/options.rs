//! A web configuration without a file: one certificate, one user.

use std::{fmt, path::PathBuf};

use crate::{WebConfigError, users::Users};

/// The maximum length of a password, in bytes: bcrypt ignores what follows.
const MAX_PASSWORD: usize = 72;

/// A certificate and a user, given without a [file](crate::Web::load).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebOptions {
    pub(crate) certificate: Option<CertificateFiles>,
    pub(crate) credentials: Option<Credentials>,
}

/// The files of a certificate and its key, in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CertificateFiles {
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
}

/// A user and the password, in plain text.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    user: String,
    password: String,
}

/// Why a user and a password can't be used. It contains neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialsError {
    /// The user has no name.
    #[error("the name of the user is empty")]
    NoUser,
    /// The name has a colon, which ends it in requests.
    #[error("a colon can't stand in a user's name, since one follows it in requests")]
    Colon,
    /// The password is empty.
    #[error("the password is empty")]
    NoPassword,
    /// The password is too long to be hashed.
    #[error("the password is longer than {MAX_PASSWORD} bytes")]
    Long,
}

impl Credentials {
    /// A user and the password.
    ///
    /// # Errors
    /// [`CredentialsError`].
    pub fn new(
        user: impl Into<String>,
        password: impl Into<String>,
    ) -> Result<Self, CredentialsError> {
        let (user, password) = (user.into(), password.into());
        if user.is_empty() {
            return Err(CredentialsError::NoUser);
        }
        if user.contains(':') {
            return Err(CredentialsError::Colon);
        }
        if password.is_empty() {
            return Err(CredentialsError::NoPassword);
        }
        if password.len() > MAX_PASSWORD {
            return Err(CredentialsError::Long);
        }
        Ok(Self { user, password })
    }

    /// The name of the user.
    pub fn user(&self) -> &str {
        &self.user
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

impl WebOptions {
    /// No TLS, and no users.
    pub fn new() -> Self {
        Self::default()
    }

    /// Serves TLS with this certificate and its key, in PEM. Changes of the files are followed.
    #[must_use]
    pub fn with_certificate(mut self, cert: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.certificate = Some(CertificateFiles {
            cert: cert.into(),
            key: key.into(),
        });
        self
    }

    /// Requires this user and password.
    #[must_use]
    pub fn with_credentials(mut self, credentials: Credentials) -> Self {
        self.credentials = Some(credentials);
        self
    }

    /// Whether there is TLS.
    pub const fn has_certificate(&self) -> bool {
        self.certificate.is_some()
    }

    /// Whether a user and a password are required.
    pub const fn has_credentials(&self) -> bool {
        self.credentials.is_some()
    }

    /// The user with a hash of the password. Takes some time.
    pub(crate) fn users(&self) -> Result<Users, WebConfigError> {
        match &self.credentials {
            Some(Credentials { user, password }) => Users::with(user, password),
            None => Ok(Users::default()),
        }
    }
}

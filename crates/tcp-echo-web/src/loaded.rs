//! A loaded web configuration: the file, and the files that it names.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use axum::http::{HeaderName, HeaderValue};

use crate::{
    WebConfigError,
    config::Config,
    files::{Files, Seen},
    options::WebOptions,
    rate_limit::RequestLimiter,
    tls::{Tls, TlsConfig},
    users::Users,
};

/// A loaded web configuration.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) tls: Option<Tls>,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) users: Users,
    pub(crate) request_limiter: Option<Arc<RequestLimiter>>,
}

/// Where a web configuration comes from.
#[derive(Debug)]
pub(crate) enum Source {
    /// A configuration file.
    File(PathBuf),
    /// No such file. The password is hashed once.
    Options(WebOptions, Users),
}

impl Source {
    /// The file that messages name: the configuration, or the certificate.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::File(path) => path,
            Self::Options(options, _) => match &options.certificate {
                Some(files) => &files.cert,
                None => Path::new("the user of the endpoints"),
            },
        }
    }

    /// Reads the configuration and the files that it names. Returns the files even on an error.
    pub(crate) fn load(&self) -> (Seen, Result<Loaded, WebConfigError>) {
        let mut files = Files::new();
        let loaded = match self {
            Self::File(path) => load_from(&mut files, path),
            Self::Options(options, users) => load_options(&mut files, options, users),
        };
        (files.seen(), loaded)
    }
}

fn load_options(
    files: &mut Files,
    options: &WebOptions,
    users: &Users,
) -> Result<Loaded, WebConfigError> {
    let tls = options.certificate.as_ref().map(TlsConfig::of_files);
    Ok(Loaded {
        tls: tls.map(|tls| tls.load(files)).transpose()?,
        headers: Vec::new(),
        users: users.clone(),
        request_limiter: None,
    })
}

fn load_from(files: &mut Files, path: &Path) -> Result<Loaded, WebConfigError> {
    let bytes = files.read(path);
    let bytes = bytes.map_err(|error| WebConfigError::read(path, error))?;
    let text = std::str::from_utf8(&bytes).map_err(|error| {
        let before = bytes.iter().take(error.valid_up_to());
        WebConfigError::Syntax {
            path: path.to_owned(),
            line: before.filter(|byte| **byte == b'\n').count() as u64 + 1,
            column: 1,
            message: "not UTF-8".to_owned(),
        }
    })?;
    let config = Config::parse(path, text)?;
    let tls = config.tls.map(|tls| tls.load(files)).transpose()?;
    Ok(Loaded {
        tls,
        headers: config.headers,
        users: config.users,
        request_limiter: config.rate_limit.map(RequestLimiter::new).map(Arc::new),
    })
}

impl Loaded {
    /// Checks that this may replace `before` at run time.
    pub(crate) fn after(mut self, before: &Self, path: &Path) -> Result<Self, WebConfigError> {
        let changed = |problem| {
            Err(WebConfigError::Changed {
                path: path.to_owned(),
                problem,
            })
        };
        match (&before.tls, &self.tls) {
            (Some(_), None) => {
                return changed(
                    "tls_server_config is gone, and what was encrypted stays so until the \
                     program is started again",
                );
            }
            (None, Some(_)) => {
                return changed("tls_server_config is new, and needs a start of the program");
            }
            _ => {}
        }
        let is_empty = |one: &Self| {
            one.users.is_empty() && one.headers.is_empty() && one.request_limiter.is_none()
        };
        if self.tls.is_none() && is_empty(&self) && !is_empty(before) {
            return changed(
                "nothing is left in it, as when it is just being written; a start of the \
                 program would take it so",
            );
        }
        // An unchanged limit keeps its state.
        if let (Some(old), Some(new)) = (&before.request_limiter, &mut self.request_limiter)
            && old.limit() == new.limit()
        {
            *new = Arc::clone(old);
        }
        Ok(self)
    }
}

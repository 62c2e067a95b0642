//! Parsing a web configuration file.

use std::path::Path;

use axum::http::{HeaderName, HeaderValue, header};

use crate::{
    WebConfigError,
    rate_limit::RateLimit,
    section::{Entry, Section},
    tls::TlsConfig,
    users::Users,
    yaml,
};

/// The content of a web configuration file.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) tls: Option<TlsConfig>,
    /// Headers of all answers.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) users: Users,
    pub(crate) rate_limit: Option<RateLimit>,
}

const ROOT: &[&str] = &[
    "tls_server_config",
    "http_server_config",
    "basic_auth_users",
    "rate_limit",
];

impl Config {
    /// Parses `text`, the content of `path`. Paths in it are relative to it, and not read yet.
    pub(crate) fn parse(path: &Path, text: &str) -> Result<Self, WebConfigError> {
        let mut root = Section::root(path, yaml::parse(path, text)?, ROOT)?;
        let tls = root.take("tls_server_config");
        let http = root.take("http_server_config");
        let users = root.take("basic_auth_users");
        let limit = root.take("rate_limit");
        Ok(Self {
            tls: tls.map(TlsConfig::parse).transpose()?.flatten(),
            headers: http.map(http_server).transpose()?.unwrap_or_default(),
            users: users.map(Users::parse).transpose()?.unwrap_or_default(),
            rate_limit: limit.map(RateLimit::parse).transpose()?.flatten(),
        })
    }
}

/// The headers that may be set, and their accepted values; any if empty.
const HEADERS: &[(HeaderName, &str, &[&str])] = &[
    (
        header::CONTENT_SECURITY_POLICY,
        "Content-Security-Policy",
        &[],
    ),
    (
        header::X_FRAME_OPTIONS,
        "X-Frame-Options",
        &["deny", "sameorigin"],
    ),
    (
        header::X_CONTENT_TYPE_OPTIONS,
        "X-Content-Type-Options",
        &["nosniff"],
    ),
    (header::X_XSS_PROTECTION, "X-XSS-Protection", &[]),
    (
        header::STRICT_TRANSPORT_SECURITY,
        "Strict-Transport-Security",
        &[],
    ),
];

fn http_server(entry: Entry<'_>) -> Result<Vec<(HeaderName, HeaderValue)>, WebConfigError> {
    let mut section = entry.section(&["http2", "headers"])?;
    if let Some(http2) = section.take("http2") {
        // Accepted, without effect.
        http2.boolean()?;
    }
    let Some(headers) = section.take("headers") else {
        return Ok(Vec::new());
    };
    let names: Vec<_> = HEADERS.iter().map(|(_, name, _)| *name).collect();
    let mut section = headers.section(&names)?;
    let mut headers = Vec::new();
    for (header, name, values) in HEADERS {
        let Some(entry) = section.take(name) else {
            continue;
        };
        let Some(value) = entry.text()? else {
            continue;
        };
        let is_accepted = |one: &&str| one.eq_ignore_ascii_case(value);
        if !values.is_empty() && !values.iter().any(is_accepted) {
            return Err(entry.refuse(format_args!("{value:?}: accepted: {}", values.join(", "))));
        }
        let value = HeaderValue::from_str(value).map_err(|_| {
            entry.refuse(format_args!(
                "{value:?}: a header is of one line, without control characters"
            ))
        })?;
        headers.push((header.clone(), value));
    }
    Ok(headers)
}

#[cfg(test)]
mod tests;

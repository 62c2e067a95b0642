//! TLS and a user of the endpoints without a web configuration file.

use tcp_echo_flags::FlagError;
use tcp_echo_web::{Credentials, CredentialsError, WebOptions};

use super::error::UsageError;
use super::flags::WebFlags;

/// The options of these flags, if any is set. As in the original, an empty value sets nothing.
pub(super) fn of(
    flags: &WebFlags,
    origin: impl Fn(&str) -> String,
) -> Result<Option<WebOptions>, UsageError> {
    let [user, pass, cert, key] = [
        ("metrics-user", &flags.metrics_user),
        ("metrics-pass", &flags.metrics_pass),
        ("metrics-tls-cert", &flags.metrics_tls_cert),
        ("metrics-tls-key", &flags.metrics_tls_key),
    ]
    .map(|(name, value)| (name, value.as_ref().filter(|value| !value.is_empty())));
    let is_set = |(_, value): &&(&str, Option<&String>)| value.is_some();
    let first = [user, pass, cert, key];
    let Some((first, _)) = first.iter().find(is_set) else {
        return Ok(None);
    };
    if flags.web_config.is_some() {
        return Err(FlagError::Other(format!(
            "{} is for endpoints without {}: put it into that file, under basic_auth_users or \
             tls_server_config",
            origin(first),
            origin("web.config.file")
        ))
        .into());
    }
    // No message has the password.
    let pair = |(one, of_one): (_, Option<&String>), (other, of_other): (_, Option<&String>)| {
        let (lone, missing) = match (of_one, of_other) {
            (Some(one), Some(other)) => return Ok(Some((one.clone(), other.clone()))),
            (None, None) => return Ok(None),
            (Some(_), None) => (one, other),
            (None, Some(_)) => (other, one),
        };
        Err(FlagError::Other(format!(
            "{} needs {}",
            origin(lone),
            origin(missing)
        )))
    };
    let mut options = WebOptions::new();
    if let Some((cert, key)) = pair(cert, key)? {
        options = options.with_certificate(cert, key);
    }
    if let Some((name, password)) = pair(user, pass)? {
        let credentials = Credentials::new(name.clone(), password);
        let credentials = credentials.map_err(|error| match error {
            CredentialsError::Colon => FlagError::InvalidValue {
                value: name,
                origin: origin("metrics-user"),
                reason: error.to_string(),
            },
            error => FlagError::Other(format!("{}: {error}", origin("metrics-pass"))),
        })?;
        options = options.with_credentials(credentials);
    }
    Ok(Some(options))
}

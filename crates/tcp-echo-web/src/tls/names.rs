//! Go's names of versions, cipher suites and curves, for rustls.

use rustls::{
    CipherSuite, SupportedCipherSuite, SupportedProtocolVersion,
    crypto::{
        SupportedKxGroup,
        ring::{ALL_CIPHER_SUITES, ALL_KX_GROUPS, kx_group},
    },
    version::{TLS12, TLS13},
};

use super::BOTH;
use crate::{
    WebConfigError,
    section::{Entry, Section},
};

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Version {
    Tls12,
    Tls13,
}

const VERSIONS: &[(&str, Version)] = &[("TLS12", Version::Tls12), ("TLS13", Version::Tls13)];
const ONLY_12: &[&SupportedProtocolVersion] = &[&TLS12];
const ONLY_13: &[&SupportedProtocolVersion] = &[&TLS13];
const OLD_VERSIONS: &[&str] = &["TLS10", "TLS11"];

/// The versions from `min_version` to `max_version`.
pub(super) fn versions(
    section: &mut Section<'_>,
) -> Result<&'static [&'static SupportedProtocolVersion], WebConfigError> {
    let version = |entry: &Entry<'_>| {
        if let Some(old) = entry.text()?.filter(|text| OLD_VERSIONS.contains(text)) {
            return Err(entry.refuse(format_args!(
                "{old:?}: TLS 1.0 and 1.1 are broken, and rustls doesn't speak them; \
                 accepted: TLS12, TLS13"
            )));
        }
        entry.one_of(VERSIONS)
    };
    let min = section.take("min_version");
    let min = min.map(|entry| version(&entry)).transpose()?.flatten();
    let max_entry = section.take("max_version");
    let max = max_entry.as_ref().map(version).transpose()?.flatten();
    let min = min.unwrap_or(Version::Tls12);
    match (min, max.unwrap_or(Version::Tls13), max_entry) {
        (Version::Tls12, Version::Tls13, _) => Ok(BOTH),
        (Version::Tls12, Version::Tls12, _) => Ok(ONLY_12),
        (Version::Tls13, Version::Tls12, Some(entry)) => {
            Err(entry.refuse("\"TLS12\" is below min_version, TLS13"))
        }
        (Version::Tls13, ..) => Ok(ONLY_13),
    }
}

/// Go's name of a suite. rustls has the prefix `TLS13` for those of TLS 1.3.
fn name_of(suite: CipherSuite) -> String {
    format!("{suite:?}").replacen("TLS13_", "TLS_", 1)
}

/// The suites of `cipher_suites`, in that order; all of TLS 1.3 in any case, as in Go.
pub(super) fn suites(
    section: &mut Section<'_>,
    versions: &[&SupportedProtocolVersion],
) -> Result<Vec<SupportedCipherSuite>, WebConfigError> {
    let Some(entry) = section.take("cipher_suites") else {
        return Ok(ALL_CIPHER_SUITES.to_vec());
    };
    let names = entry.list()?.unwrap_or_default();
    if names.is_empty() {
        return Ok(ALL_CIPHER_SUITES.to_vec());
    }
    let accepted: Vec<_> = ALL_CIPHER_SUITES
        .iter()
        .map(|suite| (name_of(suite.suite()), *suite))
        .collect();
    let accepted: Vec<_> = accepted
        .iter()
        .map(|(name, suite)| (&**name, *suite))
        .collect();
    let mut suites = Vec::new();
    for name in names {
        let reason = if name.contains("_CBC_") {
            Some("rustls has no suites with CBC")
        } else if name.starts_with("TLS_RSA_") {
            Some("rustls has no suites without forward secrecy")
        } else {
            None
        };
        let suite = entry.find(name, &accepted).map_err(|error| match reason {
            Some(reason) => entry.refuse(format_args!(
                "{name:?}: {reason}; accepted: {}",
                accepted
                    .iter()
                    .map(|(name, _)| *name)
                    .collect::<Vec<_>>()
                    .join(", ")
            )),
            None => error,
        })?;
        if !suites.contains(&suite) {
            suites.push(suite);
        }
    }
    let is_13 = |suite: &&SupportedCipherSuite| suite.tls13().is_some();
    for suite in ALL_CIPHER_SUITES.iter().filter(is_13) {
        if !suites.contains(suite) {
            suites.push(*suite);
        }
    }
    if versions.len() == 1 && versions.contains(&&TLS12) && suites.iter().all(|one| is_13(&one)) {
        return Err(entry.refuse("none of these is of TLS 1.2, the max_version"));
    }
    Ok(suites)
}

const GROUPS: &[(&str, &dyn SupportedKxGroup)] = &[
    ("X25519", kx_group::X25519),
    ("CurveP256", kx_group::SECP256R1),
    ("CurveP384", kx_group::SECP384R1),
];
const OTHER_GROUPS: &[&str] = &[
    "CurveP521",
    "X25519MLKEM768",
    "SecP256r1MLKEM768",
    "SecP384r1MLKEM1024",
];

/// The groups of `curve_preferences`, in that order.
pub(super) fn groups(
    section: &mut Section<'_>,
) -> Result<Vec<&'static dyn SupportedKxGroup>, WebConfigError> {
    let Some(entry) = section.take("curve_preferences") else {
        return Ok(ALL_KX_GROUPS.to_vec());
    };
    let names = entry.list()?.unwrap_or_default();
    if names.is_empty() {
        return Ok(ALL_KX_GROUPS.to_vec());
    }
    let group = |name: &&str| {
        if OTHER_GROUPS.contains(name) {
            return Err(entry.refuse(format_args!(
                "{name:?}: rustls has it not with ring; accepted: X25519, CurveP256, CurveP384"
            )));
        }
        entry.find(name, GROUPS)
    };
    names.iter().map(group).collect()
}

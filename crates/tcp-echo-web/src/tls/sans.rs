//! Subject alternative names of a certificate (RFC 5280, section 4.2.1.6).

use std::net::IpAddr;

use rustls::{CertificateError, Error, pki_types::CertificateDer};
use x509_cert::{
    Certificate,
    der::Decode as _,
    ext::pkix::{SubjectAltName, name::GeneralName},
};

/// Checks that one of the certificate's names is allowed.
pub(super) fn check(certificate: &CertificateDer<'_>, allowed: &[String]) -> Result<(), Error> {
    let encoding = |_| Error::InvalidCertificate(CertificateError::BadEncoding);
    let certificate = Certificate::from_der(certificate).map_err(encoding)?;
    let names = certificate
        .tbs_certificate()
        .get_extension::<SubjectAltName>();
    let names = names.map_err(encoding)?.map(|(_, names)| names.0);
    let found = names.unwrap_or_default();
    let is_allowed = |name: &GeneralName| text(name).is_some_and(|name| allowed.contains(&name));
    if found.iter().any(is_allowed) {
        return Ok(());
    }
    Err(Error::InvalidCertificate(
        CertificateError::ApplicationVerificationFailure,
    ))
}

/// A name as text, if it is a DNS name, a mail address, an IP address or a URI.
fn text(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DnsName(name)
        | GeneralName::Rfc822Name(name)
        | GeneralName::UniformResourceIdentifier(name) => Some(name.as_str().to_owned()),
        GeneralName::IpAddress(octets) => ip(octets.as_bytes()).map(|ip| ip.to_string()),
        _ => None,
    }
}

fn ip(octets: &[u8]) -> Option<IpAddr> {
    if let Ok(octets) = <[u8; 4]>::try_from(octets) {
        return Some(octets.into());
    }
    <[u8; 16]>::try_from(octets).ok().map(IpAddr::from)
}

//! Client certificates: the five modes of Go.

use std::sync::Arc;

use rustls::{
    DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::{
        CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
    },
    pki_types::{CertificateDer, UnixTime},
    server::{
        WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};

use super::{Pem, sans};
use crate::{WebConfigError, section::Section};

/// The mode of client authentication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClientAuth {
    /// No certificate.
    No,
    /// An optional certificate of any signer.
    Request,
    /// A certificate of any signer.
    RequireAny,
    /// An optional certificate of the client CA.
    VerifyIfGiven,
    /// A certificate of the client CA.
    RequireAndVerify,
}

const NAMES: &[(&str, ClientAuth)] = &[
    ("NoClientCert", ClientAuth::No),
    ("RequestClientCert", ClientAuth::Request),
    ("RequireAnyClientCert", ClientAuth::RequireAny),
    ("VerifyClientCertIfGiven", ClientAuth::VerifyIfGiven),
    ("RequireAndVerifyClientCert", ClientAuth::RequireAndVerify),
    // An older name.
    ("RequireClientCert", ClientAuth::RequireAny),
];

impl ClientAuth {
    const fn requires(self) -> bool {
        matches!(self, Self::RequireAny | Self::RequireAndVerify)
    }

    const fn verifies(self) -> bool {
        matches!(self, Self::VerifyIfGiven | Self::RequireAndVerify)
    }
}

/// Parses the mode, and the names of which a certificate must have one.
pub(super) fn parse(
    section: &mut Section<'_>,
    client_ca: Option<&Pem>,
) -> Result<(ClientAuth, Option<Vec<String>>), WebConfigError> {
    let auth = section.take("client_auth_type");
    let auth = auth.map(|entry| entry.one_of(NAMES)).transpose()?.flatten();
    let auth = auth.unwrap_or(ClientAuth::No);
    match client_ca {
        Some(ca) if auth == ClientAuth::No => {
            return Err(ca.refuse(
                "without client_auth_type no client is asked for a certificate; \
                 RequireAndVerifyClientCert lets in those with one of this CA only",
            ));
        }
        None if auth.verifies() => {
            return Err(section.lacks(
                "client_ca_file",
                "missing; this or client_ca is needed to verify what clients show",
            ));
        }
        _ => {}
    }
    let Some(entry) = section.take("client_allowed_sans") else {
        return Ok((auth, None));
    };
    let Some(names) = entry.list()? else {
        return Ok((auth, None));
    };
    if !auth.requires() {
        return Err(entry.refuse(
            "this needs a client_auth_type that requires a certificate: \
             RequireAndVerifyClientCert or RequireAnyClientCert",
        ));
    }
    if names.is_empty() {
        return Err(entry.refuse("an empty list would let nobody in"));
    }
    let names = names.into_iter().map(str::to_owned).collect();
    Ok((auth, Some(names)))
}

/// The verifier of client certificates, if any are requested.
pub(super) fn verifier(
    auth: ClientAuth,
    roots: Option<(Vec<CertificateDer<'static>>, &Pem)>,
    allowed_sans: Option<Vec<String>>,
    provider: &Arc<CryptoProvider>,
) -> Result<Option<Arc<dyn ClientCertVerifier>>, WebConfigError> {
    if auth == ClientAuth::No {
        return Ok(None);
    }
    let of_ca = roots.map(|(certificates, pem)| {
        let mut roots = RootCertStore::empty();
        for certificate in certificates {
            roots.add(certificate).map_err(|error| pem.refuse(error))?;
        }
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
            .build()
            .map_err(|error| pem.refuse(error))
    });
    Ok(Some(Arc::new(Verifier {
        auth,
        of_ca: of_ca.transpose()?,
        allowed_sans,
        algorithms: provider.signature_verification_algorithms,
    })))
}

/// In every mode a client proves that it has the key of its certificate. Only the modes that
/// verify check the signer; in the others anyone can make a certificate, and only
/// `client_allowed_sans` is checked.
#[derive(Debug)]
struct Verifier {
    auth: ClientAuth,
    of_ca: Option<Arc<dyn ClientCertVerifier>>,
    allowed_sans: Option<Vec<String>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ClientCertVerifier for Verifier {
    fn client_auth_mandatory(&self) -> bool {
        self.auth.requires()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.of_ca
            .as_ref()
            .map_or(&[], |ca| ca.root_hint_subjects())
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if self.auth.verifies() {
            let Some(ca) = &self.of_ca else {
                return Err(Error::General("no client CA".to_owned()));
            };
            ca.verify_client_cert(end_entity, intermediates, now)?;
        }
        if let Some(allowed) = &self.allowed_sans {
            sans::check(end_entity, allowed)?;
        }
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

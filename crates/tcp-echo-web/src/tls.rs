//! TLS: the section of the file, and rustls's configuration.

mod client;
mod names;
mod sans;
mod validity;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ServerConfig, SupportedCipherSuite, SupportedProtocolVersion,
    crypto::{
        CryptoProvider, SupportedKxGroup, ring,
        ring::{ALL_CIPHER_SUITES, ALL_KX_GROUPS},
    },
    pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject},
    sign::{CertifiedKey, SingleCertAndKey},
    version::{TLS12, TLS13},
};

use crate::{WebConfigError, files::Files, options::CertificateFiles, section::Entry};
use client::ClientAuth;
pub(crate) use validity::{Invalid, Validity};

const KEYS: &[&str] = &[
    "cert",
    "key",
    "cert_file",
    "key_file",
    "client_auth_type",
    "client_ca",
    "client_ca_file",
    "client_allowed_sans",
    "min_version",
    "max_version",
    "cipher_suites",
    "prefer_server_cipher_suites",
    "curve_preferences",
];

/// The ALPN protocol (RFC 7301).
const PROTOCOL: &[u8] = b"http/1.1";

/// The TLS section of a file, before the files that it names are read.
#[derive(Debug)]
pub(crate) struct TlsConfig {
    cert: Pem,
    key: Pem,
    client_ca: Option<Pem>,
    client_auth: ClientAuth,
    allowed_sans: Option<Vec<String>>,
    versions: &'static [&'static SupportedProtocolVersion],
    suites: Vec<SupportedCipherSuite>,
    groups: Vec<&'static dyn SupportedKxGroup>,
    prefer_own_order: bool,
}

/// A loaded TLS configuration.
#[derive(Debug)]
pub(crate) struct Tls {
    pub(crate) config: Arc<ServerConfig>,
    /// The validity of the certificate.
    pub(crate) validity: Option<Validity>,
}

/// PEM data (RFC 7468), and where it was configured.
struct Pem {
    /// `None` if no configuration file names it.
    config: Option<ConfigKey>,
    /// The key, or the file.
    name: String,
    content: Content,
}

/// A key of a configuration file.
struct ConfigKey {
    path: PathBuf,
    line: u64,
}

enum Content {
    Inline(String),
    File(PathBuf),
}

impl TlsConfig {
    /// `None` if the section is empty.
    pub(crate) fn parse(entry: Entry<'_>) -> Result<Option<Self>, WebConfigError> {
        let mut section = entry.section(KEYS)?;
        if section.is_empty() {
            return Ok(None);
        }
        let mut pem = |inline: &str, file: &str| {
            let inline = section.take(inline).map(|entry| Pem::inline(&entry));
            let file = section.take(file).map(|entry| Pem::file(&entry));
            match (inline.transpose()?.flatten(), file.transpose()?.flatten()) {
                (Some(inline), Some(file)) => {
                    Err(inline.refuse(format_args!("use either this or {}", file.name)))
                }
                (inline, file) => Ok(inline.or(file)),
            }
        };
        let cert = pem("cert", "cert_file")?;
        let key = pem("key", "key_file")?;
        let client_ca = pem("client_ca", "client_ca_file")?;
        let (client_auth, allowed_sans) = client::parse(&mut section, client_ca.as_ref())?;
        let versions = names::versions(&mut section)?;
        let suites = names::suites(&mut section, versions)?;
        let groups = names::groups(&mut section)?;
        let order = section.take("prefer_server_cipher_suites");
        let order = order.map(|entry| entry.boolean()).transpose()?.flatten();
        let missing = |name: &str, other: &str| {
            section.lacks(
                name,
                format_args!("missing; this or {other} is needed for TLS"),
            )
        };
        Ok(Some(Self {
            cert: cert.ok_or_else(|| missing("cert_file", "cert"))?,
            key: key.ok_or_else(|| missing("key_file", "key"))?,
            client_ca,
            client_auth,
            allowed_sans,
            versions,
            suites,
            groups,
            prefer_own_order: order.unwrap_or(true),
        }))
    }

    /// This certificate and its key, and the defaults for everything else.
    pub(crate) fn of_files(files: &CertificateFiles) -> Self {
        Self {
            cert: Pem::alone(&files.cert),
            key: Pem::alone(&files.key),
            client_ca: None,
            client_auth: ClientAuth::No,
            allowed_sans: None,
            versions: BOTH,
            suites: ALL_CIPHER_SUITES.to_vec(),
            groups: ALL_KX_GROUPS.to_vec(),
            prefer_own_order: true,
        }
    }

    /// Reads the files that it names.
    pub(crate) fn load(self, files: &mut Files) -> Result<Tls, WebConfigError> {
        let provider = Arc::new(CryptoProvider {
            cipher_suites: self.suites,
            kx_groups: self.groups,
            ..ring::default_provider()
        });
        let chain = self.cert.certificates(files)?;
        let validity = chain.first().and_then(Validity::of);
        let key = self.key.private_key(files)?;
        let pair = CertifiedKey::from_der(chain, key, &provider);
        let pair = pair.map_err(|error| self.key.refuse(why_no_pair(&error, &self.cert)))?;
        let roots = self.client_ca.as_ref();
        let roots = roots.map(|pem| Ok((pem.certificates(files)?, pem)));
        let verifier = client::verifier(
            self.client_auth,
            roots.transpose()?,
            self.allowed_sans,
            &provider,
        )?;
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(self.versions)
            .map_err(|error| self.cert.refuse(error))?;
        let config = match verifier {
            Some(verifier) => config.with_client_cert_verifier(verifier),
            None => config.with_no_client_auth(),
        };
        let mut config = config.with_cert_resolver(Arc::new(SingleCertAndKey::from(pair)));
        config.ignore_client_order = self.prefer_own_order;
        config.alpn_protocols = vec![PROTOCOL.to_owned()];
        Ok(Tls {
            config: Arc::new(config),
            validity,
        })
    }
}

fn why_no_pair(error: &rustls::Error, cert: &Pem) -> String {
    match error {
        rustls::Error::InconsistentKeys(_) => {
            format!(
                "the private key is not that of the certificate in {}",
                cert.name
            )
        }
        error => format!(
            "{error}: X.509 certificates of version 3 with keys of RSA (2048 to 8192 bits), ECDSA \
             P-256 and P-384, and Ed25519 are accepted"
        ),
    }
}

impl Pem {
    fn new(entry: &Entry<'_>, content: Content) -> Self {
        Self {
            config: Some(ConfigKey {
                path: entry.path.to_owned(),
                line: entry.line,
            }),
            name: entry.key.clone(),
            content,
        }
    }

    /// A file that no configuration file names.
    fn alone(file: &Path) -> Self {
        Self {
            config: None,
            name: file.display().to_string(),
            content: Content::File(file.to_owned()),
        }
    }

    fn inline(entry: &Entry<'_>) -> Result<Option<Self>, WebConfigError> {
        let text = entry.text()?;
        Ok(text.map(|text| Self::new(entry, Content::Inline(text.to_owned()))))
    }

    /// A file, relative to the configuration.
    fn file(entry: &Entry<'_>) -> Result<Option<Self>, WebConfigError> {
        let beside = entry.path.parent().unwrap_or(Path::new(""));
        let text = entry.text()?;
        Ok(text.map(|text| Self::new(entry, Content::File(beside.join(text)))))
    }

    fn refuse(&self, problem: impl fmt::Display) -> WebConfigError {
        let Some(config) = &self.config else {
            return WebConfigError::Pem {
                path: PathBuf::from(&self.name),
                problem: problem.to_string(),
            };
        };
        let problem = match &self.content {
            Content::Inline(_) => problem.to_string(),
            Content::File(file) => format!("{}: {problem}", file.display()),
        };
        WebConfigError::Key {
            path: config.path.clone(),
            line: config.line,
            key: self.name.clone(),
            problem,
        }
    }

    fn bytes(&self, files: &mut Files) -> Result<Vec<u8>, WebConfigError> {
        match &self.content {
            Content::Inline(text) => Ok(text.clone().into_bytes()),
            Content::File(file) => files.read(file).map_err(|error| self.refuse(error)),
        }
    }

    fn certificates(
        &self,
        files: &mut Files,
    ) -> Result<Vec<CertificateDer<'static>>, WebConfigError> {
        let bytes = self.bytes(files)?;
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
        let chain = chain.map_err(|_| self.refuse("not the notation of PEM"))?;
        if chain.is_empty() {
            return Err(
                self.refuse("no certificate in PEM: -----BEGIN CERTIFICATE----- is missing")
            );
        }
        Ok(chain)
    }

    fn private_key(&self, files: &mut Files) -> Result<PrivateKeyDer<'static>, WebConfigError> {
        let bytes = self.bytes(files)?;
        PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| {
            self.refuse(match error {
                pem::Error::NoItemsFound => {
                    "no private key in PEM: PRIVATE KEY, RSA PRIVATE KEY and EC PRIVATE KEY \
                     are accepted, without a passphrase"
                }
                _ => "not the notation of PEM",
            })
        })
    }
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.content {
            Content::Inline(_) => f.write_str("Inline"),
            Content::File(file) => file.fmt(f),
        }
    }
}

/// Both versions.
const BOTH: &[&SupportedProtocolVersion] = &[&TLS12, &TLS13];

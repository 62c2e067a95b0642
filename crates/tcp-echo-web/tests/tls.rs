//! Real TLS connections over loopback, from rustls's own client.
#![expect(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

use std::{fs, io, path::Path, sync::Arc, time::Duration};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    SanType,
};
use rustls::{
    ClientConfig, RootCertStore, SupportedProtocolVersion,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
    version::{TLS12, TLS13},
};
use tcp_echo_web::{TlsAcceptor, Web, WebConfigError, WebOptions};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_rustls::TlsConnector;

/// Much longer than anything that these tests wait for.
const TIMEOUT: Duration = Duration::from_secs(20);

type Ca = CertifiedIssuer<'static, KeyPair>;

fn ca() -> Ca {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate and its key, in PEM.
struct Identity {
    cert: String,
    key: String,
}

impl Identity {
    /// One that both ends can use.
    fn of(ca: &Ca, names: Vec<SanType>) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.subject_alt_names = names;
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let key = KeyPair::generate().unwrap();
        Self {
            cert: params.signed_by(&key, ca).unwrap().pem(),
            key: key.serialize_pem(),
        }
    }

    fn server(ca: &Ca) -> Self {
        Self::of(ca, vec![dns("localhost")])
    }

    fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.cert.as_bytes()).unwrap()
    }
}

fn dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().unwrap())
}

/// A folder with a server's files.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new(identity: &Identity) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.write("server.crt", &identity.cert);
        folder.write("server.key", &identity.key);
        folder
    }

    /// Replaces a file by another, as programs that renew certificates do.
    fn write(&self, name: &str, text: &str) {
        let new = self.0.path().join(format!("{name}.new"));
        fs::write(&new, text).unwrap();
        fs::rename(new, self.0.path().join(name)).unwrap();
    }

    /// The configuration with `rest` in its section of TLS.
    fn load(&self, rest: &str) -> Result<Web, WebConfigError> {
        let files = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n";
        self.load_all(&format!("{files}{rest}"))
    }

    fn load_all(&self, text: &str) -> Result<Web, WebConfigError> {
        self.write("web.yml", text);
        load(&self.0.path().join("web.yml"))
    }

    fn acceptor(&self, rest: &str) -> TlsAcceptor {
        self.load(rest).unwrap().tls_acceptor().unwrap()
    }
}

fn load(path: &Path) -> Result<Web, WebConfigError> {
    Web::load(path)
}

/// A client that trusts `ca` and shows `identity`.
fn client(
    ca: &Ca,
    identity: Option<&Identity>,
    versions: &[&'static SupportedProtocolVersion],
) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(ca.der().clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots);
    TlsConnector::from(Arc::new(match identity {
        None => config.with_no_client_auth(),
        Some(identity) => {
            let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
            config
                .with_client_auth_cert(vec![identity.der()], key)
                .unwrap()
        }
    }))
}

/// Connects and sends a byte in both directions. Returns the certificate that the client saw.
async fn connect(
    acceptor: &TlsAcceptor,
    client: &TlsConnector,
) -> io::Result<CertificateDer<'static>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let serve = async {
        let (stream, _) = listener.accept().await?;
        let mut stream = acceptor.accept(stream).await?;
        let byte = stream.read_u8().await?;
        stream.write_u8(byte).await?;
        stream.shutdown().await
    };
    let ask = async {
        let stream = TcpStream::connect(address).await?;
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = client.connect(name, stream).await?;
        stream.write_u8(7).await?;
        assert_eq!(stream.read_u8().await?, 7);
        let (_, session) = stream.get_ref();
        Ok(session.peer_certificates().unwrap()[0].clone().into_owned())
    };
    let (served, seen) = timeout(TIMEOUT, async { tokio::join!(serve, ask) }).await?;
    served.and(seen)
}

#[tokio::test]
async fn both_versions_with_files_and_inline() {
    let ca = ca();
    let server = Identity::server(&ca);
    let folder = Folder::new(&server);
    let acceptor = folder.acceptor("");
    let inline = all_inline(&server);
    let inline = folder.load_all(&inline).unwrap().tls_acceptor().unwrap();
    for versions in [&[&TLS12][..], &[&TLS13]] {
        for acceptor in [&acceptor, &inline] {
            let seen = connect(acceptor, &client(&ca, None, versions))
                .await
                .unwrap();
            assert_eq!(seen, server.der());
        }
    }
    // A minimum or maximum in the file refuses only the other version.
    for (rest, good, bad) in [
        ("  min_version: TLS13", &TLS13, &TLS12),
        ("  max_version: TLS12", &TLS12, &TLS13),
    ] {
        let acceptor = folder.acceptor(rest);
        connect(&acceptor, &client(&ca, None, &[good]))
            .await
            .unwrap();
        connect(&acceptor, &client(&ca, None, &[bad]))
            .await
            .unwrap_err();
    }
    let suites = "  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]";
    let acceptor = folder.acceptor(suites);
    // The certificate is of ECDSA, so there is none for TLS 1.2.
    connect(&acceptor, &client(&ca, None, &[&TLS12]))
        .await
        .unwrap_err();
    connect(&acceptor, &client(&ca, None, &[&TLS13]))
        .await
        .unwrap();
}

/// The configuration with everything in it, block by block.
fn all_inline(server: &Identity) -> String {
    let block = |text: &str| text.replace('\n', "\n    ");
    format!(
        "tls_server_config:\n  cert: |\n    {}\n  key: |\n    {}\n",
        block(server.cert.trim()),
        block(server.key.trim())
    )
}

#[tokio::test]
async fn client_certificates_in_all_modes() {
    let (trusted_ca, other_ca) = (ca(), ca());
    let folder = Folder::new(&Identity::server(&trusted_ca));
    folder.write("ca.crt", &trusted_ca.pem());
    let good = Identity::of(&trusted_ca, vec![dns("prometheus")]);
    let untrusted = Identity::of(&other_ca, vec![dns("prometheus")]);
    for (mode, without, with_good, with_untrusted) in [
        ("NoClientCert", true, true, true),
        ("RequestClientCert", true, true, true),
        ("RequireAnyClientCert", false, true, true),
        ("RequireClientCert", false, true, true),
        ("VerifyClientCertIfGiven", true, true, false),
        ("RequireAndVerifyClientCert", false, true, false),
    ] {
        let ca = if mode.contains("Verify") {
            "\n  client_ca_file: ca.crt"
        } else {
            ""
        };
        let acceptor = folder.acceptor(&format!("  client_auth_type: {mode}{ca}"));
        for versions in [&[&TLS12][..], &[&TLS13]] {
            for (identity, accepted) in [
                (None, without),
                (Some(&good), with_good),
                (Some(&untrusted), with_untrusted),
            ] {
                let client = client(&trusted_ca, identity, versions);
                let connected = connect(&acceptor, &client).await;
                assert_eq!(
                    connected.is_ok(),
                    accepted,
                    "{mode} {versions:?}: {connected:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn client_certificates_by_name() {
    let ca = ca();
    let folder = Folder::new(&Identity::server(&ca));
    folder.write("ca.crt", &ca.pem());
    let acceptor = folder.acceptor(
        "  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: ca.crt
  client_allowed_sans: [prometheus, 192.0.2.1, '2001:db8::1', a@example.com, 'spiffe://x/y']",
    );
    let mail = |mail: &str| SanType::Rfc822Name(mail.try_into().unwrap());
    let uri = |uri: &str| SanType::URI(uri.try_into().unwrap());
    let ip = |ip: &str| SanType::IpAddress(ip.parse().unwrap());
    for (names, accepted) in [
        (vec![dns("prometheus")], true),
        (vec![dns("other"), ip("192.0.2.1")], true),
        (vec![ip("2001:db8::1")], true),
        (vec![mail("a@example.com")], true),
        (vec![uri("spiffe://x/y")], true),
        (
            vec![
                dns("prometheus.example.com"),
                ip("192.0.2.2"),
                uri("spiffe://x/z"),
            ],
            false,
        ),
        (Vec::new(), false),
    ] {
        let identity = Identity::of(&ca, names.clone());
        let connected = connect(&acceptor, &client(&ca, Some(&identity), &[&TLS13])).await;
        assert_eq!(connected.is_ok(), accepted, "{names:?}: {connected:?}");
    }
}

#[tokio::test]
async fn certificates_are_followed_and_bad_ones_are_not() {
    let ca = ca();
    let [first, second, third] = [(); 3].map(|()| Identity::server(&ca));
    let folder = Folder::new(&first);
    let acceptor = folder.acceptor("");
    let client = client(&ca, None, &[&TLS13]);
    assert_eq!(connect(&acceptor, &client).await.unwrap(), first.der());

    // The new key is still missing: the old pair stays in use.
    folder.write("server.crt", &second.cert);
    let looked_at = tokio::time::Instant::now() + Duration::from_millis(1_500);
    while tokio::time::Instant::now() < looked_at {
        assert_eq!(connect(&acceptor, &client).await.unwrap(), first.der());
    }
    folder.write("server.key", &second.key);
    until_seen(&acceptor, &client, &second, &[&first]).await;
    // A new pair is used after a file was missing, and under other names in the configuration.
    fs::remove_file(folder.0.path().join("server.key")).unwrap();
    folder.write("third.crt", &third.cert);
    folder.write("third.key", &third.key);
    folder.write(
        "web.yml",
        "tls_server_config: {cert_file: third.crt, key_file: third.key}",
    );
    until_seen(&acceptor, &client, &third, &[&second]).await;
}

#[tokio::test]
async fn a_certificate_without_a_configuration_file_is_followed() {
    let ca = ca();
    let [first, second] = [(); 2].map(|()| Identity::server(&ca));
    let folder = Folder::new(&first);
    let path = |name: &str| folder.0.path().join(name);
    let options = WebOptions::new().with_certificate(path("server.crt"), path("server.key"));
    let web = Web::with_options(options).unwrap();
    assert!(!web.has_users() && web.certificate_expiry().is_some());
    let acceptor = web.tls_acceptor().unwrap();
    let client = client(&ca, None, &[&TLS12, &TLS13]);
    assert_eq!(connect(&acceptor, &client).await.unwrap(), first.der());
    folder.write("server.crt", &second.cert);
    folder.write("server.key", &second.key);
    until_seen(&acceptor, &client, &second, &[&first]).await;
}

#[test]
fn a_certificate_that_cannot_be_used_is_named() {
    let ca = ca();
    let (server, other) = (Identity::server(&ca), Identity::server(&ca));
    let folder = Folder::new(&server);
    let path = |name: &str| folder.0.path().join(name);
    let error_of = |cert: &str, key: &str| {
        let options = WebOptions::new().with_certificate(path(cert), path(key));
        Web::with_options(options).unwrap_err().to_string()
    };
    let shown = |name: &str| path(name).display().to_string();
    let missing = error_of("none.crt", "server.key");
    assert!(
        missing.starts_with(&format!("{}: ", shown("none.crt"))),
        "{missing}"
    );
    let swapped = error_of("server.key", "server.crt");
    let expected = format!("{}: no certificate in PEM", shown("server.key"));
    assert!(swapped.starts_with(&expected), "{swapped}");
    folder.write("other.key", &other.key);
    assert_eq!(
        error_of("server.crt", "other.key"),
        format!(
            "{}: the private key is not that of the certificate in {}",
            shown("other.key"),
            shown("server.crt")
        )
    );
}

/// Waits until clients see `new`; until then they see one of the `old` ones.
async fn until_seen(
    acceptor: &TlsAcceptor,
    client: &TlsConnector,
    new: &Identity,
    old: &[&Identity],
) {
    let seen = async {
        loop {
            let seen = connect(acceptor, client).await.unwrap();
            if seen == new.der() {
                return;
            }
            assert!(old.iter().any(|old| seen == old.der()));
        }
    };
    timeout(TIMEOUT, seen).await.unwrap();
}

#[tokio::test]
async fn files_that_cannot_be_used_are_named_without_their_content() {
    let ca = ca();
    let (server, other) = (Identity::server(&ca), Identity::server(&ca));
    for (name, content, expected) in [
        (
            "server.crt",
            Some("hunter2"),
            "server.crt: no certificate in PEM",
        ),
        ("server.crt", None, "tls_server_config.cert_file: "),
        (
            "server.crt",
            Some("-----BEGIN CERTIFICATE-----\nhunter2"),
            "server.crt: not the notation of PEM",
        ),
        (
            "server.crt",
            Some("-----BEGIN CERTIFICATE-----\naHVudGVyMg==\n-----END CERTIFICATE-----\n"),
            "line 3: tls_server_config.key_file",
        ),
        (
            "server.key",
            Some("hunter2"),
            "server.key: no private key in PEM",
        ),
        ("server.key", None, "line 3: tls_server_config.key_file: "),
        (
            "server.key",
            Some("-----BEGIN PRIVATE KEY-----\naHVudGVyMg==\n-----END PRIVATE KEY-----\n"),
            "Ed25519 are accepted",
        ),
        (
            "server.key",
            Some(&*other.key),
            "the private key is not that of the certificate in tls_server_config.cert_file",
        ),
        ("ca.crt", Some("hunter2"), "ca.crt: no certificate in PEM"),
        (
            "ca.crt",
            Some("-----BEGIN CERTIFICATE-----\naHVudGVyMg==\n-----END CERTIFICATE-----\n"),
            "tls_server_config.client_ca_file: ",
        ),
        ("ca.crt", None, "tls_server_config.client_ca_file: "),
    ] {
        let folder = Folder::new(&server);
        folder.write("ca.crt", &ca.pem());
        let rest = "  client_ca_file: ca.crt\n  client_auth_type: RequireAndVerifyClientCert";
        folder.load(rest).unwrap();
        match content {
            Some(content) => folder.write(name, content),
            None => fs::remove_file(folder.0.path().join(name)).unwrap(),
        }
        let error = folder.load(rest).unwrap_err().to_string();
        assert!(error.contains(expected), "{expected}: {error}");
        assert!(error.contains("web.yml: line "), "{error}");
        assert!(
            !error.contains("hunter2") && !error.contains("aHVu"),
            "{error}"
        );
    }
    let folder = Folder::new(&server);
    let nothing = load(&folder.0.path().join("none.yml"))
        .unwrap_err()
        .to_string();
    assert!(nothing.contains("none.yml: "), "{nothing}");
    let itself = load(folder.0.path()).unwrap_err().to_string();
    assert!(itself.contains("it is a directory, not a file"), "{itself}");
}

#[tokio::test]
async fn http_without_tls_gets_400() {
    let ca = ca();
    let folder = Folder::new(&Identity::server(&ca));
    let acceptor = folder.acceptor("");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    client.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    acceptor.accept(stream).await.unwrap_err();
    let mut answer = [0; 24];
    timeout(TIMEOUT, client.read_exact(&mut answer))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(&answer, b"HTTP/1.1 400 Bad Request");
}

#[tokio::test(start_paused = true)]
async fn a_handshake_has_ten_seconds() {
    let ca = ca();
    let folder = Folder::new(&Identity::server(&ca));
    let acceptor = folder.acceptor("");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let _silent = TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    let before = tokio::time::Instant::now();
    let error = acceptor.accept(stream).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert_eq!(before.elapsed().as_secs(), 10);
}

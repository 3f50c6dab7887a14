//! TLS of the client: whom it believes, what it shows of itself, and what failures mean.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, Result, anyhow, bail};
use tokio_rustls::rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore,
    SignatureScheme,
    client::{
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor, verify_server_name,
    },
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
    server::ParsedCertificate,
};

/// Longest file of certificates read.
const FILE_BYTES_MAX: u64 = 16 << 20;
/// Where systems keep the authorities that they believe; the first that is there is read.
const SYSTEM_AUTHORITIES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];
/// What to do when the other side does not speak TLS.
pub const CLEAR_CURE: &str =
    "if this listener has no TLS: -X security.protocol=PLAINTEXT, or SASL_PLAINTEXT where it wants a login";

/// Which files there are.
pub struct TlsFiles {
    /// Authorities; without it, the system's.
    pub authorities: Option<PathBuf>,
    /// The client's certificate with its chain, and its key; both may be in one file.
    pub own: Option<(PathBuf, PathBuf)>,
    /// Whether the certificate must name the host.
    pub checks_name: bool,
}

/// A client's side of TLS.
#[derive(Clone)]
pub struct Tls {
    pub config: Arc<ClientConfig>,
    /// Where the authorities are from.
    authorities: String,
    /// Whether the client has a certificate to show.
    shows_certificate: bool,
}

impl Tls {
    /// Reads the files.
    pub fn load(files: TlsFiles) -> Result<Tls> {
        let provider = Arc::new(ring::default_provider());
        let path = match files.authorities {
            Some(path) => path,
            None => system_authorities()?,
        };
        let trusted = certificates(&path)?;
        let mut roots = RootCertStore::empty();
        let (added, _) = roots.add_parsable_certificates(trusted.iter().cloned());
        if added == 0 {
            bail!("no certificate in {} can be an authority's", shown(&path));
        }
        let checks_name = files.checks_name;
        let verifier = Verifier { roots, trusted, checks_name, provider: provider.clone() };
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let shows_certificate = files.own.is_some();
        let config = match files.own {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => builder
                .with_client_auth_cert(certificates(&chain)?, private_key(&key)?)
                .with_context(|| format!("the client's certificate {} cannot be used", shown(&chain)))?,
        };
        Ok(Tls { config: Arc::new(config), authorities: shown(&path), shows_certificate })
    }

    /// Says why a handshake failed, and what may help.
    pub fn words(&self, error: &Error) -> String {
        use AlertDescription as Alert;
        use CertificateError as Bad;
        match error {
            // Java's brokers tell a certificate that was not shown as a bad one.
            Error::AlertReceived(
                Alert::CertificateRequired | Alert::BadCertificate | Alert::HandshakeFailure,
            ) if !self.shows_certificate => {
                "the server refuses the handshake; if it wants a certificate of the client: \
                 -X ssl.certificate.location=FILE -X ssl.key.location=FILE"
                    .to_owned()
            }
            Error::InvalidCertificate(Bad::UnknownIssuer | Bad::BadSignature) => format!(
                "the server's certificate comes from no authority in {}; -X ssl.ca.location=FILE names the file \
                 with the certificate (PEM) of the right one",
                self.authorities
            ),
            _ => words(error),
        }
    }
}

fn system_authorities() -> Result<PathBuf> {
    let named = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from);
    let usual = SYSTEM_AUTHORITIES.map(PathBuf::from).into_iter().find(|path| path.exists());
    named.or(usual).context(
        "this system has no list of authorities to check the server's certificate with: \
         -X ssl.ca.location=FILE names a file with the authority's certificate (PEM)",
    )
}

fn shown(path: &Path) -> String {
    format!("\"{}\"", path.display())
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let failed = || format!("cannot read {}", shown(path));
    let mut bytes = Vec::new();
    let file = File::open(path).with_context(failed)?;
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).with_context(failed)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        bail!("{} has more than {FILE_BYTES_MAX} bytes", shown(path));
    }
    Ok(bytes)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let bytes = read(path)?;
    let all: Vec<_> = CertificateDer::pem_slice_iter(&bytes)
        .collect::<Result<_, _>>()
        .map_err(|error| anyhow!("{} is damaged: {error}", shown(path)))?;
    if all.is_empty() {
        let keytool = match bytes.first_chunk::<4>() {
            // A JKS or PKCS#12 store, or a certificate in DER.
            Some([0xfe, 0xed, 0xfe, 0xed]) | Some([0x30, ..]) => {
                "; Java's keytool -exportcert -rfc, or openssl pkcs12 -nodes, writes it as PEM"
            }
            _ => "",
        };
        bail!("there is no PEM certificate in {}{keytool}", shown(path));
    }
    Ok(all)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>> {
    let bytes = read(path)?;
    let holds = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    if holds("BEGIN ENCRYPTED PRIVATE KEY") || holds("Proc-Type: 4,ENCRYPTED") {
        bail!(
            "the private key in {} is encrypted; openssl pkey -in FILE -out FILE2 writes one that is not",
            shown(path)
        );
    }
    PrivateKeyDer::from_pem_slice(&bytes)
        .map_err(|error| anyhow!("there is no PEM private key in {}: {error}", shown(path)))
}

/// Checks a server's certificate as librdkafka and Java do: its chain up to an authority, and its name unless that is
/// switched off. A self-signed certificate that stands among the authorities itself is one that was meant, though webpki
/// would refuse an authority's certificate as a server's.
#[derive(Debug)]
struct Verifier {
    roots: RootCertStore,
    trusted: Vec<CertificateDer<'static>>,
    checks_name: bool,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let certificate = ParsedCertificate::try_from(end_entity)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        let chain = verify_server_cert_signed_by_trust_anchor(
            &certificate,
            &self.roots,
            intermediates,
            now,
            algorithms,
        );
        match chain {
            // Whether it is in force was looked at before this.
            Err(error) if is_authority(&error) && self.trusted.contains(end_entity) => {}
            chain => chain?,
        }
        if self.checks_name {
            verify_server_name(&certificate, server_name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Returns whether all that is wrong is that an authority's certificate is a server's. webpki's own error is out of
/// reach but by its name.
fn is_authority(error: &Error) -> bool {
    match error {
        Error::InvalidCertificate(CertificateError::Other(other)) => {
            format!("{other:?}").contains("CaUsedAsEndEntity")
        }
        _ => false,
    }
}

/// Returns what of TLS is behind an error of input or output.
pub fn reason(error: &std::io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}

/// Writes the names in a certificate, of which rustls says also what they are: `DnsName("localhost")`.
fn names(presented: &[String]) -> String {
    let bare = |name: &String| {
        let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
        inner.unwrap_or(name).trim_matches('"').to_owned()
    };
    presented.iter().map(bare).collect::<Vec<_>>().join(", ")
}

/// Says what an error means, and what may help.
fn words(error: &Error) -> String {
    use AlertDescription as Alert;
    use CertificateError as Bad;
    const NAME_CURE: &str = "; connect to the name it has, or leave it unchecked: \
                             -X ssl.endpoint.identification.algorithm=none";
    match error {
        Error::InvalidCertificate(Bad::NotValidForNameContext { expected, presented }) => format!(
            "the server's certificate is not for {:?}, it is for {}{NAME_CURE}",
            expected.to_str(),
            if presented.is_empty() { "no host at all".to_owned() } else { names(presented) }
        ),
        Error::InvalidCertificate(Bad::NotValidForName) => {
            format!("the server's certificate is not for this host{NAME_CURE}")
        }
        Error::InvalidCertificate(Bad::Expired | Bad::ExpiredContext { .. }) => {
            "the server's certificate has expired; the server needs a new one".to_owned()
        }
        Error::InvalidCertificate(Bad::NotValidYet | Bad::NotValidYetContext { .. }) => {
            "the server's certificate is not in force yet; is this machine's clock right?".to_owned()
        }
        Error::InvalidCertificate(error) if is_authority(&Error::InvalidCertificate(error.clone())) => {
            "the server shows the certificate of an authority; -X ssl.ca.location=FILE with this very certificate \
             lets it through"
                .to_owned()
        }
        Error::InvalidMessage(_) => format!("the answer is not TLS; {CLEAR_CURE}"),
        Error::AlertReceived(
            alert @ (Alert::UnknownCA
            | Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateExpired
            | Alert::CertificateRevoked
            | Alert::CertificateUnknown
            | Alert::DecryptError),
        ) => format!(
            "the server does not take the client's certificate ({alert:?}): it must come from an authority in the \
             server's ssl.truststore.location"
        ),
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn file(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
    }

    /// Shows the self-signed certificate to a client that trusts those of a file.
    fn shown_to(trusted: &str, host: &str, now: UnixTime) -> Result<(), String> {
        let trusted = certificates(&file(trusted)).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(trusted.iter().cloned());
        let provider = Arc::new(ring::default_provider());
        let verifier = Verifier { roots, trusted, checks_name: !host.is_empty(), provider };
        let shown = certificates(&file(SELF_SIGNED)).unwrap().remove(0);
        let host = if host.is_empty() { "any.example" } else { host };
        let name = ServerName::try_from(host).unwrap();
        verifier.verify_server_cert(&shown, &[], &name, &[], now).map(drop).map_err(|error| words(&error))
    }

    const SELF_SIGNED: &str = "tests/certificates/self_signed.pem";
    const OTHER: &str = "../kafka/src/tests/certificates/ca.pem";

    #[test]
    fn self_signed_certificate_is_taken_where_it_is_trusted() {
        let now = UnixTime::now();
        shown_to(SELF_SIGNED, "localhost", now).unwrap();
        shown_to(SELF_SIGNED, "", now).unwrap();
        assert!(shown_to(OTHER, "localhost", now).unwrap_err().contains("ssl.ca.location"));
        assert!(shown_to(OTHER, "", now).is_err());
    }

    #[test]
    fn trusted_certificate_must_be_in_force_and_of_the_host() {
        let told = shown_to(SELF_SIGNED, "other.example", UnixTime::now()).unwrap_err();
        assert!(told.contains("not for \"other.example\"") && told.contains("localhost"), "{told}");
        let late = UnixTime::since_unix_epoch(Duration::from_secs(8_000_000_000));
        assert!(shown_to(SELF_SIGNED, "localhost", late).unwrap_err().contains("expired"));
        let early = UnixTime::since_unix_epoch(Duration::from_secs(1));
        assert!(shown_to(SELF_SIGNED, "localhost", early).unwrap_err().contains("clock"));
    }

    #[test]
    fn files_that_hold_something_else_are_told() {
        let dir = tempfile::tempdir().unwrap();
        let check = |bytes: &[u8], wanted: &str| {
            let path = dir.path().join("x");
            std::fs::write(&path, bytes).unwrap();
            let told = format!("{:#}", certificates(&path).unwrap_err());
            assert!(told.contains(wanted), "{told}");
        };
        check(b"", "no PEM certificate");
        check(b"\xfe\xed\xfe\xed\0\0\0\x02", "keytool");
        check(b"-----BEGIN CERTIFICATE-----\n*\n-----END CERTIFICATE-----\n", "damaged");
        let path = dir.path().join("key");
        std::fs::write(&path, "-----BEGIN ENCRYPTED PRIVATE KEY-----\n").unwrap();
        assert!(private_key(&path).unwrap_err().to_string().contains("openssl pkey"));
        assert!(private_key(&file(OTHER)).unwrap_err().to_string().contains("no PEM private key"));
        assert!(certificates(dir.path()).is_err());
    }
}

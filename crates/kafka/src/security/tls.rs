//! TLS of the listeners: certificate and key from one PEM file, taken anew when the file changes.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig, crypto};

/// How often the files are looked at.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// Whether clients must show certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClientAuth {
    None,
    Requested,
    Required,
}

/// Where certificates are.
#[derive(Debug, Clone)]
pub(crate) struct TlsFiles {
    /// The key and its chain, PEM.
    pub key_store: PathBuf,
    /// Whom to believe about clients, PEM.
    pub trust_store: Option<PathBuf>,
    pub client_auth: ClientAuth,
}

struct Loaded {
    acceptor: TlsAcceptor,
    modified: Vec<Option<SystemTime>>,
    checked: Instant,
}

/// The TLS side of listeners.
pub(crate) struct Tls {
    files: TlsFiles,
    loaded: Mutex<Loaded>,
}

impl Tls {
    pub(crate) fn load(files: TlsFiles) -> Result<Tls, String> {
        let acceptor = acceptor(&files)?;
        let loaded = Loaded { acceptor, modified: modified(&files), checked: Instant::now() };
        Ok(Tls { files, loaded: Mutex::new(loaded) })
    }

    /// Returns what new connections are accepted with, after a look at the files now and then.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        let mut loaded = self.loaded.lock().expect("no holder panics");
        if loaded.checked.elapsed() >= CHECK_EVERY {
            self.look(&mut loaded);
        }
        loaded.acceptor.clone()
    }

    /// Looks at the files at once.
    pub(crate) fn look_at_the_files(&self) {
        self.look(&mut self.loaded.lock().expect("no holder panics"));
    }

    fn look(&self, loaded: &mut Loaded) {
        loaded.checked = Instant::now();
        let now = modified(&self.files);
        if now == loaded.modified {
            return;
        }
        match acceptor(&self.files) {
            Ok(fresh) => {
                tracing::info!("certificates taken anew");
                loaded.acceptor = fresh;
                loaded.modified = now;
            }
            // Half written, perhaps: the next look takes it.
            Err(error) => tracing::warn!(error, "certificates not taken, the old ones stay"),
        }
    }
}

fn modified(files: &TlsFiles) -> Vec<Option<SystemTime>> {
    let time = |path: &Path| std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    std::iter::once(&files.key_store).chain(&files.trust_store).map(|path| time(path)).collect()
}

fn acceptor(files: &TlsFiles) -> Result<TlsAcceptor, String> {
    let provider = Arc::new(crypto::ring::default_provider());
    let chain = certificates(&files.key_store)?;
    let key = PrivateKeyDer::from_pem_file(&files.key_store)
        .map_err(|error| format!("\"{}\" has no private key: {error}", files.key_store.display()))?;
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let builder = match files.client_auth {
        ClientAuth::None => builder.with_no_client_auth(),
        asked => {
            let Some(trusted) = &files.trust_store else {
                return Err("ssl.client.auth needs ssl.truststore.location".to_owned());
            };
            let mut roots = RootCertStore::empty();
            for certificate in certificates(trusted)? {
                roots.add(certificate).map_err(|error| format!("\"{}\": {error}", trusted.display()))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            let verifier =
                if asked == ClientAuth::Requested { verifier.allow_unauthenticated() } else { verifier };
            builder.with_client_cert_verifier(verifier.build().map_err(|error| error.to_string())?)
        }
    };
    let config = builder
        .with_single_cert(chain, key)
        .map_err(|error| format!("\"{}\": {error}", files.key_store.display()))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let failed =
        |error: &dyn std::fmt::Display| format!("reading certificates of \"{}\": {error}", path.display());
    let all = CertificateDer::pem_file_iter(path)
        .and_then(|certificates| certificates.collect::<Result<Vec<_>, _>>())
        .map_err(|error| failed(&error))?;
    if all.is_empty() { Err(failed(&"there is none")) } else { Ok(all) }
}

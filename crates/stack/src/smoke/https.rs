//! One request over TLS.
//!
//! Not through reqwest: a TLS feature of it would be on for every client of the workspace, and those without a chosen provider would
//! panic when made.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{
    Request, StatusCode, Uri,
    body::Bytes,
    client::conn::http1,
    header::{HOST, HeaderName},
};
use hyper_util::rt::TokioIo;
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::TlsConnector;

const ANSWER_DEADLINE: Duration = Duration::from_secs(5);
const BODY_BYTES_MAX: usize = 4 << 20;

/// What was answered; a switch of protocols has no body.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
}

/// Asks one server, each time through a new connection: what is tried is also the way to it.
pub(super) struct Client {
    domain: String,
    address: Option<SocketAddr>,
    connector: TlsConnector,
}

impl Client {
    /// A client of the server named `domain`, at `address` when its name does not say so yet.
    ///
    /// # Errors
    /// When this machine trusts no certificate at all.
    pub(super) fn of(
        domain: &str,
        address: Option<SocketAddr>,
        any_certificate: bool,
    ) -> anyhow::Result<Client> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .context("cannot make a TLS client")?;
        let config = if any_certificate {
            let verifier = Arc::new(AnyCertificate(provider));
            builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth()
        } else {
            builder.with_root_certificates(trusted()?).with_no_client_auth()
        };
        Ok(Client { domain: domain.into(), address, connector: TlsConnector::from(Arc::new(config)) })
    }

    /// Asks for `path`.
    ///
    /// # Errors
    /// When there is no whole answer within five seconds; says what was in the way.
    pub(super) async fn get(&self, path: &str, headers: &[(HeaderName, &str)]) -> anyhow::Result<Answer> {
        timeout(ANSWER_DEADLINE, self.asked(path, headers))
            .await
            .with_context(|| format!("no answer within {} s", ANSWER_DEADLINE.as_secs()))?
    }

    async fn asked(&self, path: &str, headers: &[(HeaderName, &str)]) -> anyhow::Result<Answer> {
        let stream = match self.address {
            Some(address) => TcpStream::connect(address).await,
            None => TcpStream::connect((self.domain.as_str(), 443)).await,
        };
        let name = ServerName::try_from(self.domain.clone())?;
        let stream = self.connector.connect(name, stream.context("cannot connect")?).await;
        let stream = TokioIo::new(stream.context("no TLS")?);
        let (mut sender, connection) = http1::handshake(stream).await?;
        // Ends with the sender or the server; an error of it is the request's too.
        tokio::spawn(connection.with_upgrades());

        let mut request = Request::get(path.parse::<Uri>()?).header(HOST, &self.domain);
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        let answer = sender.send_request(request.body(Empty::<Bytes>::new())?).await?;
        let status = answer.status();
        if status == StatusCode::SWITCHING_PROTOCOLS {
            return Ok(Answer { status, body: Bytes::new() });
        }
        let body = Limited::new(answer.into_body(), BODY_BYTES_MAX).collect().await;
        let body = body.map_err(|error| anyhow::anyhow!("the answer breaks off: {error}"))?.to_bytes();
        Ok(Answer { status, body })
    }
}

fn trusted() -> anyhow::Result<RootCertStore> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    anyhow::ensure!(!roots.is_empty(), "this machine trusts no certificate: {:?}", found.errors);
    Ok(roots)
}

/// Takes whoever answers for the one asked, when that was asked for; its signatures are looked at.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

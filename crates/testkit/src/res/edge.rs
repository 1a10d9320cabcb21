//! Through the door: TLS to an address, in the name of a host that the system need not know.

use std::{fmt::Debug, net::SocketAddr, path::PathBuf, sync::Arc};

use anyhow::Context;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        self, ClientConfig, RootCertStore,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
    },
};

/// A door with TLS.
#[derive(Debug, Clone)]
pub struct Edge {
    /// Where it listens.
    pub address: SocketAddr,
    /// A file with the certificate (PEM) of who vouches for it.
    pub authority: PathBuf,
}

impl Edge {
    /// A connection with TLS to the edge, for `name`.
    pub async fn connect(&self, name: &str) -> anyhow::Result<TlsStream<TcpStream>> {
        let authority = CertificateDer::from_pem_file(&self.authority)
            .with_context(|| format!("read the certificate {}", self.authority.display()))?;
        let mut trusted = RootCertStore::empty();
        trusted.add(authority)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let configuration = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(trusted)
            .with_no_client_auth();
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::try_from(name.to_string())?;
        Ok(TlsConnector::from(Arc::new(configuration)).connect(name, stream).await?)
    }
}

/// What a WebSocket goes over.
pub(super) trait Wire: AsyncRead + AsyncWrite + Unpin + Send + Debug {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + Debug> Wire for T {}

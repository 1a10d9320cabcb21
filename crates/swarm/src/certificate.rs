//! Who vouches for the edge: an authority of the swarm's own, and the certificate that Traefik shows.

use std::path::{Path, PathBuf};

use crate::command::{QUICK, program, run};

/// The domain of the box office in the swarm.
pub(crate) const DOMAIN: &str = "box.test";
/// For `openssl req`: a key made for the certificate, which is good for a month.
const NEW_KEY: [&str; 7] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"];

/// The files of the authority and of the edge's certificate.
#[derive(Debug, Clone)]
pub(crate) struct Certificate {
    pub(crate) authority: PathBuf,
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Certificate {
    /// Makes them in `folder`, unless they are there.
    pub(crate) async fn make(folder: &Path) -> anyhow::Result<Certificate> {
        let at = folder.join("tls");
        let file = |name: &str| at.join(name);
        let made = Certificate {
            authority: file("authority.pem"),
            certificate: file("certificate.pem"),
            key: file("key.pem"),
        };
        if made.certificate.exists() {
            return Ok(made);
        }
        std::fs::create_dir_all(&at)?;
        let mut authority = program("openssl", ["req", "-x509"]);
        authority.args(NEW_KEY).args(["-subj", "/CN=Livehouse swarm authority"]);
        authority.args(["-addext", "basicConstraints=critical,CA:TRUE"]);
        authority.arg("-keyout").arg(made.authority_key()).arg("-out").arg(&made.authority);
        run(&mut authority, QUICK).await?;
        made.renew().await?;
        Ok(made)
    }

    /// Another key and certificate of the same authority, in the same files.
    pub(crate) async fn renew(&self) -> anyhow::Result<()> {
        let names = format!("subjectAltName=DNS:{DOMAIN},DNS:*.{DOMAIN}");
        let mut own = program("openssl", ["req", "-x509"]);
        own.args(NEW_KEY).args(["-subj", &format!("/CN={DOMAIN}"), "-addext", &names]);
        own.args(["-addext", "basicConstraints=critical,CA:FALSE", "-addext", "extendedKeyUsage=serverAuth"]);
        own.arg("-CA").arg(&self.authority).arg("-CAkey").arg(self.authority_key());
        own.arg("-keyout").arg(&self.key).arg("-out").arg(&self.certificate);
        run(&mut own, QUICK).await.map(drop)
    }

    fn authority_key(&self) -> PathBuf {
        self.authority.with_file_name("authority-key.pem")
    }

    /// What a browser is told to trust: the hash of the edge's key, in base64.
    pub(crate) async fn fingerprint(&self) -> anyhow::Result<String> {
        fingerprint_of("cat \"$1\"", &self.certificate.to_string_lossy()).await
    }
}

/// The same of what a door of the edge shows now.
pub(crate) async fn fingerprint_shown_at(address: &str) -> anyhow::Result<String> {
    let shown = format!("openssl s_client -connect \"$1:443\" -servername {DOMAIN} </dev/null 2>/dev/null");
    fingerprint_of(&shown, address).await
}

/// Of the certificate that a command writes, given an argument.
async fn fingerprint_of(command: &str, argument: &str) -> anyhow::Result<String> {
    let script = format!(
        "set -o pipefail; {command} | openssl x509 -pubkey -noout | openssl pkey -pubin -outform der \
         | openssl dgst -sha256 -binary | openssl base64"
    );
    let mut ask = program("bash", ["-c", &script, "fingerprint", argument]);
    run(&mut ask, QUICK).await.map(|said| said.trim().to_string())
}

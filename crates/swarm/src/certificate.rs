//! Who vouches for the edge: an authority of the swarm's own, and the certificate that Traefik shows.

use std::path::{Path, PathBuf};

use crate::command::{QUICK, program, run};

/// The domain of the box office in the swarm.
pub(crate) const DOMAIN: &str = "box.test";
const DAYS: &str = "30";

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
        let names = format!("subjectAltName=DNS:{DOMAIN},DNS:*.{DOMAIN}");
        let path = |file: &Path| file.to_string_lossy().into_owned();
        let curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", DAYS];
        let mut authority = program("openssl", ["req", "-x509"]);
        authority.args(curve).args(["-subj", "/CN=Livehouse swarm authority"]);
        authority.args(["-addext", "basicConstraints=critical,CA:TRUE"]);
        authority.args(["-keyout", &path(&file("authority-key.pem")), "-out", &path(&made.authority)]);
        run(&mut authority, QUICK).await?;
        let mut own = program("openssl", ["req", "-x509"]);
        own.args(curve).args(["-subj", &format!("/CN={DOMAIN}"), "-addext", &names]);
        own.args(["-addext", "basicConstraints=critical,CA:FALSE", "-addext", "extendedKeyUsage=serverAuth"]);
        own.args(["-CA", &path(&made.authority), "-CAkey", &path(&file("authority-key.pem"))]);
        own.args(["-keyout", &path(&made.key), "-out", &path(&made.certificate)]);
        run(&mut own, QUICK).await?;
        Ok(made)
    }
}

impl Certificate {
    /// What a browser is told to trust: the hash of the edge's key, in base64.
    pub(crate) async fn fingerprint(&self) -> anyhow::Result<String> {
        let script = "set -o pipefail; openssl x509 -in \"$1\" -pubkey -noout | openssl pkey -pubin -outform der \
                      | openssl dgst -sha256 -binary | openssl base64";
        let mut ask = program("bash", ["-c", script, "fingerprint"]);
        run(ask.arg(&self.certificate), QUICK).await.map(|said| said.trim().to_string())
    }
}

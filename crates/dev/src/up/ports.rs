//! Which ports a sale gets.

use anyhow::bail;
use livehouse_parts::is_free;

use crate::terminal::Terminal;

/// How many ports after the usual one are tried.
const NEXT_PORTS_MAX: u16 = 100;

/// The ports of a sale.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ports {
    pub(crate) site: u16,
    pub(crate) resgate: u16,
    pub(crate) nats: u16,
    pub(crate) postgres: u16,
    pub(crate) keydb: u16,
}

/// The ports people know. Postgres and KeyDB stay clear of those of a database that is installed here.
pub(crate) const USUAL: Ports = Ports { site: 8000, resgate: 8080, nats: 4222, postgres: 5433, keydb: 6380 };

impl Ports {
    /// The usual ports; the next free one for each that somebody else has, and that is said.
    pub(crate) fn choose(site: Option<u16>, terminal: &Terminal) -> anyhow::Result<Ports> {
        let mut taken = Vec::new();
        if let Some(port) = site {
            if !is_free(port) {
                bail!(
                    "port {port} is taken by another program: give another --port, or none to let one be found"
                );
            }
            taken.push(port);
        }
        let mut choose = |what: &str, usual: u16| -> anyhow::Result<u16> {
            let free = |port: &u16| !taken.contains(port) && is_free(*port);
            let Some(port) = (usual..usual.saturating_add(NEXT_PORTS_MAX)).find(free) else {
                bail!("no free port for {what} from {usual} on: stop what listens there");
            };
            if port != usual {
                terminal.warn(&format!("port {usual} is taken by another program: {what} is on {port}"));
            }
            taken.push(port);
            Ok(port)
        };
        Ok(Ports {
            site: site.map_or_else(|| choose("the site", USUAL.site), Ok)?,
            resgate: choose("Resgate", USUAL.resgate)?,
            nats: choose("NATS", USUAL.nats)?,
            postgres: choose("Postgres", USUAL.postgres)?,
            keydb: choose("KeyDB", USUAL.keydb)?,
        })
    }
}

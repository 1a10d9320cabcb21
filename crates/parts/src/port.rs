//! Ports for private processes, chosen so that two tests never get the same one.

use std::{
    fs::{File, TryLockError},
    net::{Ipv4Addr, TcpListener},
    path::PathBuf,
};

use rand::Rng;

use crate::Error;

/// Below the range that systems hand out for outgoing connections (from 32768 on Linux), so that a stopped server
/// finds its own port free when it starts again.
const RANGE: std::ops::Range<u16> = 20_000..32_000;
const TRIES_MAX: usize = 200;

/// A port that is ours until this value is dropped, among all processes that ask this way: a lock on a small
/// file says so, and the system lets go of it however the process ends.
#[derive(Debug)]
pub struct PortLease {
    port: u16,
    _lock: File,
}

impl PortLease {
    /// A free port on 127.0.0.1.
    pub fn any() -> Result<PortLease, Error> {
        let mut random = rand::rng();
        for _ in 0..TRIES_MAX {
            if let Some(lease) = PortLease::of(random.random_range(RANGE))? {
                return Ok(lease);
            }
        }
        Err(Error::PortTaken { program: "a private process".into(), port: RANGE.start })
    }

    /// This very port; `None` when another process has leased it or listens on it.
    pub fn of(port: u16) -> Result<Option<PortLease>, Error> {
        let folder = folder();
        std::fs::create_dir_all(&folder)
            .map_err(Error::system(format!("make the folder {}", folder.display())))?;
        let path = folder.join(port.to_string());
        let Ok(lock) = File::options().create(true).truncate(false).write(true).open(&path) else {
            // Another user's lock file: the port counts as that user's.
            return Ok(None);
        };
        match lock.try_lock() {
            Ok(()) if is_free(port) => Ok(Some(PortLease { port, _lock: lock })),
            Ok(()) | Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(Error::system(format!("lock {}", path.display()))(error)),
        }
    }

    /// The number.
    pub fn port(&self) -> u16 {
        self.port
    }
}

/// Whether nobody listens on this port of 127.0.0.1 (or of all addresses) now.
pub fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
        && TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok()
}

fn folder() -> PathBuf {
    std::env::temp_dir().join(format!("livehouse-ports-{}", nix::unistd::getuid()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_leased_port_is_not_leased_again_until_it_is_given_back() {
        let lease = PortLease::any().unwrap();
        let port = lease.port();
        assert!(PortLease::of(port).unwrap().is_none());
        drop(lease);
        assert!(PortLease::of(port).unwrap().is_some());
    }

    #[test]
    fn a_port_somebody_listens_on_is_not_leased() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(PortLease::of(port).unwrap().is_none());
    }
}

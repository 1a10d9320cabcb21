//! Which buyer is behind which connection, for `identity.me.{cid}`.
//!
//! A `get` carries no token, so what was learned when the connection was authenticated is kept: in this process, and
//! in KeyDB for other replicas and after a restart. It may be lost; a page that reconnects is known again.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use livehouse_contract::id::BuyerId;
use livehouse_platform::keydb::{KeyDb, Unanswered};
use lru::LruCache;

/// Connections remembered in this process.
const CONNECTIONS_MAX: NonZeroUsize = NonZeroUsize::new(100_000).expect("not zero");
/// How long KeyDB remembers one. A page that stays open longer is asked who it is when it reconnects.
const REMEMBERED_SECONDS: u64 = 24 * 60 * 60;

/// What is known of connections. Cheap to clone.
#[derive(Clone)]
pub struct Connections {
    near: Arc<Mutex<LruCache<String, BuyerId>>>,
    keydb: KeyDb,
}

impl Connections {
    /// Nothing known yet.
    #[must_use]
    pub fn new(keydb: KeyDb) -> Self {
        Self { near: Arc::new(Mutex::new(LruCache::new(CONNECTIONS_MAX))), keydb }
    }

    /// Remembers who is behind a connection.
    pub async fn remember(&self, connection: &str, buyer: BuyerId) {
        self.near.lock().unwrap_or_else(PoisonError::into_inner).put(connection.to_owned(), buyer);
        let mut command = redis::cmd("SET");
        command.arg(key(connection)).arg(buyer.to_string()).arg("EX").arg(REMEMBERED_SECONDS);
        // Without KeyDB only this process knows; that is enough for one replica.
        let _kept: Option<String> = self.keydb.ask(&command).await;
    }

    /// Who is behind a connection; nobody if it never had a session. An error if that cannot be known now: to take
    /// silence for nobody would delete in every browser what is shown of its own.
    pub async fn buyer(&self, connection: &str) -> Result<Option<BuyerId>, Unanswered> {
        let near = self.near.lock().unwrap_or_else(PoisonError::into_inner).get(connection).copied();
        if near.is_some() {
            return Ok(near);
        }
        match self.keydb.answer::<Option<String>>(redis::cmd("GET").arg(key(connection))).await {
            Ok(kept) => Ok(kept.and_then(|kept| kept.parse().ok())),
            // Without KeyDB this process is all there is to ask.
            Err(Unanswered::NotConfigured) => Ok(None),
            Err(Unanswered::Silent) => Err(Unanswered::Silent),
        }
    }
}

fn key(connection: &str) -> String {
    format!("identity:connection:{connection}")
}

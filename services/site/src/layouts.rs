//! Geometry from the bus: immutable, so it is fetched and compressed once and then only handed out.

use std::io::Write;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_nats::jetstream;
use axum::http::HeaderMap;
use axum::http::header::ACCEPT_ENCODING;
use bytes::Bytes;
use livehouse_contract::path::LAYOUT_BUCKET;
use lru::LruCache;
use tokio::io::AsyncReadExt;
use tokio::sync::Semaphore;

/// Layouts kept in memory: some hundred kilobytes each.
const LAYOUTS_MAX: NonZeroUsize = NonZeroUsize::new(64).expect("not zero");
/// The largest layout that is handed on.
const LAYOUT_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// How long the bus may take for one.
const FETCH_DEADLINE: Duration = Duration::from_secs(10);
/// Layouts that are fetched at the same time. The address comes from anybody; the bus has other work too.
const FETCHES_MAX: usize = 32;
/// Addresses of nothing that are remembered, and how long: a layout that is published later is found then.
const ABSENT_MAX: NonZeroUsize = NonZeroUsize::new(4_096).expect("not zero");
const ABSENT_AGE_MAX: Duration = Duration::from_secs(5);
/// Layouts that somebody waits for or waited for lately.
const AWAITED_MAX: NonZeroUsize = NonZeroUsize::new(1_024).expect("not zero");
/// Strong enough for a file that is sent thousands of times, quick enough for the first who waits.
const BROTLI_QUALITY: u32 = 6;

/// One layout in every encoding.
#[derive(Debug)]
pub struct Encoded {
    plain: Bytes,
    gzip: Bytes,
    brotli: Bytes,
}

impl Encoded {
    fn new(plain: Vec<u8>) -> std::io::Result<Self> {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        gzip.write_all(&plain)?;
        let mut brotli = Vec::new();
        let parameters =
            brotli::enc::BrotliEncoderParams { quality: BROTLI_QUALITY as i32, ..Default::default() };
        brotli::BrotliCompress(&mut plain.as_slice(), &mut brotli, &parameters)?;
        Ok(Self { gzip: gzip.finish()?.into(), brotli: brotli.into(), plain: plain.into() })
    }

    /// The smallest form that a request accepts, and the name of its encoding.
    #[must_use]
    pub fn for_request(&self, headers: &HeaderMap) -> (Option<&'static str>, Bytes) {
        let accepted = headers.get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let accepts = |encoding: &str| {
            accepted.split(',').map(str::trim).any(|item| {
                let (name, quality) = item.split_once(";q=").unwrap_or((item, "1"));
                name == encoding && quality.trim().parse::<f32>().is_ok_and(|quality| quality > 0.0)
            })
        };
        if accepts("br") {
            (Some("br"), self.brotli.clone())
        } else if accepts("gzip") {
            (Some("gzip"), self.gzip.clone())
        } else {
            (None, self.plain.clone())
        }
    }
}

/// All layouts that were asked for lately.
pub struct Layouts {
    jetstream: jetstream::Context,
    kept: Mutex<LruCache<String, Arc<Encoded>>>,
    /// Hashes that had no layout a moment ago.
    absent: Mutex<LruCache<String, Instant>>,
    /// One fetch a layout at a time: everybody who opens a new sale asks for the same one.
    awaited: Mutex<LruCache<String, Arc<tokio::sync::Mutex<()>>>>,
    fetches: Semaphore,
}

impl Layouts {
    /// Layouts in the bucket of this bus.
    #[must_use]
    pub fn new(jetstream: jetstream::Context) -> Self {
        Self {
            jetstream,
            kept: Mutex::new(LruCache::new(LAYOUTS_MAX)),
            absent: Mutex::new(LruCache::new(ABSENT_MAX)),
            awaited: Mutex::new(LruCache::new(AWAITED_MAX)),
            fetches: Semaphore::new(FETCHES_MAX),
        }
    }

    /// The layout of this hash; nothing if there is none.
    pub async fn get(&self, hash: &str) -> anyhow::Result<Option<Arc<Encoded>>> {
        if !is_hash(hash) {
            return Ok(None);
        }
        if let Some(kept) = self.kept(hash) {
            return Ok(Some(kept));
        }
        let awaited = {
            let mut awaited = self.awaited.lock().unwrap_or_else(PoisonError::into_inner);
            awaited.get_or_insert(hash.to_owned(), Arc::default).clone()
        };
        let _one_at_a_time = awaited.lock().await;
        if let Some(kept) = self.kept(hash) {
            return Ok(Some(kept));
        }
        if self.is_absent(hash) {
            return Ok(None);
        }
        let fetching = async {
            let _place = self.fetches.acquire().await?;
            self.fetch(hash).await
        };
        let fetched = tokio::time::timeout(FETCH_DEADLINE, fetching)
            .await
            .map_err(|_| anyhow::anyhow!("the bus did not send layout {hash} within {FETCH_DEADLINE:?}"))??;
        let Some(plain) = fetched else {
            let mut absent = self.absent.lock().unwrap_or_else(PoisonError::into_inner);
            absent.put(hash.to_owned(), Instant::now());
            return Ok(None);
        };
        let encoded = Arc::new(tokio::task::spawn_blocking(move || Encoded::new(plain)).await??);
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).put(hash.to_owned(), encoded.clone());
        Ok(Some(encoded))
    }

    fn is_absent(&self, hash: &str) -> bool {
        let absent = self.absent.lock().unwrap_or_else(PoisonError::into_inner);
        absent.peek(hash).is_some_and(|at| at.elapsed() < ABSENT_AGE_MAX)
    }

    fn kept(&self, hash: &str) -> Option<Arc<Encoded>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(hash).cloned()
    }

    async fn fetch(&self, hash: &str) -> anyhow::Result<Option<Vec<u8>>> {
        let bucket = self.jetstream.get_object_store(LAYOUT_BUCKET).await?;
        let object = match bucket.get(hash).await {
            Ok(object) => object,
            Err(error) if error.kind() == jetstream::object_store::GetErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let mut plain = Vec::new();
        object.take(LAYOUT_BYTES_MAX).read_to_end(&mut plain).await?;
        Ok(Some(plain))
    }
}

/// Only what looks like a hash is asked for: the address comes from anybody.
fn is_hash(hash: &str) -> bool {
    hash.len() == 32 && hash.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_accepted_encoding_is_chosen() {
        let encoded = Encoded::new(b"{}".repeat(500)).unwrap();
        let answer = |accepted: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, accepted.parse().unwrap());
            encoded.for_request(&headers).0
        };
        assert_eq!(answer("gzip, deflate, br"), Some("br"));
        assert_eq!(answer("gzip"), Some("gzip"));
        assert_eq!(answer("br;q=0, gzip;q=0.5"), Some("gzip"));
        assert_eq!(answer("identity"), None);
        assert_eq!(encoded.for_request(&HeaderMap::new()).1.len(), 1_000);
    }

    #[test]
    fn nothing_but_a_hash_is_asked_for() {
        assert!(is_hash("0123456789abcdef0123456789abcdef"));
        for other in
            ["", "../../secret", "0123456789ABCDEF0123456789ABCDEF", "0123456789abcdef0123456789abcde*"]
        {
            assert!(!is_hash(other), "{other}");
        }
    }
}

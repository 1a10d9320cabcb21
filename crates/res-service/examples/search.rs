//! A query resource: `http://localhost:8080/api/towns/all?start=b&limit=3`. Queries that mean the same are made one, so
//! that Resgate keeps one answer for all who ask it, however they wrote it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use res_service::{Access, Builder, Call, Collection, Error, Get, Grant, Reply, Resource};
use serde::Deserialize;

mod nats;

/// Towns of an answer, when the query says nothing else.
const LIMIT: usize = 10;
/// Towns of an answer at most.
const LIMIT_MAX: usize = 100;

#[derive(Deserialize)]
struct Found {
    name: String,
}

/// What a query asks for.
struct Query {
    start: String,
    limit: usize,
}

impl Query {
    fn parse(text: &str) -> Result<Self, Error> {
        let mut query = Self { start: String::new(), limit: LIMIT };
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("start", start)) => query.start = start.to_lowercase(),
                Some(("limit", limit)) => {
                    query.limit = limit.parse().map_err(|_| Error::INVALID_QUERY)?;
                }
                _ => {
                    return Err(
                        Error::INVALID_QUERY.with_message(format!("{pair:?} is neither start= nor limit="))
                    );
                }
            }
        }
        query.limit = query.limit.min(LIMIT_MAX);
        Ok(query)
    }

    /// The one way to write it.
    fn normalised(&self) -> String {
        format!("start={}&limit={}", self.start, self.limit)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let towns = ["Aachen", "Berlin", "Bern", "Bonn", "Bremen", "Graz", "Linz", "Wien", "Zürich"];
    let towns = Arc::new(Mutex::new(towns.map(str::to_owned).into_iter().collect::<BTreeSet<_>>()));
    let reading = Arc::clone(&towns);
    let all = Resource::collection("all", move |get: Get| {
        let towns = Arc::clone(&reading);
        async move {
            let query = Query::parse(get.query().unwrap_or_default())?;
            let towns = towns.lock().unwrap_or_else(PoisonError::into_inner);
            let found: Vec<&String> = towns
                .iter()
                .filter(|town| town.to_lowercase().starts_with(&query.start))
                .take(query.limit)
                .collect();
            Ok(Collection::from_serialize(&found)?.query(query.normalised()))
        }
    })
    .access(|_: Access| async { Ok(Grant::get().call(["found"])) })
    // A town is founded: the library asks the gateways which queries they keep, and each gets its new answer.
    .call("found", move |call: Call| {
        let towns = Arc::clone(&towns);
        async move {
            let found: Found = call.params()?;
            towns.lock().unwrap_or_else(PoisonError::into_inner).insert(found.name);
            call.service().refresh(call.name()).await?;
            Ok(Reply::null())
        }
    });
    let service = Builder::new("towns").resource(all).start(async_nats::connect(nats::url()).await?).await?;
    tokio::signal::ctrl_c().await?;
    service.stop(Duration::from_secs(10)).await?;
    Ok(())
}

//! Query resources: words by their beginning, as a collection and as a model.

use std::time::Duration;

use res_service::{Collection, Error, Get, Grant, Model, Resource};
use serde_json::{Value, json};

use crate::stored::announcing;
use crate::truth::Truth;

/// What a query asks for, and the one way to write it.
struct Query {
    prefix: String,
    limit: usize,
}

impl Query {
    fn parse(text: &str) -> Result<Self, Error> {
        let mut query = Self { prefix: String::new(), limit: 10 };
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("prefix", prefix)) => query.prefix = prefix.to_lowercase(),
                Some(("limit", limit)) => query.limit = limit.parse().map_err(|_| Error::INVALID_QUERY)?,
                _ => return Err(Error::INVALID_QUERY),
            }
        }
        Ok(query)
    }

    fn normalised(&self) -> String {
        format!("prefix={}&limit={}", self.prefix, self.limit)
    }
}

/// The words of a query. The state is `{"words": […], "milliseconds": pause, "gone": prefix, "failing": prefix}`, and
/// with `"onlyQueries"` there is nothing without a query.
async fn words(get: &Get, truth: &Truth) -> Result<(Query, Vec<String>), Error> {
    let state = truth.read(get.name(), json!({"words": ["ada", "bob", "anna"]}))?;
    truth.note(&format!("get {}", get.name()), json!(get.query()));
    let query = Query::parse(get.query().unwrap_or_default())?;
    if let Some(pause) = state["milliseconds"].as_u64() {
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
    if state["gone"] == query.prefix.as_str() || (state["onlyQueries"] == true && get.query().is_none()) {
        return Err(Error::NOT_FOUND);
    }
    if state["failing"] == query.prefix.as_str() {
        return Err(Error::internal("the database is down"));
    }
    let words = state["words"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let mut words: Vec<String> =
        words.filter(|word| word.starts_with(&query.prefix)).take(query.limit).map(str::to_owned).collect();
    words.sort();
    Ok((query, words))
}

pub(crate) fn resources(truth: &Truth) -> Vec<Resource> {
    let (of_words, of_summary) = (truth.clone(), truth.clone());
    let found = Resource::collection("words.$id", move |get: Get| {
        let truth = of_words.clone();
        async move {
            let (query, words) = words(&get, &truth).await?;
            Ok(Collection::from_serialize(&words)?.query(query.normalised()))
        }
    });
    let summary = Resource::model("summary.$id", move |get: Get| {
        let truth = of_summary.clone();
        async move {
            let (query, words) = words(&get, &truth).await?;
            let model = Model::from_serialize(&json!({"count": words.len(), "first": words.first()}))?;
            Ok(model.query(query.normalised()))
        }
    });
    let open = |truth: &Truth, resource: Resource| {
        let counted = truth.clone();
        // Refreshes that wait together are one.
        announcing(resource, truth).calls_side_by_side().access(move |access| {
            counted.note(&format!("access {}", access.name()), json!(access.query()));
            async { Ok(Grant::all()) }
        })
    };
    vec![open(truth, found), open(truth, summary)]
}

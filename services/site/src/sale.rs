//! Events and what is left of them, as the live view has it: read through Resgate's HTTP API, whose cache is the one
//! that browsers see.

mod kept;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use jiff::Timestamp;
use livehouse_contract::id::EventId;
use livehouse_contract::money::Money;
use lru::LruCache;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::kept::{Kept, Terms};

/// The list of events is asked for at most this often, however many people come. It hardly changes: an old list is worth
/// more than none.
const LIST: Terms = Terms {
    fresh: Duration::from_millis(800),
    stale_max: Duration::from_secs(600),
    patience: Duration::from_millis(500),
    failure: Duration::from_secs(1),
};
/// What is left of an event changes all the time; the page's script asks again, and after this time an old number would
/// mislead whoever has none.
const LEFT: Terms = Terms { stale_max: Duration::from_secs(15), ..LIST };
/// Events whose availability is kept.
const LEFT_EVENTS_MAX: NonZeroUsize = NonZeroUsize::new(1_024).expect("not zero");
/// Resgate's own limit is three seconds.
const ANSWER_DEADLINE: Duration = Duration::from_secs(4);

/// An event as the RES model has it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Its id.
    pub id: EventId,
    /// Its name in addresses of pages.
    pub slug: String,
    /// What it is called.
    pub name: String,
    /// What it is about.
    #[serde(default)]
    pub description: String,
    /// When it begins.
    pub starts_at: Timestamp,
    /// IANA time zone of the place.
    pub time_zone: String,
    /// Name of the place.
    pub venue: String,
    /// City of the place.
    #[serde(default)]
    pub city: String,
    /// Currency of all its prices.
    pub currency: String,
    /// Where its sale is.
    pub status: String,
    /// When its sale opens.
    pub on_sale_at: Timestamp,
    /// Content hash of its layout.
    pub layout: String,
    /// Price category -> price.
    pub prices: BTreeMap<String, Money>,
    /// How long a hold keeps its seats.
    pub hold_seconds: u32,
    /// Seats and units of one hold.
    pub seats_per_hold_max: u32,
    /// Every other field of the model, for the page's script.
    #[serde(flatten)]
    pub rest: BTreeMap<String, Value>,
}

/// What is left of an event.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Availability {
    /// Free seats and units in all.
    pub free: u64,
    /// Seats and units in all.
    pub total: u64,
    /// Free ones per section and area.
    #[serde(flatten)]
    pub sections: BTreeMap<String, Value>,
}

/// A reference as Resgate writes it into a collection: with its content, or with why it has none.
#[derive(Deserialize)]
struct Referenced {
    model: Option<Event>,
    error: Option<Refusal>,
}

#[derive(Deserialize)]
struct Refusal {
    code: String,
}

/// The listed events, soonest first.
#[derive(Debug)]
pub struct List {
    /// Those that could be read.
    pub events: Vec<Event>,
    /// Whether that is all: one that could not be read is not one that is not there.
    is_whole: bool,
}

impl List {
    fn of(references: Vec<Referenced>) -> List {
        let is_gone = |refusal: &Refusal| refusal.code == "system.notFound";
        let is_whole = references.iter().all(|reference| reference.error.as_ref().is_none_or(is_gone));
        List { events: references.into_iter().filter_map(|reference| reference.model).collect(), is_whole }
    }
}

/// What is left of an event; nothing when there is no such event.
type Left = Option<Arc<Availability>>;

/// The sale as this process knows it.
pub struct Sale {
    http: reqwest::Client,
    resgate: String,
    list: Kept<Arc<List>>,
    left: Mutex<LruCache<EventId, Arc<Kept<Left>>>>,
}

impl Sale {
    /// Asks Resgate at this address.
    pub fn new(resgate: &str) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().timeout(ANSWER_DEADLINE).build()?;
        Ok(Self {
            http,
            resgate: resgate.trim_end_matches('/').to_owned(),
            list: Kept::new(LIST),
            left: Mutex::new(LruCache::new(LEFT_EVENTS_MAX)),
        })
    }

    async fn ask<T: for<'a> Deserialize<'a>>(&self, resource: &str) -> anyhow::Result<Option<T>> {
        let address = format!("{}/api/{}", self.resgate, resource.replace('.', "/"));
        let answer = self.http.get(&address).send().await.context("Resgate does not answer")?;
        if answer.status() == reqwest::StatusCode::NOT_FOUND {
            // A time-out is a 404 as well: only the code in the body tells absence from silence.
            let refusal: Value = answer.json().await.unwrap_or_default();
            anyhow::ensure!(
                refusal["code"] == "system.notFound",
                "Resgate answered {refusal} for {resource}"
            );
            return Ok(None);
        }
        let answer = answer.error_for_status().with_context(|| format!("Resgate refused {resource}"))?;
        Ok(Some(answer.json().await.with_context(|| format!("{resource} could not be read"))?))
    }

    async fn ask_list(&self) -> anyhow::Result<Arc<List>> {
        // There always is one: it is not found when nobody is there who could be asked.
        let references: Option<Vec<Referenced>> = self.ask("tickets.events").await?;
        Ok(Arc::new(List::of(references.context("nobody answers for the events")?)))
    }

    /// All listed events. When Resgate does not answer now, the last list that it gave.
    pub async fn events(&self) -> anyhow::Result<Arc<List>> {
        self.list.get(self.ask_list()).await
    }

    /// The event of a slug or id. That there is none is said only when that is known, and known of now: people follow
    /// links to events that were put on sale a moment ago.
    pub async fn event(&self, name: &str) -> anyhow::Result<Option<Event>> {
        let id = name.parse::<EventId>().ok();
        let find = |list: &List| {
            list.events.iter().find(|event| event.slug == name || Some(event.id) == id).cloned()
        };
        if let Some(event) = find(&*self.events().await?) {
            return Ok(Some(event));
        }
        // One that is not listed may still be there.
        let unlisted = match id {
            Some(id) => self.ask(&livehouse_contract::path::event(id)).await?,
            None => None,
        };
        if unlisted.is_some() {
            return Ok(unlisted);
        }
        let list = self.list.current(self.ask_list()).await?;
        let event = find(&list);
        anyhow::ensure!(event.is_some() || list.is_whole, "not all events could be read, {name} may be one");
        Ok(event)
    }

    /// What is left of an event; nothing when it cannot be told now. A page without it is still a page.
    pub async fn availability(&self, event: EventId) -> Option<Arc<Availability>> {
        let kept = {
            let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
            left.get_or_insert(event, || Arc::new(Kept::new(LEFT))).clone()
        };
        let asking = async {
            let asked = self.ask::<Availability>(&livehouse_contract::path::availability(event)).await?;
            Ok(asked.map(Arc::new))
        };
        match kept.get(asking).await {
            Ok(left) => left,
            Err(error) => {
                tracing::warn!(error = format!("{error:#}"), event.id = %event, "availability is unknown");
                None
            }
        }
    }

    /// Does Resgate answer?
    pub async fn is_reachable(&self) -> bool {
        self.http.get(format!("{}/api/", self.resgate)).send().await.is_ok()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_event_that_could_not_be_read_is_not_one_that_is_gone() {
        let list = |code: &str| {
            let references = format!(
                r#"[{{"href": "/api/tickets/event/evt_1", "error": {{"code": "{code}", "message": "…"}}}}]"#
            );
            List::of(serde_json::from_str(&references).unwrap())
        };
        assert!(list("system.notFound").is_whole);
        assert!(!list("system.timeout").is_whole);
        assert!(List::of(Vec::new()).is_whole);
    }
}

//! Keeping the views of owned events in step: announcements as they come, the database where one is missing.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use deadpool_postgres::Pool;
use futures::StreamExt;
use livehouse_contract::fact::Fact;
use livehouse_contract::fact::tickets::{HoldsChanged, HoldsEnded, HoldsSold};
use livehouse_contract::id::{EventId, HoldId};
use livehouse_contract::{metric, path};
use livehouse_platform::telemetry;
use res_service::Service;
use tokio_util::sync::CancellationToken;

use super::announce::{EVENT_SUBJECT, EventChange};
use super::view::EventView;
use crate::catalogue::{Catalogue, Event};
use crate::domain::hold::{EventNumber, SectionNumber};
use crate::inventory::Inventory;
use crate::store::view as store;

/// How often the views are compared with the database. What lags behind for a whole interval has lost something.
const COMPARE_INTERVAL: Duration = Duration::from_millis(400);

/// The lease key of an event's live resources.
#[must_use]
pub fn lease_key(event: EventId) -> String {
    format!("event.{event}")
}

/// The event of a lease key.
#[must_use]
pub fn leased_event(key: &str) -> Option<EventId> {
    key.strip_prefix("event.")?.parse().ok()
}

/// The views of the events that this replica owns.
pub struct Views {
    pool: Pool,
    catalogue: Arc<Catalogue>,
    views: RwLock<HashMap<EventId, Arc<Mutex<EventView>>>>,
}

impl Views {
    /// No views yet.
    #[must_use]
    pub fn new(pool: Pool, catalogue: Arc<Catalogue>) -> Self {
        Self { pool, catalogue, views: RwLock::default() }
    }

    fn view(&self, event: EventId) -> Option<Arc<Mutex<EventView>>> {
        self.views.read().unwrap_or_else(PoisonError::into_inner).get(&event).cloned()
    }

    /// Looks at the view of an owned event; nothing if this replica has none.
    pub fn look<T>(&self, event: EventId, look: impl FnOnce(&EventView) -> T) -> Option<T> {
        let view = self.view(event)?;
        let view = view.lock().unwrap_or_else(PoisonError::into_inner);
        Some(look(&view))
    }

    /// Begins to keep the view of an event: first listening, then reading, so that nothing falls between.
    pub async fn open(&self, event: EventId) -> anyhow::Result<()> {
        let Some(event) = self.catalogue.event(event) else {
            anyhow::bail!("event {event} is not in the catalogue")
        };
        let view = Arc::new(Mutex::new(EventView::new(event.clone())));
        let known =
            self.views.write().unwrap_or_else(PoisonError::into_inner).insert(event.row.id, view.clone());
        if known.is_none() {
            telemetry::count(&metric::LIVE_ACQUIRED, 1, &[]);
            telemetry::add(&metric::LIVE_OWNED, 1, &[]);
        }
        let numbers: Vec<SectionNumber> = (0..event.layout.section_count()).collect();
        let states =
            store::load(&self.pool, event.row.number, &numbers, 0..event.layout.index.seat_count()).await?;
        let mut view = view.lock().unwrap_or_else(PoisonError::into_inner);
        for state in states {
            view.adopt(state);
        }
        Ok(())
    }

    /// Forgets the view of an event that another replica owns now.
    pub fn close(&self, event: EventId) {
        if self.views.write().unwrap_or_else(PoisonError::into_inner).remove(&event).is_some() {
            telemetry::add(&metric::LIVE_OWNED, -1, &[]);
        }
    }

    /// Takes over a changed event.
    pub fn set_event(&self, event: &Arc<Event>) {
        if let Some(view) = self.view(event.row.id) {
            view.lock().unwrap_or_else(PoisonError::into_inner).set_event(event.clone());
        }
    }

    /// Applies an announcement. Answers the sections that changed.
    fn apply(&self, event: EventId, change: EventChange) -> Vec<SectionNumber> {
        let Some(view) = self.view(event) else { return Vec::new() };
        let mut view = view.lock().unwrap_or_else(PoisonError::into_inner);
        let applied = |section: crate::live::announce::SectionChange| {
            let number = section.number;
            view.apply(section).then_some(number)
        };
        change.sections.into_iter().filter_map(applied).collect()
    }

    /// The `seq` of everything in every view.
    fn seqs(&self) -> HashMap<EventNumber, (EventId, Vec<i64>)> {
        let views = self.views.read().unwrap_or_else(PoisonError::into_inner);
        let seqs = views.iter().map(|(id, view)| {
            let view = view.lock().unwrap_or_else(PoisonError::into_inner);
            (view.event().row.number, (*id, view.seqs()))
        });
        seqs.collect()
    }

    async fn reload(&self, event: EventId, numbers: &[SectionNumber]) -> anyhow::Result<Vec<SectionNumber>> {
        let Some(view) = self.view(event) else { return Ok(Vec::new()) };
        let event = view.lock().unwrap_or_else(PoisonError::into_inner).event().clone();
        let layout = &event.layout;
        let seated = numbers.iter().filter(|number| !layout.is_area(**number));
        let ranges: Vec<_> = seated.map(|number| layout.index.section_seats(*number)).collect();
        let first = ranges.iter().map(|range| range.start).min().unwrap_or_default();
        let end = ranges.iter().map(|range| range.end).max().unwrap_or_default();
        let states = store::load(&self.pool, event.row.number, numbers, first..end).await?;
        let mut view = view.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(states
            .into_iter()
            .filter_map(|state| {
                let number = state.number;
                view.adopt(state).then_some(number)
            })
            .collect())
    }
}

/// Tells the RES library what changed; it publishes the differences at its own pace.
fn refresh(service: &Service, views: &Views, event: EventId, sections: &[SectionNumber]) {
    if sections.is_empty() {
        return;
    }
    let Some(event) = views.look(event, |view| view.event().clone()) else { return };
    let id = event.row.id;
    for number in sections {
        let section = event.layout.section_id(*number);
        let resource =
            if event.layout.is_area(*number) { path::area(id, section) } else { path::section(id, section) };
        note_refused(service.try_refresh(resource));
    }
    note_refused(service.try_refresh(path::availability(id)));
    // Only the last free seat changes what the event says of itself; unchanged it costs nothing on the wire.
    note_refused(service.try_refresh(path::event(id)));
}

fn note_refused(refreshed: Result<bool, res_service::Error>) {
    if let Err(error) = refreshed {
        tracing::error!(%error, "a resource could not be refreshed");
    }
}

/// The facts that change holds already placed.
const HOLD_FACTS: [&str; 3] = [HoldsChanged::SUBJECT, HoldsEnded::SUBJECT, HoldsSold::SUBJECT];

/// The holds that a fact is about.
fn told_holds(subject: &str, payload: &[u8]) -> Result<Vec<HoldId>, serde_json::Error> {
    Ok(match subject {
        HoldsChanged::SUBJECT => {
            serde_json::from_slice::<HoldsChanged>(payload)?.holds.iter().map(|told| told.hold).collect()
        }
        HoldsEnded::SUBJECT => {
            serde_json::from_slice::<HoldsEnded>(payload)?.holds.iter().map(|told| told.hold).collect()
        }
        HoldsSold::SUBJECT => {
            serde_json::from_slice::<HoldsSold>(payload)?.sales.iter().map(|told| told.hold).collect()
        }
        _ => Vec::new(),
    })
}

/// Applies announcements until `stop`. What single holds have become is taken from the facts: they are in the outbox, so
/// they are published even if the replica that decided them is gone.
pub async fn listen(
    client: async_nats::Client,
    views: Arc<Views>,
    inventory: Inventory,
    service: Service,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut events = client.subscribe(format!("{EVENT_SUBJECT}.*")).await?;
    let mut holds = futures::stream::select_all(
        futures::future::try_join_all(HOLD_FACTS.map(|subject| client.subscribe(subject))).await?,
    );
    client.flush().await?;
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            Some(message) = events.next() => {
                let event = message.subject.rsplit('.').next().and_then(|id| id.parse::<EventId>().ok());
                let (Some(event), Ok(change)) = (event, serde_json::from_slice::<EventChange>(&message.payload))
                else {
                    tracing::warn!(subject = %message.subject, "an announced change could not be read");
                    continue;
                };
                if let Some(event) = views.catalogue.event(event) {
                    inventory.hear(event.row.number, &change);
                }
                let changed = views.apply(event, change);
                refresh(&service, &views, event, &changed);
            }
            Some(message) = holds.next() => {
                match told_holds(&message.subject, &message.payload) {
                    Ok(holds) => {
                        for hold in holds {
                            note_refused(service.try_refresh(path::hold(hold)));
                        }
                    }
                    Err(error) => tracing::warn!(%error, "a fact about holds could not be read"),
                }
            }
            else => return Ok(()),
        }
    }
}

/// Compares the views with the database until `stop`, and reads again what has lagged for a whole interval.
pub async fn compare(views: Arc<Views>, service: Service, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(COMPARE_INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut committed_before: HashMap<(EventNumber, SectionNumber), i64> = HashMap::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let seen = views.seqs();
        let events: Vec<EventNumber> = seen.keys().copied().collect();
        let committed = match store::seqs(&views.pool, &events).await {
            Ok(committed) => committed,
            Err(error) => {
                tracing::warn!(
                    error = format!("{error:#}"),
                    "the live views could not be compared with the database"
                );
                continue;
            }
        };
        let mut lagging: HashMap<EventId, BTreeSet<SectionNumber>> = HashMap::new();
        for (event, number, _) in &committed {
            let Some((id, seqs)) = seen.get(event) else { continue };
            let seq = seqs.get(usize::from(*number)).copied().unwrap_or(i64::MAX);
            if committed_before.get(&(*event, *number)).is_some_and(|before| seq < *before) || seq < 0 {
                lagging.entry(*id).or_default().insert(*number);
            }
        }
        committed_before = committed.into_iter().map(|(event, number, seq)| ((event, number), seq)).collect();
        for (event, numbers) in lagging {
            let numbers: Vec<SectionNumber> = numbers.into_iter().collect();
            telemetry::count(&metric::SECTIONS_REREAD, numbers.len() as u64, &[]);
            match views.reload(event, &numbers).await {
                Ok(changed) => refresh(&service, &views, event, &changed),
                Err(error) => {
                    tracing::warn!(error = format!("{error:#}"), event.id = %event, "a view could not be read again")
                }
            }
        }
    }
}

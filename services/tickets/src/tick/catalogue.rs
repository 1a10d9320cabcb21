//! Keeping the catalogue current: changed events, and those whose status changes because a moment has come.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use livehouse_contract::id::EventId;
use livehouse_contract::path;
use res_service::Service;
use tokio_util::sync::CancellationToken;

use crate::catalogue::Catalogue;
use crate::domain::sale::Set;
use crate::live::feed::{Views, lease_key};

/// How often to look.
const INTERVAL: Duration = Duration::from_millis(500);

/// Keeps `catalogue`, the wanted leases and the events' own resources current until `stop`.
pub async fn run(catalogue: Arc<Catalogue>, views: Arc<Views>, service: Service, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // What was shown last is kept here: others read the catalogue again as well, and are told of the change instead.
    let mut shown: HashMap<EventId, (i64, &'static str)> = HashMap::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        if let Err(error) = catalogue.reload().await {
            tracing::warn!(error = format!("{error:#}"), "the catalogue could not be read");
            continue;
        }
        let now = catalogue.now();
        let events = catalogue.events();
        let published = events.iter().filter(|event| event.row.rules.set != Set::Draft);
        if let Err(error) = service.own_keys(published.map(|event| lease_key(event.row.id))) {
            tracing::error!(
                error = format!("{error:?}"),
                "the events' keys are not those of their resources"
            );
        }
        let mut list_changed = false;
        for event in &events {
            let (id, rules) = (event.row.id, &event.row.rules);
            let current = (rules.version, rules.status(now, None));
            if shown.insert(id, current) == Some(current) {
                continue;
            }
            views.set_event(event);
            refresh(&service, path::event(id));
            list_changed = true;
        }
        if list_changed {
            refresh(&service, path::EVENTS.to_owned());
        }
    }
}

fn refresh(service: &Service, resource: String) {
    if let Err(error) = service.try_refresh(resource) {
        tracing::error!(%error, "a resource could not be refreshed");
    }
}

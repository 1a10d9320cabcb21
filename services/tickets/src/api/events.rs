//! `tickets.events`: references to all published events, soonest first.

use jiff::SignedDuration;
use livehouse_contract::path;
use res_service::{Collection, Get, Grant, Resource};

use super::Context;
use crate::domain::sale::Set;

/// A concert is listed for this long after it has begun.
const LISTED_AFTER_START: SignedDuration = SignedDuration::from_hours(6);

pub(super) fn resource(context: &Context) -> Resource {
    let catalogue = context.catalogue.clone();
    Resource::collection("events", move |_: Get| {
        let catalogue = catalogue.clone();
        async move {
            let now = catalogue.now();
            let mut events = catalogue.events();
            events.retain(|event| {
                event.row.rules.set != Set::Draft && now < event.row.rules.starts_at + LISTED_AFTER_START
            });
            events.sort_by_key(|event| (event.row.rules.starts_at, event.row.id));
            Collection::references(events.iter().map(|event| path::event(event.row.id)))
        }
    })
    .owned_by_name(1)
    .access(|_| async { Ok(Grant::get()) })
}

//! `tickets.event.$event` and everything below it.

mod area;
mod availability;
mod section;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use livehouse_contract::id::EventId;
use livehouse_contract::money::Money;
use livehouse_contract::token::Token;
use res_service::{Access, Call, Data, Error, Get, Grant, Model, Reply, Resource};
use serde::Serialize;

use super::{Context, error, wish::Wish};
use crate::catalogue::Event;
use crate::domain::command::{Command, Outcome};
use crate::domain::hold::Hold;
use crate::domain::sale::Set;

/// The owner of all live resources of an event.
const OWNER: &str = "event.$event";

pub(super) fn resources(context: &Context) -> [Resource; 4] {
    [event(context), availability::resource(context), section::resource(context), area::resource(context)]
}

/// Seats are public: everybody sees them, whoever has a session can hold them.
pub(super) async fn access(request: Access) -> Result<Grant, Error> {
    let token: Option<Token> = request.token()?;
    Ok(if token.is_some() { Grant::get().call(["hold"]) } else { Grant::get() })
}

/// The event a request is about, if people may know of it.
pub(super) fn known(context: &Context, id: EventId) -> Result<Arc<Event>, Error> {
    context.catalogue.event(id).filter(|event| event.row.rules.set != Set::Draft).ok_or(Error::NOT_FOUND)
}

/// Fields of the model, as the public surface names them.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EventModel<'a> {
    id: EventId,
    slug: &'a str,
    name: &'a str,
    description: &'a str,
    starts_at: Timestamp,
    time_zone: &'a str,
    venue: &'a str,
    city: &'a str,
    country: &'a str,
    currency: &'a str,
    status: &'a str,
    on_sale_at: Timestamp,
    off_sale_at: Timestamp,
    layout: &'a str,
    prices: Data<BTreeMap<&'a str, Money>>,
    hold_seconds: u32,
    seats_per_hold_max: u32,
    seats_per_buyer_max: u32,
}

fn model(event: &Event, status: &str) -> Result<Model, Error> {
    let row = &event.row;
    let prices =
        row.prices.iter().map(|(category, amount)| (category.as_str(), Money::new(*amount, row.currency)));
    Model::from_serialize(&EventModel {
        id: row.id,
        slug: &row.slug,
        name: &row.name,
        description: &row.description,
        starts_at: row.rules.starts_at,
        time_zone: &row.time_zone,
        venue: &row.venue,
        city: &row.city,
        country: &row.country,
        currency: row.currency.code(),
        status,
        on_sale_at: row.rules.on_sale_at,
        off_sale_at: row.rules.off_sale_at,
        layout: &row.layout,
        prices: Data(prices.collect()),
        hold_seconds: row.rules.hold_seconds,
        seats_per_hold_max: row.rules.seats_per_hold_max,
        seats_per_buyer_max: row.rules.seats_per_buyer_max,
    })
}

fn event(context: &Context) -> Resource {
    let (reading, calling) = (context.clone(), context.clone());
    Resource::model("event.$event", move |get: Get| {
        let context = reading.clone();
        async move {
            let event = known(&context, get.parameter("event")?)?;
            let free = context.views.look(event.row.id, crate::live::view::EventView::free);
            model(&event, event.row.rules.status(context.catalogue.now(), free))
        }
    })
    .owned_by(OWNER)
    .access(access)
    // The database says who was first.
    .calls_side_by_side()
    .call("hold", move |call: Call| {
        let context = calling.clone();
        async move { hold(&context, &call).await }
    })
}

/// Answer of the call `hold`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Held {
    hold: livehouse_contract::id::HoldId,
    expires_at: Timestamp,
    lines: Vec<livehouse_contract::line::Line>,
    total: Money,
}

async fn hold(context: &Context, call: &Call) -> Result<Reply, Error> {
    let token: Token = call.token()?.ok_or(Error::ACCESS_DENIED)?;
    let event = known(context, call.parameter("event")?)?;
    let wish: Wish = call.params()?;
    let place = wish.into_command(&event, token.buyer)?;
    match context.inventory.ask(Command::Place(place)).await.map_err(error::unavailable)? {
        Outcome::Done(hold) => Reply::result(&held(&event, &hold)),
        Outcome::Refused(refusal) => Err(error::refusal(&refusal, Some(&event))),
    }
}

fn held(event: &Event, hold: &Hold) -> Held {
    Held { hold: hold.id, expires_at: hold.expires_at, lines: event.lines(hold), total: event.total(hold) }
}

//! `tickets.hold.$hold`: a hold, for its buyer alone.

use jiff::Timestamp;
use livehouse_contract::id::{EventId, HoldId, OrderId};
use livehouse_contract::line::Line;
use livehouse_contract::money::Money;
use livehouse_contract::token::Token;
use res_service::{Access, Call, Data, Error, Get, Grant, Model, Reply, Resource};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Context, error};
use crate::domain::command::{Command, Holder, Outcome};
use crate::domain::hold::Hold;
use crate::store::hold as store;

/// Buckets of hold ids that are owned apart from each other.
const OWNER_BUCKETS: u32 = 16;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct HoldModel<'a> {
    id: HoldId,
    event: EventId,
    seats: Data<Vec<&'a str>>,
    areas: Data<Vec<AreaModel<'a>>>,
    created_at: Timestamp,
    expires_at: Timestamp,
    hard_deadline: Timestamp,
    state: &'static str,
    lines: Data<Vec<Line>>,
    total: Data<Money>,
    order: Option<OrderId>,
}

#[derive(Serialize)]
struct AreaModel<'a> {
    area: &'a str,
    quantity: u32,
}

/// No parameters: any field is one too many.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

pub(super) fn resource(context: &Context) -> Resource {
    let (reading, judging, releasing, extending) =
        (context.clone(), context.clone(), context.clone(), context.clone());
    Resource::model("hold.$hold", move |get: Get| {
        let context = reading.clone();
        async move {
            let hold = store::load(&context.pool, get.parameter("hold")?).await.map_err(error::internal)?;
            model(&context, &hold.ok_or(Error::NOT_FOUND)?)
        }
    })
    .owned_by_name(OWNER_BUCKETS)
    .access(move |request: Access| {
        let context = judging.clone();
        async move { access(&context, &request).await }
    })
    // The database says who was first.
    .calls_side_by_side()
    .call("release", move |call: Call| {
        let context = releasing.clone();
        async move { release(&context, &call).await }
    })
    .call("extend", move |call: Call| {
        let context = extending.clone();
        async move { extend(&context, &call).await }
    })
}

fn model(context: &Context, hold: &Hold) -> Result<Model, Error> {
    let event = context.catalogue.numbered(hold.event).ok_or_else(|| {
        error::internal(anyhow::anyhow!("event number {} is not in the catalogue", hold.event))
    })?;
    let layout = &event.layout;
    Model::from_serialize(&HoldModel {
        id: hold.id,
        event: event.row.id,
        seats: Data(hold.seats.iter().filter_map(|item| layout.index.seat_id(item.seat)).collect()),
        areas: Data(
            hold.areas
                .iter()
                .map(|item| AreaModel { area: layout.section_id(item.area), quantity: item.units })
                .collect(),
        ),
        created_at: hold.created_at,
        expires_at: hold.expires_at,
        hard_deadline: hold.hard_deadline,
        state: hold.state.word(),
        lines: Data(event.lines(hold)),
        total: Data(event.total(hold)),
        order: hold.order,
    })
}

/// One answer for a hold that is another's and one that is not there: nobody learns of other people's holds.
async fn access(context: &Context, request: &Access) -> Result<Grant, Error> {
    let token: Token = request.token()?.ok_or(Error::ACCESS_DENIED)?;
    let buyer = store::buyer(&context.pool, request.parameter("hold")?).await.map_err(error::internal)?;
    if buyer != Some(token.buyer) {
        return Err(Error::ACCESS_DENIED);
    }
    Ok(Grant::get().call(["release", "extend"]))
}

async fn release(context: &Context, call: &Call) -> Result<Reply, Error> {
    let token: Token = call.token()?.ok_or(Error::ACCESS_DENIED)?;
    call.params::<Option<Nothing>>()?;
    let hold = call.parameter("hold")?;
    let command = Command::Release { hold, by: Holder::Buyer(token.buyer) };
    match context.inventory.ask(command).await.map_err(error::unavailable)? {
        Outcome::Done(_) => Reply::result(&json!({})),
        Outcome::Refused(refusal) => Err(error::refusal(&refusal, None)),
    }
}

async fn extend(context: &Context, call: &Call) -> Result<Reply, Error> {
    let token: Token = call.token()?.ok_or(Error::ACCESS_DENIED)?;
    call.params::<Option<Nothing>>()?;
    let hold = call.parameter("hold")?;
    let command = Command::Extend { hold, buyer: token.buyer };
    match context.inventory.ask(command).await.map_err(error::unavailable)? {
        Outcome::Done(hold) => Reply::result(&json!({"expiresAt": hold.expires_at})),
        Outcome::Refused(refusal) => Err(error::refusal(&refusal, None)),
    }
}

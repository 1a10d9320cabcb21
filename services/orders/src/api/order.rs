//! `orders.order.$order`: an order, for its buyer alone.

use jiff::Timestamp;
use livehouse_contract::fact::tickets::IssuedTicket;
use livehouse_contract::id::{EventId, HoldId, OrderId};
use livehouse_contract::line::Line;
use livehouse_contract::money::Money;
use livehouse_contract::token::Token;
use res_service::{Access, Call, Data, Error, Get, Grant, Model, Reply, Resource};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{OWNER_BUCKETS, error};
use crate::checkout::Checkout;
use crate::domain::State;
use crate::store::order as store;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OrderModel<'a> {
    id: OrderId,
    number: &'a str,
    event: Option<EventId>,
    event_name: &'a str,
    hold: HoldId,
    state: &'static str,
    lines: Data<&'a Vec<Line>>,
    total: Data<Option<Money>>,
    tickets: Data<&'a Vec<IssuedTicket>>,
    created_at: Timestamp,
    expires_at: Option<Timestamp>,
}

/// No parameters: any field is one too many.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

pub(super) fn resource(checkout: &Checkout) -> Resource {
    let (reading, judging, cancelling) = (checkout.clone(), checkout.clone(), checkout.clone());
    Resource::model("order.$order", move |get: Get| {
        let checkout = reading.clone();
        async move {
            let order =
                store::load(&checkout.pool, get.parameter("order")?).await.map_err(error::internal)?;
            model(&order.filter(|order| order.state != State::Created).ok_or(Error::NOT_FOUND)?)
        }
    })
    .owned_by_name(OWNER_BUCKETS)
    .access(move |request: Access| {
        let checkout = judging.clone();
        async move { access(&checkout, &request).await }
    })
    // The database says who was first.
    .calls_side_by_side()
    .call("cancel", move |call: Call| {
        let checkout = cancelling.clone();
        async move {
            let token: Token = call.token()?.ok_or(Error::ACCESS_DENIED)?;
            call.params::<Option<Nothing>>()?;
            checkout.cancel(call.parameter("order")?, token.buyer).await.map_err(error::of)?;
            Reply::result(&json!({}))
        }
    })
}

fn model(order: &store::Order) -> Result<Model, Error> {
    Model::from_serialize(&OrderModel {
        id: order.id,
        number: &order.number,
        event: order.event,
        event_name: &order.event_name,
        hold: order.hold,
        state: order.state.word(),
        lines: Data(&order.lines),
        total: Data(order.total),
        tickets: Data(&order.tickets),
        created_at: order.created_at,
        expires_at: order.expires_at,
    })
}

/// One answer for an order that is another's and one that is not there.
async fn access(checkout: &Checkout, request: &Access) -> Result<Grant, Error> {
    let token: Token = request.token()?.ok_or(Error::ACCESS_DENIED)?;
    let order = store::load(&checkout.pool, request.parameter("order")?).await.map_err(error::internal)?;
    match order {
        Some(order) if order.buyer == token.buyer => Ok(Grant::get().call(["cancel"])),
        _ => Err(Error::ACCESS_DENIED),
    }
}

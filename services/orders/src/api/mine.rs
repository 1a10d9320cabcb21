//! `orders.mine.$buyer`: a buyer's orders, newest first, for that buyer alone.

use livehouse_contract::id::BuyerId;
use livehouse_contract::path;
use livehouse_contract::token::Token;
use res_service::{Access, Collection, Error, Get, Grant, Resource};

use super::{OWNER_BUCKETS, error};
use crate::checkout::Checkout;
use crate::store::order as store;

/// More orders than anybody looks through at once.
const ORDERS_MAX: i64 = 200;

pub(super) fn resource(checkout: &Checkout) -> Resource {
    let checkout = checkout.clone();
    Resource::collection("mine.$buyer", move |get: Get| {
        let checkout = checkout.clone();
        async move {
            let orders = store::of_buyer(&checkout.pool, get.parameter("buyer")?, ORDERS_MAX)
                .await
                .map_err(error::internal)?;
            Collection::references(orders.into_iter().map(path::order))
        }
    })
    .owned_by_name(OWNER_BUCKETS)
    .access(|request: Access| async move {
        let token: Token = request.token()?.ok_or(Error::ACCESS_DENIED)?;
        let buyer: BuyerId = request.parameter("buyer")?;
        if buyer == token.buyer { Ok(Grant::get()) } else { Err(Error::ACCESS_DENIED) }
    })
}

//! How identity is asked: the authentication of connections, and `identity.me.{cid}`.

use jiff::Timestamp;
use livehouse_contract::id::BuyerId;
use livehouse_contract::path;
use livehouse_contract::token::{Role, Token};
use livehouse_platform::session::Key;
use livehouse_platform::telemetry::watched;
use res_service::{
    Access, Auth, Builder, Data, Error, Get, Grant, Model, Reply, Resource, Service, StartError,
};
use serde::Serialize;

use crate::connections::Connections;

/// What a browser may know of itself.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Me {
    buyer: BuyerId,
    name: Option<String>,
    roles: Data<Vec<Role>>,
    signed_in: bool,
}

/// Starts answering.
pub async fn start(
    client: async_nats::Client,
    replica: &str,
    key: Key,
    connections: Connections,
) -> Result<Service, StartError> {
    let builder = Builder::new(path::IDENTITY)
        .replica(replica)
        .resource(session(key, connections.clone()))
        .resource(me(connections));
    watched(builder).start(client).await
}

/// `auth.identity.session.authenticate`: the cookie of a connection becomes its token, before the answer.
fn session(key: Key, connections: Connections) -> Resource {
    Resource::new("session").auth("authenticate", move |auth: Auth| {
        let (key, connections) = (key.clone(), connections.clone());
        async move {
            let cookies = auth.headers().get("Cookie").into_iter().flatten().map(String::as_str);
            if let Some(buyer) = key.buyer_of(cookies, Timestamp::now()) {
                auth.service().set_token(auth.cid(), &Token::guest(buyer), Some(&buyer.to_string())).await?;
                if opens_a_websocket(&auth) {
                    connections.remember(auth.cid(), buyer).await;
                }
            }
            Ok(Reply::null())
        }
    })
}

/// Resgate asks about a WebSocket with its HTTP request to upgrade. A plain request is a short connection of its own,
/// and nobody asks it who it is.
fn opens_a_websocket(auth: &Auth) -> bool {
    auth.headers().get("Upgrade").into_iter().flatten().any(|value| value.eq_ignore_ascii_case("websocket"))
}

fn me(connections: Connections) -> Resource {
    Resource::model("me.$cid", move |get: Get| {
        let connections = connections.clone();
        async move {
            let connection: String = get.parameter("cid")?;
            let known = connections.buyer(&connection).await;
            // KeyDB's absence is told by its condition; a line for every page would say no more.
            let known = known
                .map_err(|_| Error::TIMEOUT.with_message("Who this is cannot be told at this moment"))?;
            let buyer = known.ok_or(Error::NOT_FOUND)?;
            Model::from_serialize(&Me { buyer, name: None, roles: Data(Vec::new()), signed_in: false })
        }
    })
    .unowned()
    .access(|request: Access| async move {
        let asked: String = request.parameter("cid")?;
        if asked == request.cid() { Ok(Grant::get()) } else { Err(Error::ACCESS_DENIED) }
    })
}

//! Who may do what, through the gateway and with real sessions; and that nothing private is ever shown to a stranger.

use livehouse_contract::id::{BuyerId, HoldId, OrderId};
use livehouse_contract::path;
use livehouse_testkit::{ConnectOptions, ResClient, ResError};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::hall::{self, seat};
use super::stage::{PATIENCE, Stage};

/// Everybody who may come to the gateway.
struct People {
    /// Without a session.
    nobody: ResClient,
    /// With a session whose signature is wrong.
    forger: ResClient,
    /// With a session of their own.
    stranger: ResClient,
    /// The buyer of the hold and of the order.
    owner: ResClient,
}

impl People {
    async fn come(stage: &Stage, owner: BuyerId) -> Self {
        let forged = stage.cookie(owner).replacen(&owner.to_string(), &BuyerId::generate().to_string(), 1);
        let url = stage.world.resgate().live_url();
        Self {
            nobody: stage.browser(None).await,
            forger: ResClient::connect_with(&url, ConnectOptions::cookie(forged)).await.unwrap(),
            stranger: stage.browser(Some(BuyerId::generate())).await,
            owner: stage.browser(Some(owner)).await,
        }
    }

    fn all(&self) -> [(&'static str, &ResClient); 4] {
        [
            ("nobody", &self.nobody),
            ("a forger", &self.forger),
            ("a stranger", &self.stranger),
            ("the owner", &self.owner),
        ]
    }
}

/// `ok`, or the code of the refusal.
fn code<T>(answer: Result<T, ResError>) -> String {
    answer.map_or_else(|error| error.code, |_| "ok".to_owned())
}

const DENIED: &str = "system.accessDenied";

#[tokio::test(flavor = "multi_thread")]
async fn h41_every_resource_is_read_by_those_who_may_and_by_nobody_else() {
    let stage = Stage::open().await;
    let _identity = stage.service("livehouse-identity").await;
    let _orders = stage.service("livehouse-orders").await;
    let (hold, owner) = stage.hold(&[seat(0, 0, 0)]).await;
    let people = People::come(&stage, owner).await;
    let order =
        people.owner.call_for_resource("orders", "new", json!({"hold": hold, "key": "k"})).await.unwrap();
    let mut public = hall::resources(stage.event());
    public.extend([path::EVENTS.to_owned(), stage.event_path()]);
    let private = [path::hold(hold), order, path::orders_of(owner)];
    let absent = [
        path::hold(HoldId::generate()),
        path::order(OrderId::generate()),
        path::orders_of(BuyerId::generate()),
    ];
    for (who, client) in people.all() {
        for resource in &public {
            assert_eq!(code(client.get(resource).await), "ok", "{who} reads {resource}");
        }
        for resource in &private {
            let expected = if who == "the owner" { "ok" } else { DENIED };
            assert_eq!(code(client.get(resource).await), expected, "{who} reads {resource}");
        }
        for resource in &absent {
            assert_eq!(
                code(client.get(resource).await),
                DENIED,
                "{who} reads {resource}, which is not there or not theirs"
            );
        }
        for resource in [
            "tickets.hold.hold_1",
            "tickets.hold.*",
            "tickets.hold.>",
            "orders.order.ord_1",
            "orders.mine.buy_1",
            "identity.me.x",
        ] {
            let read = code(client.get(resource).await);
            assert!(read != "ok" && read != "system.internalError", "{who} reads {resource}: {read}");
        }
    }
    // Over HTTP the same: a session, or nothing.
    for (cookie, expected) in
        [(None, "401"), (Some(stage.cookie(BuyerId::generate())), "401"), (Some(stage.cookie(owner)), "200")]
    {
        let status = over_http(&stage, &path::hold(hold), cookie.as_deref()).await;
        assert_eq!(status, expected, "a hold over HTTP with the cookie {cookie:?}");
    }
}

/// Status of a GET of a resource through the gateway's HTTP API.
async fn over_http(stage: &Stage, resource: &str, cookie: Option<&str>) -> String {
    let address = stage.world.resgate().address();
    let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
    let cookie = cookie.map(|cookie| format!("Cookie: {cookie}\r\n")).unwrap_or_default();
    let path = resource.replace('.', "/");
    let request = format!("GET /api/{path} HTTP/1.1\r\nHost: {address}\r\n{cookie}Connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.split_whitespace().nth(1).unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn h41_every_method_is_called_by_those_who_may_and_by_nobody_else() {
    let stage = Stage::open().await;
    let _identity = stage.service("livehouse-identity").await;
    let _orders = stage.service("livehouse-orders").await;
    let (hold, owner) = stage.hold(&[seat(0, 0, 0)]).await;
    let people = People::come(&stage, owner).await;
    let wish = |who: &str| json!({"seats": [seat(1, 0, who.len() % 10)], "key": who});
    for (who, client) in people.all() {
        let has_session = ["a stranger", "the owner"].contains(&who);
        let held = code(client.call(&stage.event_path(), "hold", wish(who)).await);
        assert_eq!(held, if has_session { "ok" } else { DENIED }, "{who} holds a seat");
        let extended = code(client.call(&path::hold(hold), "extend", json!({})).await);
        assert_eq!(
            extended,
            if who == "the owner" { "ok" } else { DENIED },
            "{who} extends the owner's hold"
        );
        if who != "the owner" {
            let released = code(client.call(&path::hold(hold), "release", json!({})).await);
            assert_eq!(released, DENIED, "{who} releases the owner's hold");
            let ordered =
                code(client.call_for_resource("orders", "new", json!({"hold": hold, "key": "k"})).await);
            assert_eq!(
                ordered,
                if has_session { "orders.holdNotActive" } else { DENIED },
                "{who} orders the owner's hold"
            );
        }
    }
    let order =
        people.owner.call_for_resource("orders", "new", json!({"hold": hold, "key": "k"})).await.unwrap();
    for (who, client) in people.all().into_iter().filter(|(who, _)| *who != "the owner") {
        assert_eq!(
            code(client.call(&order, "cancel", json!({})).await),
            DENIED,
            "{who} cancels the owner's order"
        );
        assert_eq!(
            code(client.call(&path::hold(hold), "release", json!({})).await),
            DENIED,
            "{who} releases an ordered hold"
        );
    }
    // What no table names is nobody's to call: not even the owner may set a state.
    let everywhere = [
        path::EVENTS.to_owned(),
        stage.event_path(),
        path::availability(stage.event()),
        path::section(stage.event(), "s0"),
        path::area(stage.event(), "a0"),
        path::hold(hold),
        order.clone(),
        path::orders_of(owner),
        "orders".to_owned(),
        "tickets".to_owned(),
    ];
    for (who, client) in people.all() {
        for resource in &everywhere {
            for method in ["set", "new", "delete", "update", "pay", "sell", "claim", "status", "expire"] {
                if (resource.as_str(), method) == ("orders", "new") {
                    continue;
                }
                let answer = code(client.call(resource, method, json!({"state": "paid"})).await);
                let refused = [DENIED, "system.methodNotFound", "system.notFound"].contains(&answer.as_str());
                assert!(refused, "{who} calls {method} of {resource}: {answer}");
            }
        }
        let claimed = code(client.call("service.tickets.hold", "claim", json!({})).await);
        assert_ne!(claimed, "ok", "{who} reaches what is between services only");
        let authenticated = client.auth("identity.session", "authenticate", json!({"buyer": owner})).await;
        drop(authenticated);
        let read = code(client.get(&order).await);
        assert_eq!(
            read,
            if who == "the owner" { "ok" } else { DENIED },
            "{who} after asking for another identity"
        );
    }
    assert_eq!(code(people.owner.call(&order, "cancel", json!({})).await), "ok");
    stage.settled().await;
    stage.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_19_nothing_private_is_in_what_a_stranger_sees() {
    let stage = Stage::open().await;
    let _identity = stage.service("livehouse-identity").await;
    let _orders = stage.service("livehouse-orders").await;
    let stranger = stage.browser(None).await;
    let mut changes = stranger.changes();
    let mut public = hall::resources(stage.event());
    public.extend([path::EVENTS.to_owned(), stage.event_path()]);
    for resource in &public {
        stranger.subscribe(resource).await.unwrap();
    }
    let buyer = BuyerId::generate();
    let owner = stage.browser(Some(buyer)).await;
    let wish =
        json!({"seats": [seat(0, 0, 0)], "areas": [{"area": "a0", "quantity": 2}], "key": "a-secret-key"});
    let held = owner.call(&stage.event_path(), "hold", wish).await.unwrap();
    let hold = held["hold"].as_str().unwrap().to_owned();
    let params = json!({"hold": hold, "email": "somebody@example.org", "key": "a-secret-key"});
    let order = owner.call_for_resource("orders", "new", params).await.unwrap();
    owner.wait_for_model(&order, "an order", PATIENCE, |order| order["state"] == "awaiting_payment").await;
    let number = owner.model(&order).unwrap()["number"].as_str().unwrap().to_owned();
    let section = path::section(stage.event(), "s0");
    let (first_row, held_row) = ("row:s0-0", "hfffffffff");
    stranger.wait_for_model(&section, "the held seat", PATIENCE, |model| model[first_row] == held_row).await;
    owner.call(&order, "cancel", json!({})).await.unwrap();
    stranger
        .wait_for_model(&section, "the freed seat", PATIENCE, |model| model[first_row] == "ffffffffff")
        .await;

    // Another stranger: the gateway does not send again what a connection has.
    let other = stage.browser(Some(BuyerId::generate())).await;
    let mut seen = Vec::new();
    for resource in &public {
        let set = other.get(resource).await.unwrap().to_string();
        assert!(set.contains(resource), "{resource} was not sent: {set}");
        seen.push(set);
    }
    while let Ok(change) = changes.try_recv() {
        seen.push(Value::from(format!("{} {} {}", change.rid, change.name, change.data)).to_string());
    }
    let order = order.rsplit('.').next().unwrap().to_owned();
    let uuids = [hold.parse::<HoldId>().unwrap().as_uuid().to_string(), buyer.as_uuid().to_string()];
    let private = [buyer.to_string(), hold, order, number, "somebody@".to_owned(), "a-secret-key".to_owned()];
    for secret in private.iter().chain(&uuids) {
        let shown: Vec<_> = seen.iter().filter(|text| text.contains(secret)).collect();
        assert!(shown.is_empty(), "a stranger sees {secret}: {shown:?}");
    }
    assert!(seen.len() > public.len(), "no change was seen: nothing was tested");
    assert!(stranger.violations().is_empty(), "{:?}", stranger.violations());
}

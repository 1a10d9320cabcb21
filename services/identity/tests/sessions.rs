//! Who a connection is, through a real gateway.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use livehouse_contract::id::BuyerId;
use livehouse_platform::session::{AGE_SECONDS_MAX, COOKIE, Key};
use livehouse_testkit::parts::ResgateOptions;
use livehouse_testkit::{ConnectOptions, ResClient, Service, World, wait_until};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(60);
/// Resgate puts the connection's own id here.
const ME: &str = "identity.me.{cid}";

struct Door {
    identity: Service,
    world: World,
}

impl Door {
    async fn open() -> Self {
        let world = World::builder()
            .nats()
            .keydb()
            .resgate_with(ResgateOptions::default().patient())
            .start()
            .await
            .unwrap();
        let identity = world.service("livehouse-identity").start().await.unwrap();
        Self { identity, world }
    }

    fn key(&self) -> Key {
        Key::from_file(self.world.session_key_file()).unwrap()
    }

    async fn come(&self, cookies: Option<String>) -> ResClient {
        let options = ConnectOptions { cookie: cookies, ..ConnectOptions::default() };
        ResClient::connect_with(&self.world.resgate().live_url(), options).await.unwrap()
    }

    async fn guest(&self, buyer: BuyerId) -> ResClient {
        self.come(Some(format!("{COOKIE}={}", self.key().sign(buyer, Timestamp::now())))).await
    }
}

/// Whom the connection is taken for; nothing for nobody.
async fn taken_for(client: &ResClient) -> Option<BuyerId> {
    match client.get(ME).await {
        Ok(set) => {
            let models = set["models"].as_object().unwrap();
            let model = models.values().next().unwrap();
            Some(model["buyer"].as_str().unwrap().parse().unwrap())
        }
        Err(error) => {
            assert_eq!(error.code, "system.notFound", "{error}");
            None
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_with_a_session_is_known_and_learns_nothing_but_who_it_is() {
    let door = Door::open().await;
    let buyer = BuyerId::generate();
    let guest = door.guest(buyer).await;
    let set = guest.get(ME).await.unwrap();
    let model = set["models"].as_object().unwrap().values().next().unwrap().clone();
    let roles = serde_json::json!({"data": []});
    assert_eq!(model, serde_json::json!({"buyer": buyer, "name": null, "roles": roles, "signedIn": false}));
    assert_eq!(
        taken_for(&door.guest(buyer).await).await,
        Some(buyer),
        "another connection of the same session"
    );
    assert_eq!(guest.get("identity.me.somebody-else").await.unwrap_err().code, "system.accessDenied");
}

#[tokio::test(flavor = "multi_thread")]
async fn h44_whatever_is_not_a_signed_and_current_session_is_nobody() {
    let door = Door::open().await;
    let (key, now, buyer) = (door.key(), Timestamp::now(), BuyerId::generate());
    let good = key.sign(buyer, now);
    let (message, signature) = good.rsplit_once('.').unwrap();
    let other_key = Key::from_bytes(vec![7; 32]).unwrap();
    let days = |days: i64| SignedDuration::from_hours(24 * days);
    let nobody: Vec<(&str, String)> = vec![
        (
            "another buyer's id under the same signature",
            good.replacen(&buyer.to_string(), &BuyerId::generate().to_string(), 1),
        ),
        ("another key", other_key.sign(buyer, now)),
        ("no signature", message.to_owned()),
        ("an empty signature", format!("{message}.")),
        ("a signature cut short", good[..good.len() - 1].to_owned()),
        ("a signature of zeros", format!("{message}.{}", "A".repeat(signature.len()))),
        ("a later time under the same signature", format!("{buyer}.{}.{signature}", now.as_second() + 1)),
        ("a session that is too old", key.sign(buyer, now - SignedDuration::from_secs(AGE_SECONDS_MAX + 60))),
        ("a session from a far future", key.sign(buyer, now + days(1))),
        ("nothing", String::new()),
        ("dots", "...".to_owned()),
        ("no base64", format!("{message}.%%%%")),
        ("a long text", "x".repeat(6_000)),
        ("JSON", r#"{"alg":"none"}"#.to_owned()),
    ];
    assert_eq!(taken_for(&door.come(None).await).await, None, "no cookie at all");
    for (what, value) in nobody {
        let client = door.come(Some(format!("{COOKIE}={value}"))).await;
        assert_eq!(taken_for(&client).await, None, "{what}");
    }
    let among_others = format!("a=b; {COOKIE}=forged; {COOKIE}={good}; c=d");
    assert_eq!(taken_for(&door.come(Some(among_others)).await).await, Some(buyer), "a good one among others");
    let other_name = format!("x{COOKIE}={good}");
    assert_eq!(taken_for(&door.come(Some(other_name)).await).await, None, "a cookie of another name");
}

#[tokio::test(flavor = "multi_thread")]
async fn asking_for_another_identity_by_hand_changes_nothing() {
    let door = Door::open().await;
    let buyer = BuyerId::generate();
    let (guest, nobody) = (door.guest(buyer).await, door.come(None).await);
    let forged = serde_json::json!({"header": {"Cookie": [format!("{COOKIE}={}", door.key().sign(BuyerId::generate(), Timestamp::now()))]}});
    for params in [forged, serde_json::json!({"buyer": BuyerId::generate()}), Value::Null] {
        for client in [&guest, &nobody] {
            let _answered = client.auth("identity.session", "authenticate", params.clone()).await;
        }
        assert_eq!(taken_for(&guest).await, Some(buyer), "{params}");
        assert_eq!(taken_for(&nobody).await, None, "{params}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_21_an_open_connection_is_known_after_the_service_was_killed_and_a_new_one_without_keydb() {
    let door = Door::open().await;
    let buyer = BuyerId::generate();
    let before = door.guest(buyer).await;
    // It has not asked yet: the gateway would answer from what it remembers.
    door.identity.kill().await;
    door.identity.restart().await.unwrap();
    door.identity.until_ready(PATIENCE).await.unwrap();
    assert_eq!(taken_for(&before).await, Some(buyer), "KeyDB remembers who is behind an open connection");
    door.world.keydb().kill().await;
    wait_until("a service that is ready without KeyDB", PATIENCE, || async {
        let (status, body) = door.identity.get("/readyz").await?;
        if status == 200 && body.contains(r#""keydb":"degraded""#) { Ok(()) } else { Err(body) }
    })
    .await;
    assert_eq!(taken_for(&door.guest(buyer).await).await, Some(buyer), "a new connection without KeyDB");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_keydb_hangs_an_unknown_connection_is_an_error_and_not_nobody() {
    let door = Door::open().await;
    let buyer = BuyerId::generate();
    let before = door.guest(buyer).await;
    door.identity.kill().await;
    door.identity.restart().await.unwrap();
    wait_until("a service that is connected with KeyDB", PATIENCE, || async {
        let (_, body) = door.identity.get("/readyz").await?;
        if body.contains(r#""keydb":"up""#) { Ok(()) } else { Err(body) }
    })
    .await;
    door.world.keydb().pause();
    let error = before.subscribe(ME).await.unwrap_err();
    door.world.keydb().resume();
    assert_ne!(error.code, "system.notFound", "silence was taken for an answer: {error}");
    wait_until("the buyer again", PATIENCE, || async {
        match before.subscribe(ME).await {
            Ok(_) => Ok(()),
            Err(error) if error.code == "system.notFound" => panic!("the connection was forgotten"),
            Err(error) => Err(error.to_string()),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_waits_for_its_broker_for_as_long_as_it_takes() {
    let world = World::builder().nats().start().await.unwrap();
    world.nats().kill().await;
    let late = async {
        // Longer than any single request to the broker may take.
        tokio::time::sleep(Duration::from_secs(8)).await;
        world.nats().restart().await.unwrap();
    };
    let (identity, ()) = tokio::join!(world.service("livehouse-identity").start(), late);
    identity.unwrap();
}

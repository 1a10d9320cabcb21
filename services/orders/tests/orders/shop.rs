//! A shop to test in: the real tickets, orders and identity services, a gateway, and two events in a small theatre.

use std::time::Duration;

use deadpool_postgres::Pool;
use jiff::Timestamp;
use livehouse_contract::id::{BuyerId, EventId, HoldId};
use livehouse_contract::path;
use livehouse_platform::postgres;
use livehouse_platform::session::{COOKIE, Key};
use livehouse_seating::generate;
use livehouse_testkit::parts::ResgateOptions;
use livehouse_testkit::{ConnectOptions, ResClient, Service, World, wait_until};
use serde_json::{Value, json};

/// Long enough for anything on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A running shop.
pub(crate) struct Shop {
    _services: [Service; 2],
    pub(crate) orders: Service,
    pub(crate) world: World,
    pub(crate) client: async_nats::Client,
    /// The orders service's database.
    pub(crate) pool: Pool,
    /// The tickets service's database.
    pub(crate) tickets: Pool,
    /// An event that costs money.
    pub(crate) concert: EventId,
    /// An event that costs nothing.
    pub(crate) rehearsal: EventId,
    seats: Vec<String>,
}

/// Somebody with a session and a hold.
pub(crate) struct Buyer {
    pub(crate) id: BuyerId,
    pub(crate) browser: ResClient,
    pub(crate) hold: HoldId,
    pub(crate) held: Value,
}

impl Shop {
    /// Opens a shop whose holds last so long.
    pub(crate) async fn open(hold_seconds: u32) -> Self {
        let builder = World::builder().nats().keydb().postgres("tickets").postgres("orders");
        let world = builder.resgate_with(ResgateOptions::default().patient()).start().await.unwrap();
        for package in ["livehouse-tickets", "livehouse-orders"] {
            world.service(package).argument("migrate").run().await.unwrap();
        }
        let plan = world.folder().join("theatre.json");
        std::fs::write(&plan, generate::studio().canonical_json()).unwrap();
        let import = async |name: &str, price: &str| {
            let command =
                world.service("livehouse-tickets").argument("import").argument(plan.to_str().unwrap());
            let said = command
                .argument("--json")
                .argument("--name")
                .argument(name)
                .argument("--price")
                .argument(price);
            let said: Value = serde_json::from_str(&said.run().await.unwrap()).unwrap();
            said["event"].as_str().unwrap().parse::<EventId>().unwrap()
        };
        let (concert, rehearsal) = (import("Concert", "5000").await, import("Rehearsal", "0").await);
        let pool = postgres::pool_of(&world.postgres_url("orders"), 4, "test", "").unwrap();
        let tickets = postgres::pool_of(&world.postgres_url("tickets"), 4, "test", "").unwrap();
        let set = format!(
            "update event set hold_seconds = {hold_seconds}, seats_per_buyer_max = 100, version = version + 1"
        );
        tickets.get().await.unwrap().batch_execute(&set).await.unwrap();
        let orders = world.service("livehouse-orders").start().await.unwrap();
        let services = [
            world.service("livehouse-tickets").start().await.unwrap(),
            world.service("livehouse-identity").start().await.unwrap(),
        ];
        let client = async_nats::connect(world.nats().url()).await.unwrap();
        let layout = generate::studio();
        let rows = layout.sections.into_iter().flat_map(|section| section.rows);
        let seats = rows.flat_map(|row| row.seats).map(|seat| seat.id).collect();
        Self { _services: services, orders, world, client, pool, tickets, concert, rehearsal, seats }
    }

    /// A browser of this buyer.
    pub(crate) async fn browser(&self, buyer: BuyerId) -> ResClient {
        let key = Key::from_file(self.world.session_key_file()).unwrap();
        let cookie = format!("{COOKIE}={}", key.sign(buyer, Timestamp::now()));
        ResClient::connect_with(&self.world.resgate().live_url(), ConnectOptions::cookie(cookie))
            .await
            .unwrap()
    }

    /// The id of a seat.
    pub(crate) fn seat(&self, number: usize) -> &str {
        &self.seats[number]
    }

    /// A new buyer who holds these seats of an event.
    pub(crate) async fn buyer(&self, event: EventId, seats: std::ops::Range<usize>) -> Buyer {
        let id = BuyerId::generate();
        let browser = self.browser(id).await;
        let wish = json!({"seats": &self.seats[seats], "key": id});
        let held = wait_until("a hold", PATIENCE, || async {
            browser.call(&path::event(event), "hold", wish.clone()).await.map_err(|error| error.to_string())
        })
        .await;
        Buyer { id, browser, hold: held["hold"].as_str().unwrap().parse().unwrap(), held }
    }

    /// How many seats of an event are free, by the tickets database.
    pub(crate) async fn free(&self, event: EventId) -> i64 {
        let asked = "select count(*) from seat join event on number = event where id = $1 and state = 'f'";
        self.tickets.get().await.unwrap().query_one(asked, &[&event.as_uuid()]).await.unwrap().get(0)
    }

    /// All seats of an event are free again.
    pub(crate) async fn until_all_free(&self, event: EventId) {
        let all = self.seats.len() as i64;
        wait_until("every seat to be free", PATIENCE, || async {
            let free = self.free(event).await;
            if free == all { Ok(()) } else { Err(format!("{free} of {all} are free")) }
        })
        .await;
    }

    /// One number from the orders database.
    pub(crate) async fn count(&self, query: &str) -> i64 {
        self.pool.get().await.unwrap().query_one(query, &[]).await.unwrap().get(0)
    }

    /// Everything told has been taken note of: nothing waits in an outbox or at a consumer.
    pub(crate) async fn settled(&self) {
        let jetstream = async_nats::jetstream::new(self.client.clone());
        wait_until("nothing left to tell or to hear", PATIENCE, || async {
            let mut waiting = self.count("select count(*) from outbox").await.unsigned_abs();
            let tickets = self.tickets.get().await.map_err(|error| error.to_string())?;
            waiting += tickets
                .query_one("select count(*) from outbox", &[])
                .await
                .unwrap()
                .get::<_, i64>(0)
                .unsigned_abs();
            let stream = jetstream.get_stream(path::FACT_STREAM).await.map_err(|error| error.to_string())?;
            let consumers = [
                "orders-holds_ended",
                "orders-holds_changed",
                "orders-holds_sold",
                "tickets-order_paid",
                "tickets-order_closed",
            ];
            for consumer in consumers {
                let info = stream.consumer_info(consumer).await.map_err(|error| error.to_string())?;
                waiting += info.num_pending + info.num_ack_pending as u64;
            }
            if waiting == 0 { Ok(()) } else { Err(format!("{waiting} facts wait")) }
        })
        .await;
    }

    /// The operator's audit of both services finds nothing.
    pub(crate) async fn audit(&self) {
        for package in ["livehouse-tickets", "livehouse-orders"] {
            self.world.service(package).argument("audit").argument("--json").run().await.unwrap();
        }
    }

    /// Everything that a fact or a request could change, in both databases.
    pub(crate) async fn fingerprint(&self) -> String {
        let orders = "select coalesce(md5(string_agg(orders::text, ',' order by id)), '') from orders";
        let tickets = "select md5(concat( \
            (select string_agg(seat::text, ',' order by event, seat) from seat), \
            (select string_agg(section::text, ',' order by event, number) from section), \
            (select string_agg(hold::text, ',' order by id) from hold), \
            (select string_agg(allowance::text, ',' order by event, buyer) from allowance), \
            (select string_agg(ticket::text, ',' order by id) from ticket)))";
        let orders: String = self.pool.get().await.unwrap().query_one(orders, &[]).await.unwrap().get(0);
        let tickets: String = self.tickets.get().await.unwrap().query_one(tickets, &[]).await.unwrap().get(0);
        format!("{orders} {tickets}")
    }
}

impl Buyer {
    /// Orders the hold and waits until the order is live.
    pub(crate) async fn order(&self) -> String {
        let params = json!({"hold": self.hold, "email": "somebody@example.org", "key": "order"});
        self.browser.call_for_resource("orders", "new", params).await.unwrap()
    }

    /// Waits until the order has this state, and answers its model.
    pub(crate) async fn until(&self, order: &str, state: &str) -> serde_json::Map<String, Value> {
        let what = format!("an order that is {state}");
        self.browser.wait_for_model(order, &what, PATIENCE, |model| model["state"] == state).await
    }
}

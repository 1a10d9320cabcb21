//! A place to work in: a broker with the streams of facts, and a database with the tables that services have.

use std::time::Duration;

use async_nats::jetstream;
use async_nats::jetstream::consumer::pull;
use deadpool_postgres::Pool;
use futures::StreamExt;
use livehouse_contract::fact::Fact;
use livehouse_contract::id::FactId;
use livehouse_contract::path;
use livehouse_platform::bus::{self, FACT_ID_HEADER, dead_letter};
use livehouse_platform::postgres;
use livehouse_testkit::World;
use serde::{Deserialize, Serialize};

/// Long enough for anything on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

const TABLES: &str = "\
    create table outbox (number bigint generated always as identity primary key, fact uuid not null, \
        subject text not null, payload text not null, written_at timestamptz not null default now(), traceparent text); \
    create table lease (key text primary key, holder text, epoch bigint not null default 0, \
        expires_at timestamptz not null default '-infinity'); \
    create table lease_replica (replica text primary key, seen_until timestamptz not null); \
    create table handled (what text primary key)";

/// Something that happened.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Happened {
    pub(crate) what: String,
}

impl Fact for Happened {
    const SUBJECT: &'static str = "fact.test.happened.v1";
}

/// What a test works with.
pub(crate) struct Place {
    pub(crate) world: World,
    pub(crate) jetstream: jetstream::Context,
    pub(crate) pool: Pool,
}

impl Place {
    /// A place whose servers are its own: they may be stopped.
    pub(crate) async fn open() -> Self {
        let world = World::builder().nats().own_postgres().postgres("test").start().await.unwrap();
        let client = async_nats::connect(world.nats().url()).await.unwrap();
        let jetstream = bus::ensure_streams(&client).await.unwrap();
        let pool = postgres::pool_of(&world.postgres_url("test"), 4, "test", "").unwrap();
        pool.get().await.unwrap().batch_execute(TABLES).await.unwrap();
        Self { world, jetstream, pool }
    }

    /// Tells a fact as a relay would.
    pub(crate) async fn tell(&self, what: &str) {
        let mut headers = async_nats::HeaderMap::new();
        headers.insert(FACT_ID_HEADER, FactId::generate().to_string().as_str());
        let payload = serde_json::to_vec(&Happened { what: what.to_owned() }).unwrap();
        let told =
            self.jetstream.publish_with_headers(Happened::SUBJECT, headers, payload.into()).await.unwrap();
        told.await.unwrap();
    }

    /// What every fact in the stream says.
    pub(crate) async fn told(&self) -> Vec<String> {
        let stream = self.jetstream.get_stream(path::FACT_STREAM).await.unwrap();
        let reader = stream.create_consumer(pull::Config::default()).await.unwrap();
        let waiting = usize::try_from(reader.cached_info().num_pending).unwrap();
        let messages =
            reader.fetch().max_messages(waiting).expires(Duration::from_secs(5)).messages().await.unwrap();
        let read = |payload: &[u8]| serde_json::from_slice::<Happened>(payload).unwrap().what;
        messages.map(|message| read(&message.unwrap().payload)).collect().await
    }

    /// How many dead letters there are.
    pub(crate) async fn dead_letters(&self) -> u64 {
        dead_letter::count(&self.jetstream).await.unwrap()
    }

    /// One number from the database.
    pub(crate) async fn number(&self, query: &str) -> i64 {
        self.pool.get().await.unwrap().query_one(query, &[]).await.unwrap().get(0)
    }
}

//! Servers that all tests of one program share: started once, gone with the program.

use std::{
    collections::HashMap,
    future::Future,
    path::PathBuf,
    pin::Pin,
    sync::atomic::{AtomicU32, Ordering},
};

use anyhow::Context;
use livehouse_parts::{
    NatsOptions, NatsServer, PostgresOptions, PostgresServer, discard_folder_with_this_process,
};
use tokio::sync::{Mutex, OnceCell};

type Migrated = Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send>>;

/// A database with its tables, made once per program and copied for every test.
#[derive(Clone, Copy, Debug)]
pub struct Template {
    /// Its name, one per set of migrations.
    pub name: &'static str,
    /// Makes the tables in the empty database at this URL, and is connected to it no longer when it is done.
    pub migrate: fn(String) -> Migrated,
}

/// The Postgres of this program. It does not wait for the disk: a test that is about durability has its own.
pub(crate) async fn postgres() -> anyhow::Result<&'static PostgresServer> {
    static POSTGRES: OnceCell<PostgresServer> = OnceCell::const_new();
    POSTGRES
        .get_or_try_init(|| async {
            let options = PostgresOptions { durable: false, ..PostgresOptions::default() };
            Ok(PostgresServer::start(folder("postgres")?, options).await?)
        })
        .await
}

/// The nats-server of this program, for tests that use names of their own.
pub(crate) async fn nats() -> anyhow::Result<&'static NatsServer> {
    static NATS: OnceCell<NatsServer> = OnceCell::const_new();
    NATS.get_or_try_init(|| async { Ok(NatsServer::start(folder("nats")?, NatsOptions::default()).await?) })
        .await
}

/// A fresh database on `server` with a name that begins with `name`.
pub(crate) async fn database(
    server: &PostgresServer,
    name: &str,
    template: Option<Template>,
) -> anyhow::Result<String> {
    static NUMBER: AtomicU32 = AtomicU32::new(1);
    let fresh = format!("{name}_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    match template {
        None => server.create_database(&fresh).await?,
        Some(template) => {
            let source = template_database(server, template).await?;
            server.create_from_template(&fresh, &source).await?
        }
    };
    Ok(fresh)
}

/// The template's own database on that server, made at the first request.
async fn template_database(server: &PostgresServer, template: Template) -> anyhow::Result<String> {
    static MADE: Mutex<Option<HashMap<(u16, &'static str), String>>> = Mutex::const_new(None);
    let mut made = MADE.lock().await;
    let made = made.get_or_insert_default();
    let key = (server.port(), template.name);
    let name = format!("template_{}", template.name);
    if made.contains_key(&key) {
        return Ok(name);
    }
    server.drop_database(&name).await?;
    server.create_database(&name).await?;
    (template.migrate)(server.url(&name))
        .await
        .with_context(|| format!("migrate the template database {}", template.name))?;
    // A template may not be in use while it is copied: what the migration left open is closed here.
    let client = server.connect("postgres").await?;
    let close = "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1";
    client.query(close, &[&name]).await.context("close connections to the template")?;
    made.insert(key, name.clone());
    Ok(name)
}

/// A folder that is deleted when this program ends.
fn folder(name: &str) -> anyhow::Result<PathBuf> {
    let folder = crate::world::fresh_folder(name)?.keep();
    discard_folder_with_this_process(&folder)?;
    Ok(folder)
}

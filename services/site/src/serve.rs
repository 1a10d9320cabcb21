//! What the site is made of while it serves. Tests start it the same way.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use async_nats::jetstream;
use livehouse_platform::bus;
use livehouse_platform::health::{self, Condition, Health};
use livehouse_platform::session::Key;
use livehouse_platform::stop::{self, Tasks};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::assets::Assets;
use crate::guard::Guard;
use crate::layouts::Layouts;
use crate::options::Serve;
use crate::pages::{self, Context};
use crate::sale::Sale;

/// Name of the service on the bus.
pub const NAME: &str = "site";
/// How often to look whether Resgate answers.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);
/// How long open requests may take after a stop.
const STOP_DEADLINE: Duration = Duration::from_secs(8);

/// Serves until a signal.
pub async fn run(mut options: Serve) -> anyhow::Result<()> {
    let stop = stop::on_signal()?;
    let replica = options.common.replica_name(NAME);
    let health = Health::awaiting(&["nats", "resgate"]);
    health::serve(&options.common, health.clone(), stop.clone()).await?;
    let key = Key::from_file(&options.session_key_file)?;
    let assets = Assets::read(&options.web_dist)?;
    let client = bus::connect(&options.common.nats_url, &replica, health.clone()).await?;
    let listener = TcpListener::bind(options.site_bind)
        .await
        .with_context(|| format!("cannot listen on {}: choose another --site-bind", options.site_bind))?;
    let address = listener.local_addr()?;
    let site_url = options.site_url.clone().unwrap_or_else(|| format!("http://{address}"));
    let context = Arc::new(Context {
        sale: Sale::new(&options.resgate_url)?,
        layouts: Layouts::new(jetstream::new(client)),
        pages: pages::Pages::new(assets, &site_url, &options.live_url)?,
    });
    let tasks = Tasks::new(stop.clone());
    tasks.spawn("watch of Resgate", watch_resgate(context.clone(), health, stop.clone()));
    let guard = Guard::new(key, &site_url, &options.live_url)?;
    let routes = pages::routes(context, guard, &options);
    tracing::info!(replica, %address, site_url, "site is serving");
    let serving = axum::serve(listener, routes).with_graceful_shutdown(stop.clone().cancelled_owned());
    let deadline = async {
        stop.cancelled().await;
        tokio::time::sleep(STOP_DEADLINE).await;
    };
    tokio::select! {
        served = serving => served?,
        () = deadline => tracing::warn!("requests were still open at the end of the stop"),
    }
    tracing::info!(replica, "site has stopped");
    tasks.outcome()
}

async fn watch_resgate(context: Arc<Context>, health: Health, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(PROBE_INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let condition = if context.sale.is_reachable().await { Condition::Up } else { Condition::Down };
        health.set("resgate", condition);
    }
}

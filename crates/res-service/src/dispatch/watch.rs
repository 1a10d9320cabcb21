//! What is looked at now and then, whatever comes in.

use std::time::Duration;

use tokio::time::Instant;

use crate::router::waited_too_long;
use crate::service::Service;

use super::go_through;

/// How often overdue requests and the state of the connection are looked at.
const WATCH_EVERY: Duration = Duration::from_millis(100);

/// Sends pre-responses for what takes long, answers for what has waited too long, and notices when the connection has been
/// away.
pub(crate) async fn watch(service: Service) {
    let connects = || service.connection().connects();
    let mut known = connects();
    let mut last_seen = Instant::now();
    let mut ticks = tokio::time::interval(WATCH_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let now = Instant::now();
        for in_flight in [service.gets(), service.calls(), service.accesses()] {
            for pre_response in in_flight.overdue(now) {
                service.pre_respond(pre_response).await;
            }
        }
        for late in service.calls().too_late(now) {
            go_through(service.refuse_busy(late.reply)).await;
        }
        for late in service.gets().too_late(now) {
            // Gateways are made to ask again when its turn comes.
            go_through(service.refuse(late.reply, &waited_too_long(), &late.name)).await;
        }
        if service.connection().is_connected() {
            if connects() != known {
                known = connects();
                tracing::warn!("the connection to NATS was away; gateways are made to ask again");
                service.reset_after_reconnect(
                    last_seen.checked_sub(Duration::from_secs(1)).unwrap_or(last_seen),
                );
            }
            last_seen = now;
        }
    }
}

//! The end of a subscription.

use std::time::Duration;

use async_nats::Subject;
use bytes::Bytes;
use tokio::time::Instant;

use crate::connection::Subscription;
use crate::service::Service;

use super::{Kind, go_through, take};

/// Messages after which the server ends the subscriptions of a stopping service: more than can be on their way.
/// (Simulated networks are slower to send, and have less on their way.)
const LAST_REQUESTS: u64 = if cfg!(test) { 16 } else { 1024 };
/// How long to wait for the next of them before more are sent.
const LAST_REQUESTS_PAUSE: Duration = Duration::from_millis(10);
/// How long all of this may take.
const LAST_REQUESTS_TIME_MAX: Duration = Duration::from_secs(2);

/// Ends a subscription without losing a request; false if that took too long.
///
/// The client forgets a drained subscription a moment before the server does, and drops what comes in between. So the
/// server is asked to end it after some more messages, and those are sent here where no requests make them up. They
/// have no reply subject, so whoever gets them passes them over.
pub(super) async fn take_last(
    service: &Service,
    kind: Kind,
    subscription: &mut Subscription,
    taken: u64,
) -> bool {
    if subscription.unsubscribe_after(taken + LAST_REQUESTS).await.is_err() {
        return false;
    }
    let fill = fill_subjects(kind, service.name());
    let end = Instant::now() + LAST_REQUESTS_TIME_MAX;
    while Instant::now() < end {
        for _ in 0..LAST_REQUESTS / 4 {
            for subject in &fill {
                service.send(subject.clone(), Bytes::new()).await;
            }
        }
        while let Ok(message) = tokio::time::timeout(LAST_REQUESTS_PAUSE, subscription.next()).await {
            match message {
                Some(message) => go_through(take(service, kind, message, Instant::now())).await,
                None => return true,
            }
        }
    }
    false
}

/// Subjects that reach every subscription of a kind.
fn fill_subjects(kind: Kind, name: &str) -> Vec<Subject> {
    let subjects = match kind {
        Kind::Get => vec![format!("get.{name}"), format!("get.{name}.end")],
        Kind::Access => vec![format!("access.{name}"), format!("access.{name}.end")],
        Kind::Call => vec![format!("call.{name}.end")],
        Kind::Auth => vec![format!("auth.{name}.end")],
        _ => Vec::new(),
    };
    subjects.into_iter().map(Subject::from).collect()
}

//! A replica that does not own a resource tells the owner of its changes.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::Service;
use crate::group::Route;
use crate::router;
use crate::statistics::count;
use crate::trace::{TraceContext, within};

/// How often a stop looks whether all owners have been told.
const HINTS_LOOK_EVERY: Duration = Duration::from_millis(5);

impl Service {
    /// Tells the owner of a change, one message at a time for each resource.
    pub(crate) fn hint(&self, route: Route) {
        {
            let mut hints = self.inner.hints.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(again) = hints.get_mut(&route.name) {
                *again = true;
                count(&self.statistics().refreshes_conflated);
                return;
            }
            if hints.len() < self.limits().queue_capacity {
                hints.insert(Arc::clone(&route.name), false);
                let told = within(TraceContext::current(), self.clone().hint_until_told(route));
                self.spawn(told);
                return;
            }
        }
        // So many that gateways had better ask by themselves; all of this moment in one message.
        self.resets().twice([route.name.to_string()]);
    }

    /// Waits until the owners know of every change that was told here.
    pub(super) async fn hints_told(&self) {
        while !self.inner.hints.lock().unwrap_or_else(PoisonError::into_inner).is_empty() {
            tokio::time::sleep(HINTS_LOOK_EVERY).await;
        }
    }

    async fn hint_until_told(self, route: Route) {
        loop {
            router::hint(self.clone(), route.clone()).await;
            let mut hints = self.inner.hints.lock().unwrap_or_else(PoisonError::into_inner);
            match hints.get_mut(&route.name) {
                Some(again) if *again => *again = false,
                _ => {
                    hints.remove(&route.name);
                    return;
                }
            }
        }
    }
}

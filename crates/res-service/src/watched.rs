//! A value whose changes can be waited for. Waiters are woken in the order in which they began to wait, which lets a
//! simulated history run a second time exactly as the first.

use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

pub(crate) struct Watched<T> {
    value: Mutex<T>,
    changed: Notify,
}

impl<T: Copy> Watched<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { value: Mutex::new(value), changed: Notify::new() }
    }

    pub(crate) fn get(&self) -> T {
        *self.value.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the value; gives what it was before.
    pub(crate) fn change(&self, change: impl FnOnce(T) -> T) -> T {
        let mut value = self.value.lock().unwrap_or_else(PoisonError::into_inner);
        let before = *value;
        *value = change(before);
        drop(value);
        self.changed.notify_waiters();
        before
    }

    /// Returns when the value is as wanted.
    pub(crate) async fn wait_for(&self, wanted: impl Fn(T) -> bool) {
        loop {
            let changed = self.changed.notified();
            if wanted(self.get()) {
                return;
            }
            changed.await;
        }
    }
}

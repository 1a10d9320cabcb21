//! The requests being worked on: how many may be, and who has waited so long that the gateway must be told.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::Subject;
use tokio::sync::Notify;
use tokio::time::Instant;

/// A request not answered for so long is followed by a pre-response. Gateways give up after 3 s by default.
const PRE_RESPONSE_AFTER: Duration = Duration::from_secs(1);
/// A pre-response is repeated after so long, well before the 10 s it asked for have passed.
const PRE_RESPONSE_EVERY: Duration = Duration::from_secs(8);
/// The pre-response itself, byte for byte.
pub(crate) const PRE_RESPONSE: &[u8] = b"timeout:\"10000\"";

/// A bounded set of requests in work.
pub(crate) struct InFlight {
    capacity: usize,
    slots: Mutex<Slots>,
    emptied: Notify,
}

#[derive(Default)]
struct Slots {
    taken: usize,
    waiting: Vec<Option<Waiting>>,
    free: Vec<usize>,
    /// Whether anybody has asked when nothing is in work any more: only a service that stops does.
    end_is_awaited: bool,
}

struct Waiting {
    reply: Subject,
    pre_response_at: Instant,
}

/// The place of one request; leaving it is dropping this.
pub(crate) struct Slot {
    of: Arc<InFlight>,
    index: usize,
}

impl InFlight {
    pub(crate) fn new(capacity: usize) -> Arc<Self> {
        Arc::new(Self { capacity, slots: Mutex::default(), emptied: Notify::new() })
    }

    /// A place for a request, which keeps where to answer; gives that back if as many as allowed are taken.
    pub(crate) fn enter(self: &Arc<Self>, reply: Subject, now: Instant) -> Result<Slot, Subject> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.taken >= self.capacity {
            return Err(reply);
        }
        slots.taken += 1;
        let waiting = Some(Waiting { reply, pre_response_at: now + PRE_RESPONSE_AFTER });
        let index = if let Some(index) = slots.free.pop() {
            slots.waiting[index] = waiting;
            index
        } else {
            slots.waiting.push(waiting);
            slots.waiting.len() - 1
        };
        Ok(Slot { of: Arc::clone(self), index })
    }

    /// Who must get a pre-response now; each is told once, and again only after [`PRE_RESPONSE_EVERY`].
    pub(crate) fn overdue(&self, now: Instant) -> Vec<Subject> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let overdue = slots.waiting.iter_mut().flatten().filter(|waiting| waiting.pre_response_at <= now);
        overdue
            .map(|waiting| {
                waiting.pre_response_at = now + PRE_RESPONSE_EVERY;
                waiting.reply.clone()
            })
            .collect()
    }

    pub(crate) fn taken(&self) -> usize {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner).taken
    }

    /// Waits until nothing is in work.
    pub(crate) async fn emptied(&self) {
        loop {
            let emptied = self.emptied.notified();
            {
                let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
                slots.end_is_awaited = true;
                if slots.taken == 0 {
                    return;
                }
            }
            emptied.await;
        }
    }
}

impl Slot {
    /// Where to answer, for who answers now: nothing is said there after this. `None` if that has been asked before.
    pub(crate) fn take_reply(&self) -> Option<Subject> {
        let mut slots = self.of.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.waiting[self.index].take().map(|waiting| waiting.reply)
    }

    /// Where the answer will go.
    pub(crate) fn reply(&self) -> Option<Subject> {
        let slots = self.of.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.waiting[self.index].as_ref().map(|waiting| waiting.reply.clone())
    }

    /// Takes note that the pre-response is being sent by the caller; false if it has been sent before.
    pub(crate) fn pre_respond(&self, now: Instant, received: Instant) -> bool {
        let mut slots = self.of.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(waiting) = &mut slots.waiting[self.index] else { return false };
        if waiting.pre_response_at != received + PRE_RESPONSE_AFTER {
            return false;
        }
        waiting.pre_response_at = now + PRE_RESPONSE_EVERY;
        true
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut slots = self.of.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.waiting[self.index] = None;
        slots.free.push(self.index);
        slots.taken -= 1;
        if slots.taken == 0 && slots.end_is_awaited {
            self.of.emptied.notify_waiters();
        }
    }
}

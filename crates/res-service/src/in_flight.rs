//! The requests being worked on: how many may be, and who has waited so long that the gateway must be told.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_nats::Subject;
use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::Instant;

/// A request not answered for so long is followed by a pre-response: a third of the time that gateways wait, within these.
const PRE_RESPONSE_AFTER_MIN: Duration = Duration::from_millis(250);
const PRE_RESPONSE_AFTER_MAX: Duration = Duration::from_secs(1);
/// A pre-response is repeated after so long, well before the 10 s it asked for have passed.
const PRE_RESPONSE_EVERY: Duration = Duration::from_secs(8);
/// The pre-response itself, byte for byte.
const PRE_RESPONSE: &[u8] = b"timeout:\"10000\"";
/// A time that a handler has asked for is asked for again when a fifth of it is left, or so much.
const REPEATED_BEFORE_END: Duration = Duration::from_secs(2);

/// A bounded set of requests in work.
pub(crate) struct InFlight {
    capacity: usize,
    request_timeout: Duration,
    time_max: Duration,
    pre_response_after: Duration,
    slots: Mutex<Slots>,
    emptied: Notify,
}

#[derive(Default)]
struct Slots {
    taken: usize,
    places: Vec<Place>,
    free: Vec<usize>,
    /// Whether anybody has asked when nothing is in work any more: only a service that stops does.
    end_is_awaited: bool,
}

#[derive(Default)]
struct Place {
    /// How many have been here.
    generation: u64,
    waiting: Option<Waiting>,
}

struct Waiting {
    reply: Subject,
    pre_response_at: Instant,
    /// Whether a pre-response has been sent.
    is_told: bool,
    /// While it waits for the turn of its group: until when that must have come, and the name of its resource.
    turn: Option<(Instant, Arc<str>)>,
}

/// Whether the turn of a request has come in time.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Punctuality {
    InTime,
    /// It must not be done any more, and is still to be answered.
    Late,
    /// The same, and it has been answered.
    Answered,
}

/// Who has waited too long for its turn.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Late {
    pub(crate) reply: Subject,
    /// The name of the resource.
    pub(crate) name: Arc<str>,
}

/// The place of one request; leaving it is dropping this.
pub(crate) struct Slot {
    of: Arc<InFlight>,
    index: usize,
    generation: u64,
}

/// Which request it is, for who does not keep its place.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct SlotKey {
    index: usize,
    generation: u64,
}

/// Something to say to who waits.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PreResponse {
    pub(crate) reply: Subject,
    pub(crate) payload: Bytes,
}

impl InFlight {
    /// Places for so many requests of gateways that wait so long, each of which is worked on for `time_max` at most.
    pub(crate) fn new(capacity: usize, request_timeout: Duration, time_max: Duration) -> Arc<Self> {
        let pre_response_after = (request_timeout / 3).clamp(PRE_RESPONSE_AFTER_MIN, PRE_RESPONSE_AFTER_MAX);
        let (slots, emptied) = (Mutex::default(), Notify::new());
        Arc::new(Self { capacity, request_timeout, time_max, pre_response_after, slots, emptied })
    }

    fn lock(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a request, which keeps where to answer; gives that back if as many as allowed are taken.
    pub(crate) fn enter(self: &Arc<Self>, reply: Subject, now: Instant) -> Result<Slot, Subject> {
        let mut slots = self.lock();
        if slots.taken >= self.capacity {
            return Err(reply);
        }
        slots.taken += 1;
        let index = slots.free.pop().unwrap_or_else(|| {
            slots.places.push(Place::default());
            slots.places.len() - 1
        });
        let place = &mut slots.places[index];
        place.generation += 1;
        let pre_response_at = now + self.pre_response_after;
        place.waiting = Some(Waiting { reply, pre_response_at, is_told: false, turn: None });
        Ok(Slot { of: Arc::clone(self), index, generation: place.generation })
    }

    /// The pre-responses that are due; each is repeated only after [`PRE_RESPONSE_EVERY`].
    pub(crate) fn overdue(&self, now: Instant) -> Vec<PreResponse> {
        let mut slots = self.lock();
        let waiting = slots.places.iter_mut().filter_map(|place| place.waiting.as_mut());
        let overdue = waiting.filter(|waiting| waiting.pre_response_at <= now);
        overdue.map(|waiting| waiting.pre_response(now)).collect()
    }

    /// Those who have waited for their turn too long: nothing else is said to them after this.
    pub(crate) fn too_late(&self, now: Instant) -> Vec<Late> {
        let mut slots = self.lock();
        let late = |place: &mut Place| {
            let Waiting { reply, turn, .. } = place.waiting.take_if(|waiting| waiting.is_late(now))?;
            turn.map(|(_, name)| Late { reply, name })
        };
        slots.places.iter_mut().filter_map(late).collect()
    }

    /// The pre-response that tells who waits for this request to wait so long from now on, if anybody still waits. A time
    /// that is shorter than that of the gateway is meant to end, and not repeated.
    pub(crate) fn extend(&self, key: SlotKey, now: Instant, time: Duration) -> Option<PreResponse> {
        let time = time.min(self.time_max);
        let mut slots = self.lock();
        let place = slots.places.get_mut(key.index).filter(|place| place.generation == key.generation)?;
        let waiting = place.waiting.as_mut()?;
        waiting.is_told = true;
        let repeated_after = if time < self.request_timeout {
            self.time_max
        } else {
            time - REPEATED_BEFORE_END.min(time / 5)
        };
        waiting.pre_response_at = now + repeated_after;
        let payload = format!("timeout:\"{}\"", time.as_millis().max(1));
        Some(PreResponse { reply: waiting.reply.clone(), payload: payload.into() })
    }

    pub(crate) fn taken(&self) -> usize {
        self.lock().taken
    }

    /// Waits until nothing is in work.
    pub(crate) async fn emptied(&self) {
        loop {
            let emptied = self.emptied.notified();
            {
                let mut slots = self.lock();
                slots.end_is_awaited = true;
                if slots.taken == 0 {
                    return;
                }
            }
            emptied.await;
        }
    }
}

impl Waiting {
    fn is_late(&self, now: Instant) -> bool {
        self.turn.as_ref().is_some_and(|(until, _)| *until <= now)
    }

    fn pre_response(&mut self, now: Instant) -> PreResponse {
        self.is_told = true;
        self.pre_response_at = now + PRE_RESPONSE_EVERY;
        PreResponse { reply: self.reply.clone(), payload: Bytes::from_static(PRE_RESPONSE) }
    }
}

impl Slot {
    /// Which request this is.
    pub(crate) fn key(&self) -> SlotKey {
        SlotKey { index: self.index, generation: self.generation }
    }

    /// Where to answer, for who answers now: nothing is said there after this. `None` if that has been asked before.
    pub(crate) fn take_reply(&self) -> Option<Subject> {
        self.of.lock().places[self.index].waiting.take().map(|waiting| waiting.reply)
    }

    /// Notes that the request waits for the turn of its group, and until when it may.
    pub(crate) fn wait_for_turn(&self, until: Instant, name: &Arc<str>) {
        if let Some(waiting) = self.of.lock().places[self.index].waiting.as_mut() {
            waiting.turn = Some((until, Arc::clone(name)));
        }
    }

    /// Notes that the turn has come.
    pub(crate) fn take_turn(&self, now: Instant) -> Punctuality {
        let mut slots = self.of.lock();
        let Some(waiting) = slots.places[self.index].waiting.as_mut() else { return Punctuality::Answered };
        let is_late = waiting.is_late(now);
        waiting.turn = None;
        if is_late { Punctuality::Late } else { Punctuality::InTime }
    }

    /// Where the answer will go.
    pub(crate) fn reply(&self) -> Option<Subject> {
        self.of.lock().places[self.index].waiting.as_ref().map(|waiting| waiting.reply.clone())
    }

    /// The first pre-response, before its time; `None` if one has been sent.
    pub(crate) fn pre_respond(&self, now: Instant) -> Option<PreResponse> {
        let mut slots = self.of.lock();
        let waiting = slots.places[self.index].waiting.as_mut().filter(|waiting| !waiting.is_told)?;
        Some(waiting.pre_response(now))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut slots = self.of.lock();
        slots.places[self.index].waiting = None;
        slots.free.push(self.index);
        slots.taken -= 1;
        if slots.taken == 0 && slots.end_is_awaited {
            self.of.emptied.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const MINUTE: Duration = Duration::from_secs(60);

    fn due(in_flight: &InFlight, now: Instant) -> Vec<String> {
        let text = |pre: PreResponse| format!("{} {}", pre.reply, String::from_utf8_lossy(&pre.payload));
        in_flight.overdue(now).into_iter().map(text).collect()
    }

    #[test]
    fn r14_r16_a_pre_response_comes_in_time_and_again_before_its_time_is_over() {
        let (in_flight, start) = (InFlight::new(2, 3 * SECOND, MINUTE), Instant::now());
        let slot = in_flight.enter("a".into(), start).unwrap_or_else(|_| panic!("there is room"));
        assert!(due(&in_flight, start + SECOND * 99 / 100).is_empty());
        for at in [1, 9, 17, 25] {
            assert_eq!(due(&in_flight, start + SECOND * at), ["a timeout:\"10000\""], "after {at} s");
            assert!(due(&in_flight, start + SECOND * (at + 7)).is_empty(), "it asked for ten seconds {at}");
        }
        slot.take_reply().expect("it is answered now");
        assert!(due(&in_flight, start + 60 * SECOND).is_empty(), "nothing is said after the answer");
    }

    #[test]
    fn r16_gateways_that_wait_less_are_told_sooner() {
        let start = Instant::now();
        for (request_timeout, after) in [(0, 250), (900, 300), (3_000, 1_000), (60_000, 1_000)] {
            let in_flight = InFlight::new(1, Duration::from_millis(request_timeout), MINUTE);
            let _slot = in_flight.enter("a".into(), start).unwrap_or_else(|_| panic!("there is room"));
            assert!(
                due(&in_flight, start + Duration::from_millis(after - 1)).is_empty(),
                "{request_timeout}"
            );
            assert_eq!(due(&in_flight, start + Duration::from_millis(after)).len(), 1, "{request_timeout}");
        }
    }

    #[test]
    fn who_waits_too_long_for_a_turn_is_answered_once_and_has_it_no_more() {
        let (in_flight, start) = (InFlight::new(4, 3 * SECOND, MINUTE), Instant::now());
        let enter =
            |reply: &str| in_flight.enter(reply.into(), start).unwrap_or_else(|_| panic!("there is room"));
        let slots = ["a", "b", "c", "d"].map(enter);
        let [told, in_time, late, without] = &slots;
        let name: Arc<str> = "test.x".into();
        for (slot, seconds) in [(told, 1), (in_time, 2), (late, 2)] {
            slot.wait_for_turn(start + seconds * SECOND, &name);
        }
        assert!(in_flight.too_late(start + SECOND / 2).is_empty());
        assert_eq!(in_flight.too_late(start + SECOND), [Late { reply: "a".into(), name }]);
        assert_eq!(told.take_turn(start), Punctuality::Answered);
        assert_eq!(told.take_reply(), None);
        assert_eq!(in_time.take_turn(start + SECOND), Punctuality::InTime);
        assert_eq!(late.take_turn(start + 2 * SECOND), Punctuality::Late);
        assert!(in_flight.too_late(start + MINUTE).is_empty(), "those in their turn do not wait for it");
        assert_eq!(without.take_turn(start + MINUTE), Punctuality::InTime);
        for slot in [in_time, late, without] {
            assert!(slot.take_reply().is_some());
        }
    }

    #[test]
    fn r14_what_a_handler_asks_for_is_said_and_asked_for_again_before_it_is_over() {
        let (in_flight, start) = (InFlight::new(1, 3 * SECOND, MINUTE), Instant::now());
        let slot = in_flight.enter("a".into(), start).unwrap_or_else(|_| panic!("there is room"));
        let key = slot.key();
        for (time, payload, again) in [
            (MINUTE, "timeout:\"60000\"", 58 * SECOND),
            (2 * MINUTE, "timeout:\"60000\"", 58 * SECOND),
            (5 * SECOND, "timeout:\"5000\"", 4 * SECOND),
            // Less than the gateway waits anyway.
            (SECOND, "timeout:\"1000\"", MINUTE),
            (Duration::ZERO, "timeout:\"1\"", MINUTE),
        ] {
            let told = in_flight.extend(key, start, time).expect("somebody waits");
            assert_eq!((told.reply.as_str(), &*told.payload), ("a", payload.as_bytes()));
            assert!(due(&in_flight, start + again - Duration::from_millis(1)).is_empty(), "{time:?}");
            assert_eq!(due(&in_flight, start + again).len(), 1, "{time:?}");
        }
        assert_eq!(slot.pre_respond(start), None, "it has been told");
        drop(slot);
        let other = in_flight.enter("b".into(), start).unwrap_or_else(|_| panic!("there is room"));
        assert_eq!(in_flight.extend(key, start, SECOND), None, "the place is another's now");
        assert!(other.pre_respond(start).is_some());
    }
}

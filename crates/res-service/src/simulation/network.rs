//! A broker and the connections to it, in virtual time: each direction of a connection keeps its order and takes a
//! random time; connections break and come back, are cut for good, or fall silent without the broker noticing.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_nats::{HeaderMap, Message, StatusCode, Subject};
use bytes::Bytes;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use super::random::Random;

mod connection;

pub(crate) use connection::{SimulatedConnection, SimulatedSubscription};

/// After this time the broker gives up a connection that has fallen silent.
const SILENCE_MAX: Duration = Duration::from_secs(240);
/// What a message takes at most in one direction, unless the connection is slow.
const ORDINARY_DELAY_MILLISECONDS: u64 = 3;

/// Messages that may wait for a subscriber; one that lets more come together is cut off, as by the real broker.
const QUEUE_CAPACITY: usize = 8192;

#[derive(Clone)]
pub(crate) struct Network {
    state: Arc<Mutex<State>>,
    wake: Arc<Notify>,
}

struct State {
    random: Random,
    number: u64,
    due: BinaryHeap<Reverse<Due>>,
    peers: Vec<Peer>,
    /// In the order in which the broker got to know them.
    interests: Vec<Interest>,
    /// Of everything that was delivered, to tell two runs of one seed apart.
    fingerprint: u64,
}

/// One side of a connection.
struct Peer {
    life: Life,
    connects: u64,
    /// Grows when the connection breaks: what was on its way then is lost.
    generation: u64,
    delay_milliseconds: u64,
    up_until: Instant,
    down_until: Instant,
    local: BTreeMap<u64, Local>,
    /// What was published while the connection was away, and goes out when it is back.
    buffer: Vec<Frame>,
    inboxes: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Life {
    Connected,
    Away,
    /// Nothing comes through in either direction, and the broker does not know.
    Silent,
    Ended,
}

struct Local {
    pattern: String,
    queue: Option<String>,
    sender: mpsc::Sender<Message>,
    received: u64,
    max: Option<u64>,
}

struct Interest {
    peer: usize,
    subscription: u64,
    pattern: Vec<String>,
    queue: Option<String>,
    delivered: u64,
    max: Option<u64>,
}

#[derive(Clone)]
enum Frame {
    Subscribe { subscription: u64, pattern: String, queue: Option<String> },
    Unsubscribe { subscription: u64, max: u64 },
    Publish { subject: Subject, reply: Option<Subject>, headers: Option<HeaderMap>, payload: Bytes },
}

struct Due {
    at: Instant,
    number: u64,
    peer: usize,
    generation: u64,
    action: Action,
}

enum Action {
    Arrive(Frame),
    Deliver { subscription: u64, message: Message },
    ComeBack,
    GiveUp,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

impl Network {
    pub(crate) fn start(random: &Random) -> Self {
        let state = State {
            random: random.clone(),
            number: 0,
            due: BinaryHeap::new(),
            peers: Vec::new(),
            interests: Vec::new(),
            fingerprint: 0,
        };
        let network = Self { state: Arc::new(Mutex::new(state)), wake: Arc::default() };
        tokio::spawn(network.clone().run());
        network
    }

    async fn run(self) {
        loop {
            let next = self.lock().work(Instant::now());
            match next {
                Some(at) => tokio::select! {
                    biased;
                    () = self.wake.notified() => {}
                    () = tokio::time::sleep_until(at) => {}
                },
                None => self.wake.notified().await,
            }
        }
    }

    pub(crate) fn connect(&self) -> SimulatedConnection {
        let mut state = self.lock();
        let now = Instant::now();
        state.peers.push(Peer {
            life: Life::Connected,
            connects: 1,
            generation: 0,
            delay_milliseconds: ORDINARY_DELAY_MILLISECONDS,
            up_until: now,
            down_until: now,
            local: BTreeMap::new(),
            buffer: Vec::new(),
            inboxes: 0,
        });
        SimulatedConnection { network: self.clone(), peer: state.peers.len() - 1 }
    }

    /// Differs between two runs in which not exactly the same was delivered at the same times.
    pub(crate) fn fingerprint(&self) -> u64 {
        self.lock().fingerprint
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.wake.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Does all that is due; the answer is when the next is.
    fn work(&mut self, now: Instant) -> Option<Instant> {
        while let Some(Reverse(due)) = self.due.peek() {
            if due.at > now {
                return Some(due.at);
            }
            let Some(Reverse(due)) = self.due.pop() else { break };
            if self.peers[due.peer].generation != due.generation {
                continue;
            }
            match due.action {
                Action::Arrive(frame) => self.arrive(due.peer, frame),
                Action::Deliver { subscription, message } => {
                    self.peers[due.peer].deliver(subscription, message)
                }
                Action::ComeBack => self.come_back(due.peer),
                Action::GiveUp => self.interests.retain(|interest| interest.peer != due.peer),
            }
        }
        None
    }

    fn schedule(&mut self, peer: usize, at: Instant, action: Action) {
        self.number += 1;
        let generation = self.peers[peer].generation;
        self.due.push(Reverse(Due { at, number: self.number, peer, generation, action }));
    }

    fn send_up(&mut self, peer: usize, frame: Frame) {
        match self.peers[peer].life {
            Life::Connected => {
                let delay = self.random.milliseconds(self.peers[peer].delay_milliseconds);
                let at = (Instant::now() + delay).max(self.peers[peer].up_until);
                self.peers[peer].up_until = at;
                self.schedule(peer, at, Action::Arrive(frame));
            }
            Life::Away => self.peers[peer].buffer.push(frame),
            Life::Silent | Life::Ended => {}
        }
    }

    fn send_down(&mut self, peer: usize, subscription: u64, message: Message) {
        if self.peers[peer].life != Life::Connected {
            return;
        }
        let delay = self.random.milliseconds(self.peers[peer].delay_milliseconds);
        let at = (Instant::now() + delay).max(self.peers[peer].down_until);
        self.peers[peer].down_until = at;
        self.schedule(peer, at, Action::Deliver { subscription, message });
    }

    fn arrive(&mut self, peer: usize, frame: Frame) {
        match frame {
            Frame::Subscribe { subscription, pattern, queue } => {
                let pattern = pattern.split('.').map(str::to_owned).collect();
                let (delivered, max) = (0, None);
                self.interests.push(Interest { peer, subscription, pattern, queue, delivered, max });
            }
            Frame::Unsubscribe { subscription, max } => {
                self.interests.retain_mut(|interest| {
                    if (interest.peer, interest.subscription) == (peer, subscription) {
                        interest.max = Some(max);
                    }
                    interest.max.is_none_or(|max| interest.delivered < max)
                });
            }
            Frame::Publish { subject, reply, headers, payload } => {
                self.route(subject, reply, headers, payload);
            }
        }
    }

    fn route(
        &mut self,
        subject: Subject,
        reply: Option<Subject>,
        headers: Option<HeaderMap>,
        payload: Bytes,
    ) {
        let mut receivers: Vec<(usize, u64)> = Vec::new();
        let mut queues: BTreeMap<&str, Vec<(usize, u64)>> = BTreeMap::new();
        for interest in self.interests.iter().filter(|interest| matches(&interest.pattern, &subject)) {
            let receiver = (interest.peer, interest.subscription);
            match &interest.queue {
                None => receivers.push(receiver),
                Some(queue) => queues.entry(queue).or_default().push(receiver),
            }
        }
        receivers.extend(queues.values().map(|members| members[self.random.index(members.len())]));
        let nobody = receivers.is_empty();
        self.interests.retain_mut(|interest| {
            interest.delivered += u64::from(receivers.contains(&(interest.peer, interest.subscription)));
            interest.max.is_none_or(|max| interest.delivered < max)
        });
        for byte in subject.bytes().chain(payload.iter().copied()) {
            self.fingerprint = (self.fingerprint ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        for (peer, subscription) in receivers {
            let message = message(subject.clone(), reply.clone(), headers.clone(), payload.clone(), None);
            self.send_down(peer, subscription, message);
        }
        if let (true, Some(reply)) = (nobody, reply) {
            let asker = self.interests.iter().find(|interest| matches(&interest.pattern, &reply));
            if let Some((peer, subscription)) = asker.map(|asker| (asker.peer, asker.subscription)) {
                let none = message(reply, None, None, Bytes::new(), Some(StatusCode::NO_RESPONDERS));
                self.send_down(peer, subscription, none);
            }
        }
    }

    fn come_back(&mut self, peer: usize) {
        let now = Instant::now();
        let found = &mut self.peers[peer];
        found.life = Life::Connected;
        found.connects += 1;
        (found.up_until, found.down_until) = (now, now);
        let mut subscriptions: Vec<Frame> = Vec::new();
        for (&subscription, local) in &found.local {
            let (pattern, queue) = (local.pattern.clone(), local.queue.clone());
            subscriptions.push(Frame::Subscribe { subscription, pattern, queue });
            let left = local.max.map(|max| max.saturating_sub(local.received));
            subscriptions.extend(left.map(|max| Frame::Unsubscribe { subscription, max }));
        }
        let buffer = std::mem::take(&mut found.buffer);
        // Subscriptions that were asked for while the connection was away are among the first already.
        let rest = buffer.into_iter().filter(|frame| !matches!(frame, Frame::Subscribe { .. }));
        for frame in subscriptions.into_iter().chain(rest) {
            self.send_up(peer, frame);
        }
    }
}

impl Peer {
    fn deliver(&mut self, subscription: u64, message: Message) {
        let Some(local) = self.local.get_mut(&subscription) else { return };
        local.received += 1;
        let last = local.max.is_some_and(|max| local.received >= max);
        let gone = local.sender.try_send(message).is_err();
        if last || gone {
            self.local.remove(&subscription);
        }
    }
}

fn message(
    subject: Subject,
    reply: Option<Subject>,
    headers: Option<HeaderMap>,
    payload: Bytes,
    status: Option<StatusCode>,
) -> Message {
    Message { length: payload.len(), subject, reply, payload, headers, status, description: None }
}

/// Whether a subscription's pattern takes a subject.
fn matches(pattern: &[String], subject: &str) -> bool {
    let mut parts = subject.split('.');
    for wanted in pattern {
        match (wanted.as_str(), parts.next()) {
            (">", Some(_)) => return true,
            ("*", Some(_)) => {}
            (wanted, Some(part)) if wanted == part => {}
            _ => return false,
        }
    }
    parts.next().is_none()
}

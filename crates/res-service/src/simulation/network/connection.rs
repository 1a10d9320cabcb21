//! A connection as the library and the simulated gateways hold it, and as a history breaks it.

use std::task::{Context, Poll};
use std::time::Duration;

use async_nats::{HeaderMap, Message, Subject};
use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{Action, Frame, Life, Local, Network, ORDINARY_DELAY_MILLISECONDS, QUEUE_CAPACITY, SILENCE_MAX};
use crate::error::BoxError;

#[derive(Clone)]
pub(crate) struct SimulatedConnection {
    pub(super) network: Network,
    pub(super) peer: usize,
}

impl SimulatedConnection {
    pub(crate) fn publish(
        &self,
        subject: Subject,
        reply: Option<Subject>,
        headers: Option<HeaderMap>,
        payload: Bytes,
    ) {
        let frame = Frame::Publish { subject, reply, headers, payload };
        self.network.change(|state| state.send_up(self.peer, frame));
    }

    pub(crate) fn subscribe(&self, pattern: &str, queue: Option<String>) -> SimulatedSubscription {
        let (sender, messages) = mpsc::channel(QUEUE_CAPACITY);
        let number = self.subscribe_into(pattern, queue, sender);
        SimulatedSubscription { connection: self.clone(), number, messages }
    }

    /// Everything that comes on these subjects, in the order in which it comes.
    pub(crate) fn subscribe_together(&self, patterns: &[&str]) -> mpsc::Receiver<Message> {
        let (sender, messages) = mpsc::channel(QUEUE_CAPACITY);
        for pattern in patterns {
            self.subscribe_into(pattern, None, sender.clone());
        }
        messages
    }

    fn subscribe_into(&self, pattern: &str, queue: Option<String>, sender: mpsc::Sender<Message>) -> u64 {
        let mut subscription = 0;
        self.network.change(|state| {
            state.number += 1;
            subscription = state.number;
            let (pattern, received, max) = (pattern.to_owned(), 0, None);
            let frame = Frame::Subscribe { subscription, pattern: pattern.clone(), queue: queue.clone() };
            let local = Local { pattern, queue, sender, received, max };
            state.peers[self.peer].local.insert(subscription, local);
            state.send_up(self.peer, frame);
        });
        subscription
    }

    pub(crate) async fn request(
        &self,
        subject: Subject,
        headers: Option<HeaderMap>,
        payload: Bytes,
        time_max: Duration,
    ) -> Result<Message, BoxError> {
        let inbox = self.new_inbox();
        let mut replies = self.subscribe(&inbox, None);
        self.publish(subject, Some(inbox.into()), headers, payload);
        match tokio::time::timeout(time_max, replies.next()).await {
            Ok(Some(reply)) if reply.status.is_none() => Ok(reply),
            Ok(_) => Err("no responders".into()),
            Err(_) => Err("timed out".into()),
        }
    }

    pub(crate) fn new_inbox(&self) -> String {
        let mut state = self.network.lock();
        let peer = &mut state.peers[self.peer];
        peer.inboxes += 1;
        format!("_INBOX.{}.{}", self.peer, peer.inboxes)
    }

    pub(crate) fn is_connected(&self) -> bool {
        // A silent connection looks alive from both ends.
        matches!(self.network.lock().peers[self.peer].life, Life::Connected | Life::Silent)
    }

    pub(crate) fn connects(&self) -> u64 {
        self.network.lock().peers[self.peer].connects
    }

    /// The connection breaks and is back after a while.
    pub(crate) fn break_for(&self, time: Duration) {
        self.network.change(|state| {
            let peer = &mut state.peers[self.peer];
            if peer.life != Life::Connected {
                return;
            }
            peer.life = Life::Away;
            peer.generation += 1;
            state.interests.retain(|interest| interest.peer != self.peer);
            state.schedule(self.peer, Instant::now() + time, Action::ComeBack);
        });
    }

    /// The process is gone. What it has sent arrives, and the broker knows.
    pub(crate) fn end(&self) {
        self.network.change(|state| {
            state.peers[self.peer].life = Life::Ended;
            state.interests.retain(|interest| interest.peer != self.peer);
        });
    }

    /// The machine is gone, or cut off: the broker finds out only after minutes.
    pub(crate) fn fall_silent(&self) {
        self.network.change(|state| {
            state.peers[self.peer].life = Life::Silent;
            state.schedule(self.peer, Instant::now() + SILENCE_MAX, Action::GiveUp);
        });
    }

    /// From now on each message may take so long.
    pub(crate) fn slow_down(&self, milliseconds_max: u64) {
        self.network.change(|state| {
            state.peers[self.peer].delay_milliseconds = milliseconds_max.max(ORDINARY_DELAY_MILLISECONDS);
        });
    }
}

pub(crate) struct SimulatedSubscription {
    connection: SimulatedConnection,
    number: u64,
    messages: mpsc::Receiver<Message>,
}

impl SimulatedSubscription {
    pub(crate) async fn next(&mut self) -> Option<Message> {
        self.messages.recv().await
    }

    pub(crate) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Message>> {
        self.messages.poll_recv(context)
    }

    pub(crate) fn unsubscribe_after(&mut self, max: u64) {
        let (peer, subscription) = (self.connection.peer, self.number);
        self.connection.network.change(|state| {
            if max == 0 {
                state.peers[peer].local.remove(&subscription);
            } else if let Some(local) = state.peers[peer].local.get_mut(&subscription) {
                local.max = Some(max);
            }
            state.send_up(peer, Frame::Unsubscribe { subscription, max });
        });
    }
}

impl Drop for SimulatedSubscription {
    fn drop(&mut self) {
        self.unsubscribe_after(0);
    }
}

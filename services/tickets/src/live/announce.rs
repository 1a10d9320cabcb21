//! Telling the owner of an event's live view what a commit changed.
//!
//! These messages are hints, not facts: they carry a section's `seq`, so the owner notices when one is missing.

use std::collections::BTreeMap;
use std::sync::Arc;

use livehouse_contract::id::EventId;
use livehouse_platform::stop::Tasks;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::catalogue::Catalogue;
use crate::domain::hold::{EventNumber, SectionNumber};
use crate::domain::world::World;

/// Subject of the changes of one event: `live.tickets.event.<event>`.
pub const EVENT_SUBJECT: &str = "live.tickets.event";

/// What one commit changed in one section or area.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SectionChange {
    /// The section or area.
    pub number: SectionNumber,
    /// Its `seq` after the commit.
    pub seq: i64,
    /// Its held seats or units after the commit.
    pub held: i32,
    /// Its sold seats or units after the commit.
    pub sold: i32,
    /// Changed seats and their letters.
    pub seats: Vec<(u32, char)>,
}

/// What one commit changed in one event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventChange {
    /// Its sections and areas that changed.
    pub sections: Vec<SectionChange>,
}

/// Commits whose announcements wait to be sent. When the connection takes no more, batches wait too.
const WAITING_MAX: usize = 64;

/// Sends announcements over NATS, beside the batches: the next one is decided meanwhile.
#[derive(Clone)]
pub struct Announcer {
    worlds: mpsc::Sender<World>,
}

impl Announcer {
    /// Announces over `client`, until all clones are dropped.
    #[must_use]
    pub fn start(client: async_nats::Client, catalogue: Arc<Catalogue>, tasks: &Tasks) -> Self {
        let (worlds, mut waiting) = mpsc::channel(WAITING_MAX);
        let voice = Voice { client };
        tasks.spawn("announcements", async move {
            while let Some(world) = waiting.recv().await {
                voice.announce(&catalogue, &world).await;
            }
        });
        Self { worlds }
    }

    /// Announces what a committed world changed. A failure is only noted: the owner finds the gap by itself.
    pub async fn announce(&self, world: World) {
        // The task ends with the process; what it did not announce the owner finds in the database.
        let _ended = self.worlds.send(world).await;
    }
}

struct Voice {
    client: async_nats::Client,
}

impl Voice {
    async fn announce(&self, catalogue: &Catalogue, world: &World) {
        for (event, change) in changes_of(catalogue, world) {
            self.send(format!("{EVENT_SUBJECT}.{event}"), &change).await;
        }
    }

    async fn send(&self, subject: String, message: &impl Serialize) {
        let sent = match serde_json::to_vec(message) {
            Ok(payload) => self.client.publish(subject, payload.into()).await.map_err(anyhow::Error::new),
            Err(error) => Err(anyhow::Error::new(error)),
        };
        if let Err(error) = sent {
            tracing::warn!(error = format!("{error:#}"), "a change could not be announced");
        }
    }
}

fn changes_of(catalogue: &Catalogue, world: &World) -> Vec<(EventId, EventChange)> {
    let mut seats: BTreeMap<(EventNumber, SectionNumber), Vec<(u32, char)>> = BTreeMap::new();
    for ((event, seat), (_, after)) in &world.changes.seats {
        let Some(place) = catalogue.numbered(*event).and_then(|event| event.layout.index.seat(*seat)) else {
            continue;
        };
        seats.entry((*event, place.section)).or_default().push((*seat, char::from(after.letter())));
    }
    let mut changes: BTreeMap<EventNumber, EventChange> = BTreeMap::new();
    for key in world.changes.sections.keys() {
        let Some(section) = world.sections.get(key) else { continue };
        let change = SectionChange {
            number: key.1,
            seq: section.seq + 1,
            held: section.held,
            sold: section.sold,
            seats: seats.remove(key).unwrap_or_default(),
        };
        changes.entry(key.0).or_insert_with(|| EventChange { sections: Vec::new() }).sections.push(change);
    }
    let named = |(number, change)| Some((catalogue.numbered(number)?.row.id, change));
    changes.into_iter().filter_map(named).collect()
}

//! What was told to the other services, read back from the stream and held against the database.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use async_nats::jetstream::consumer::{DeliverPolicy, pull};
use async_nats::jetstream::{self, stream};
use futures::StreamExt;
use livehouse_contract::fact::Fact;
use livehouse_contract::fact::tickets::{HoldsChanged, HoldsEnded, HoldsPlaced, HoldsSold};
use livehouse_contract::id::{EventId, HoldId};
use livehouse_contract::path::FACT_STREAM;
use livehouse_platform::bus::FACT_ID_HEADER;
use serde::de::DeserializeOwned;

use super::hall;
use super::stage::Stage;

/// What the facts say of one version of a hold.
#[derive(Debug, Clone)]
pub(crate) enum Said {
    /// It keeps these seats.
    Keeps(Vec<String>),
    /// It keeps nothing any more.
    Ended,
    /// These seats are sold.
    Sold(Vec<String>),
}

/// Everything that was told, once per fact.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// Messages in the stream.
    pub(crate) messages: usize,
    /// Facts that are in the stream more than once.
    pub(crate) repeated: usize,
    /// Hold -> version -> what was said. Several entries of one version mean that it was told by several facts.
    pub(crate) holds: HashMap<HoldId, BTreeMap<i64, Vec<(EventId, Said)>>>,
}

impl Told {
    /// Reads the stream from its beginning to its end.
    pub(crate) async fn read(client: &async_nats::Client) -> Self {
        let stream: stream::Stream = jetstream::new(client.clone()).get_stream(FACT_STREAM).await.unwrap();
        let config = pull::Config { deliver_policy: DeliverPolicy::All, ..Default::default() };
        let reader = stream.create_consumer(config).await.unwrap();
        let waiting = usize::try_from(reader.cached_info().num_pending).unwrap();
        let mut told = Self::default();
        let mut known = BTreeSet::new();
        while told.messages < waiting {
            let batch =
                reader.fetch().max_messages(500).expires(Duration::from_secs(5)).messages().await.unwrap();
            let messages: Vec<jetstream::Message> = batch.map(Result::unwrap).collect().await;
            assert!(!messages.is_empty(), "the stream gave {} of its {waiting} facts", told.messages);
            for message in messages {
                message.ack().await.unwrap();
                told.messages += 1;
                let id = message.headers.as_ref().unwrap().get(FACT_ID_HEADER).unwrap().to_string();
                if known.insert(id) {
                    told.take(message.subject.as_str(), &message.payload);
                } else {
                    told.repeated += 1;
                }
            }
        }
        told
    }

    fn take(&mut self, subject: &str, payload: &[u8]) {
        if let Some(fact) = fact::<HoldsPlaced>(subject, payload) {
            for hold in fact.holds {
                self.say(hold.hold, hold.version, fact.event, Said::Keeps(hold.seats));
            }
        } else if let Some(fact) = fact::<HoldsChanged>(subject, payload) {
            for hold in fact.holds {
                self.say(hold.hold, hold.version, fact.event, Said::Keeps(hold.seats));
            }
        } else if let Some(fact) = fact::<HoldsEnded>(subject, payload) {
            for hold in fact.holds {
                self.say(hold.hold, hold.version, fact.event, Said::Ended);
            }
        } else if let Some(fact) = fact::<HoldsSold>(subject, payload) {
            for sale in fact.sales {
                let seats = sale.tickets.into_iter().filter_map(|ticket| ticket.seat).collect();
                self.say(sale.hold, sale.version, fact.event, Said::Sold(seats));
            }
        }
    }

    fn say(&mut self, hold: HoldId, version: i64, event: EventId, said: Said) {
        self.holds.entry(hold).or_default().entry(version).or_default().push((event, said));
    }

    /// Every change of every hold was told once, and nothing was told that did not happen.
    pub(crate) async fn fits_the_database(&self, stage: &Stage) {
        let connection = stage.pool.get().await.unwrap();
        let rows = connection.query("select id, version from hold", &[]).await.unwrap();
        let kept: HashMap<HoldId, i64> =
            rows.iter().map(|row| (HoldId::from_uuid(row.get(0)), row.get(1))).collect();
        let mut wrong = Vec::new();
        for (hold, version) in &kept {
            let told: Vec<i64> =
                self.holds.get(hold).into_iter().flat_map(|told| told.keys().copied()).collect();
            let expected: Vec<i64> = (1..=*version).collect();
            if told != expected {
                wrong.push(format!("hold {hold} has version {version}; told were {told:?}"));
            }
        }
        let phantoms = self.holds.keys().filter(|hold| !kept.contains_key(hold));
        wrong.extend(phantoms.map(|hold| format!("hold {hold} was told of and is not in the database")));
        let twice = self.holds.iter().flat_map(|(hold, told)| {
            told.iter()
                .filter(|(_, said)| said.len() > 1)
                .map(move |(version, _)| format!("{hold} version {version} was told by two facts"))
        });
        wrong.extend(twice);
        let first: Vec<_> = wrong.iter().take(5).collect();
        assert!(
            wrong.is_empty(),
            "{} of {} holds were not told as they are: {first:#?}",
            wrong.len(),
            kept.len()
        );
    }

    /// The letters of an event's seats, rebuilt from nothing but facts.
    pub(crate) fn rebuilt_letters(&self, event: EventId) -> String {
        let mut letters = vec!['f'; hall::SECTIONS * hall::ROWS * hall::SEATS];
        let places: HashMap<String, usize> =
            (0..letters.len()).map(|place| (hall::seat_at(place), place)).collect();
        for told in self.holds.values() {
            let Some((of, said)) = told.last_key_value().and_then(|(_, said)| said.first()) else { continue };
            let (seats, letter) = match said {
                Said::Keeps(seats) => (seats.as_slice(), 'h'),
                Said::Sold(seats) => (seats.as_slice(), 's'),
                Said::Ended => (&[][..], 'f'),
            };
            for seat in seats.iter().filter(|_| *of == event) {
                letters[places[seat]] = letter;
            }
        }
        letters.into_iter().collect()
    }
}

fn fact<F: Fact + DeserializeOwned>(subject: &str, payload: &[u8]) -> Option<F> {
    (subject == F::SUBJECT).then(|| serde_json::from_slice(payload).unwrap())
}

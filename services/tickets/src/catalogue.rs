//! The events and layouts, in memory: what every call needs and what changes rarely.
//!
//! A batch checks the event's version under its locks, so a stale entry here can cost a second try but never a
//! wrong price.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use deadpool_postgres::Pool;
use jiff::{SignedDuration, Timestamp};
use livehouse_contract::id::EventId;
use livehouse_contract::line::Line;
use livehouse_contract::money::Money;

use crate::domain::hold::{EventNumber, Hold};
use crate::layout::IndexedLayout;
use crate::store::catalogue::{self as store, EventRow};

/// One event with its layout.
#[derive(Debug)]
pub struct Event {
    /// What the database says.
    pub row: EventRow,
    /// Its layout.
    pub layout: Arc<IndexedLayout>,
    /// Minor units by the layout's category number; nothing where the event has no price.
    prices: Vec<Option<i64>>,
}

impl Event {
    fn new(row: EventRow, layout: Arc<IndexedLayout>) -> Self {
        let categories = 0..layout.index.category_count();
        let prices = categories.map(|number| row.prices.get(layout.category_id(number)).copied()).collect();
        Self { row, layout, prices }
    }

    /// The price of a category, if this event sells it.
    #[must_use]
    pub fn price(&self, category: u16) -> Option<i64> {
        self.prices.get(usize::from(category)).copied().flatten()
    }

    fn money(&self, amount: i64) -> Money {
        Money::new(amount, self.row.currency)
    }

    /// What a hold costs, line by line.
    #[must_use]
    pub fn lines(&self, hold: &Hold) -> Vec<Line> {
        let layout = &self.layout;
        let seats = hold.seats.iter().map(|item| Line {
            seat: layout.index.seat_id(item.seat).map(str::to_owned),
            area: None,
            label: layout.seat_label(item.seat),
            category: layout.category_id(layout.seat_category(item.seat)).to_owned(),
            quantity: 1,
            unit_price: self.money(item.price),
            price: self.money(item.price),
        });
        let areas = hold.areas.iter().map(|item| Line {
            seat: None,
            area: Some(layout.section_id(item.area).to_owned()),
            label: layout.area_label(item.area).to_owned(),
            category: layout.category_id(layout.area_category(item.area)).to_owned(),
            quantity: item.units,
            unit_price: self.money(item.price),
            price: self.money(item.price * i64::from(item.units)),
        });
        seats.chain(areas).collect()
    }

    /// What a hold costs in all.
    #[must_use]
    pub fn total(&self, hold: &Hold) -> Money {
        self.money(hold.total())
    }
}

#[derive(Debug, Default)]
struct State {
    by_id: HashMap<EventId, Arc<Event>>,
    by_number: BTreeMap<EventNumber, Arc<Event>>,
    clock: Option<(Timestamp, Instant)>,
}

/// Time between two readings, whoever asks for them.
const RELOAD_INTERVAL: Duration = Duration::from_millis(50);

/// All events and the layouts that they use.
pub struct Catalogue {
    pool: Pool,
    state: RwLock<State>,
    /// When the last reading that succeeded began.
    reloading: tokio::sync::Mutex<Option<Instant>>,
}

impl Catalogue {
    /// An empty catalogue over this database; [`Catalogue::reload`] fills it.
    #[must_use]
    pub fn new(pool: Pool) -> Self {
        Self { pool, state: RwLock::default(), reloading: tokio::sync::Mutex::default() }
    }

    /// The event of this id.
    #[must_use]
    pub fn event(&self, id: EventId) -> Option<Arc<Event>> {
        self.state.read().unwrap_or_else(PoisonError::into_inner).by_id.get(&id).cloned()
    }

    /// The event of this number.
    #[must_use]
    pub fn numbered(&self, number: EventNumber) -> Option<Arc<Event>> {
        self.state.read().unwrap_or_else(PoisonError::into_inner).by_number.get(&number).cloned()
    }

    /// All events.
    #[must_use]
    pub fn events(&self) -> Vec<Arc<Event>> {
        self.state.read().unwrap_or_else(PoisonError::into_inner).by_number.values().cloned().collect()
    }

    /// The database's clock, as far as it is known here: for showing, and for choosing between refusals; never
    /// for giving.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match self.state.read().unwrap_or_else(PoisonError::into_inner).clock {
            Some((timestamp, read)) => {
                timestamp + SignedDuration::try_from(read.elapsed()).unwrap_or_default()
            }
            None => Timestamp::now(),
        }
    }

    /// Reads what has changed since the last time.
    pub async fn reload(&self) -> anyhow::Result<()> {
        let asked = Instant::now();
        let mut last = self.reloading.lock().await;
        // Whoever waited while another began to read has what it wanted; and strangers who ask for events that do not
        // exist must not keep the database busy.
        if let Some(began) = *last {
            if began >= asked {
                return Ok(());
            }
            tokio::time::sleep(RELOAD_INTERVAL.saturating_sub(began.elapsed())).await;
        }
        let began = Instant::now();
        let (now, versions) = store::versions(&self.pool).await?;
        let read = Instant::now();
        let known: HashMap<EventNumber, i64> =
            self.events().iter().map(|event| (event.row.number, event.row.rules.version)).collect();
        let stale: Vec<EventNumber> = versions
            .iter()
            .filter(|(number, version)| known.get(number) != Some(version))
            .map(|pair| pair.0)
            .collect();
        let mut loaded = Vec::with_capacity(stale.len());
        if !stale.is_empty() {
            let mut layouts: HashMap<String, Arc<IndexedLayout>> =
                self.events().iter().map(|event| (event.row.layout.clone(), event.layout.clone())).collect();
            for row in store::events(&self.pool, &stale).await? {
                let layout = match layouts.get(&row.layout) {
                    Some(layout) => layout.clone(),
                    None => Arc::new(IndexedLayout::new(&store::layout(&self.pool, &row.layout).await?)?),
                };
                layouts.insert(row.layout.clone(), layout.clone());
                loaded.push(Arc::new(Event::new(row, layout)));
            }
        }
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.clock = Some((now, read));
        for event in loaded {
            state.by_id.insert(event.row.id, event.clone());
            state.by_number.insert(event.row.number, event);
        }
        *last = Some(began);
        Ok(())
    }
}

//! When an event can be bought, and how much of it.

use jiff::Timestamp;

/// What the organizer has set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Set {
    /// Nobody sees it.
    Draft,
    /// Everybody sees it, and it is sold while its window is open.
    Published,
    /// Seen but not sold for now.
    Paused,
    /// Will not take place.
    Cancelled,
}

impl Set {
    /// The word in the database.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Published => "published",
            Self::Paused => "paused",
            Self::Cancelled => "cancelled",
        }
    }

    /// What a word in the database stands for.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Draft, Self::Published, Self::Paused, Self::Cancelled]
            .into_iter()
            .find(|set| set.word() == word)
    }
}

/// The rules of one event's sale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// What the organizer has set.
    pub set: Set,
    /// When the sale opens.
    pub on_sale_at: Timestamp,
    /// When it closes.
    pub off_sale_at: Timestamp,
    /// When the concert begins.
    pub starts_at: Timestamp,
    /// How long a hold keeps its seats.
    pub hold_seconds: u32,
    /// How long a hold may last with all its extensions.
    pub hold_seconds_max: u32,
    /// Seats and units of one hold.
    pub seats_per_hold_max: u32,
    /// Seats and units of one buyer, held and bought.
    pub seats_per_buyer_max: u32,
    /// Rises with every change of the event, its prices included.
    pub version: i64,
}

impl Rules {
    /// Can seats be held at `now`?
    #[must_use]
    pub fn is_on_sale(&self, now: Timestamp) -> bool {
        self.set == Set::Published && self.on_sale_at <= now && now < self.off_sale_at
    }

    /// The event's status in the public surface, at `now`; `free` is what is left to hold.
    #[must_use]
    pub fn status(&self, now: Timestamp, free: Option<u64>) -> &'static str {
        match self.set {
            Set::Draft => "draft",
            Set::Cancelled => "cancelled",
            _ if self.starts_at <= now || self.off_sale_at <= now => "past",
            Set::Paused => "paused",
            Set::Published if now < self.on_sale_at => "published",
            Set::Published if free == Some(0) => "sold_out",
            Set::Published => "on_sale",
        }
    }
}

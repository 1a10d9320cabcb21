//! The life of an order: pure rules, without clock, database or network.

use serde::Serialize;

/// Where an order is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Asked for; its hold is not bound to it yet.
    Created,
    /// Its hold is bound to it and waits for the money.
    AwaitingPayment,
    /// Paid, or free of charge.
    Paid,
    /// The money went back.
    Refunded,
    /// Its time ran out.
    Expired,
    /// Its buyer let it go.
    Cancelled,
}

/// What can happen to an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Happening {
    /// Its hold was bound to it, and there is something to pay.
    HoldClaimed,
    /// Its hold was bound to it, and there is nothing to pay.
    HoldClaimedFree,
    /// Its buyer cancels it.
    Cancelled,
    /// Its hold ran out, or its own time did.
    TimeOver,
    /// Its hold was let go.
    HoldReleased,
    /// Its seats became tickets.
    SeatsSold,
    /// Its seats were somebody else's by the time it was paid.
    SaleRefused,
}

/// What a happening leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The order changes its state.
    To(State),
    /// Nothing changes: it is there already, or it came too late to matter.
    Stay,
    /// It is not allowed.
    Refuse,
}

impl State {
    /// All states.
    pub const ALL: [Self; 6] =
        [Self::Created, Self::AwaitingPayment, Self::Paid, Self::Refunded, Self::Expired, Self::Cancelled];

    /// The word in the database and in the public surface.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::AwaitingPayment => "awaiting_payment",
            Self::Paid => "paid",
            Self::Refunded => "refunded",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
        }
    }

    /// The state that a word in the database stands for.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }

    /// The table of transitions: the only place that says what leads where.
    ///
    /// Facts may come twice and in any order, so whatever says again what is known, or comes after the end, stays.
    /// A paid order is left only through a refund.
    #[must_use]
    pub const fn next(self, happening: Happening) -> Next {
        use Happening::{
            Cancelled, HoldClaimed, HoldClaimedFree, HoldReleased, SaleRefused, SeatsSold, TimeOver,
        };
        match (self, happening) {
            (Self::Created, HoldClaimed) => Next::To(Self::AwaitingPayment),
            (Self::Created, HoldClaimedFree) => Next::To(Self::Paid),
            (Self::Created | Self::AwaitingPayment, TimeOver) => Next::To(Self::Expired),
            (Self::Created | Self::AwaitingPayment, HoldReleased) => Next::To(Self::Cancelled),
            (Self::AwaitingPayment, Cancelled) => Next::To(Self::Cancelled),
            (Self::Paid, SaleRefused) => Next::To(Self::Refunded),
            (Self::Cancelled, Cancelled) => Next::Stay,
            (_, Cancelled) => Next::Refuse,
            (_, HoldClaimed | HoldClaimedFree | TimeOver | HoldReleased | SeatsSold | SaleRefused) => {
                Next::Stay
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Happening::{
        Cancelled, HoldClaimed, HoldClaimedFree, HoldReleased, SaleRefused, SeatsSold, TimeOver,
    };
    use proptest::prelude::*;

    const HAPPENINGS: [Happening; 7] =
        [HoldClaimed, HoldClaimedFree, Cancelled, TimeOver, HoldReleased, SeatsSold, SaleRefused];

    #[test]
    fn h09_a_paid_order_is_left_only_through_a_refund() {
        for happening in HAPPENINGS {
            let expected = match happening {
                SaleRefused => Next::To(State::Refunded),
                Cancelled => Next::Refuse,
                _ => Next::Stay,
            };
            assert_eq!(State::Paid.next(happening), expected, "{happening:?}");
        }
    }

    #[test]
    fn an_ended_order_never_comes_back() {
        for state in [State::Refunded, State::Expired, State::Cancelled] {
            for happening in HAPPENINGS {
                assert!(!matches!(state.next(happening), Next::To(_)), "{state:?} after {happening:?}");
            }
        }
    }

    proptest! {
        /// H-33: every fact run twice leaves the same state.
        #[test]
        fn h33_a_repeated_happening_changes_nothing(choices in proptest::collection::vec(0_usize..7, 0..20)) {
            let step = |state: State, happening| match state.next(happening) {
                Next::To(next) => next,
                Next::Stay | Next::Refuse => state,
            };
            let once = choices.iter().fold(State::Created, |state, choice| step(state, HAPPENINGS[*choice]));
            let twice = choices.iter().fold(State::Created, |state, choice| {
                step(step(state, HAPPENINGS[*choice]), HAPPENINGS[*choice])
            });
            prop_assert_eq!(once, twice);
        }
    }

    #[test]
    fn every_state_has_a_word_of_its_own() {
        for state in State::ALL {
            assert_eq!(State::from_word(state.word()), Some(state));
        }
    }
}

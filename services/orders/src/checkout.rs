//! What orders do: made from a hold, cancelled, and moved on by what other services tell.

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Pool, Transaction};
use livehouse_contract::fact::orders::{OrderClosed, OrderEnd, OrderPaid};
use livehouse_contract::id::{BuyerId, OrderId};
use livehouse_contract::request::{CLAIM_HOLD, ClaimHold, ClaimHoldAnswer, ClaimedHold};
use livehouse_platform::bus::outbox::{Bell, Facts};
use livehouse_platform::telemetry;
use tracing::Instrument as _;
use tracing::field::Empty;

use crate::domain::{Happening, Next, State};
use crate::live::{self, Changed};
use crate::store::order::{self as store, NewOrder, Order};

/// The tickets service has this long to bind a hold; the gateway gives up at three seconds.
const CLAIM_DEADLINE: Duration = Duration::from_millis(2_500);

/// Why an order was not made or not changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The hold has ended, is another buyer's, or has an order already.
    #[error("the hold is not active")]
    HoldNotActive,
    /// The key was used for another request.
    #[error("the key was used for another request")]
    KeyReused,
    /// The order is not in a state to be cancelled.
    #[error("the order is {} and cannot be cancelled", .0.word())]
    NotCancellable(State),
    /// Too much is waiting, or the tickets service is away. Asking again with the same key is safe.
    #[error("too much is waiting")]
    Busy,
    /// There is no such order, or it is another buyer's.
    #[error("there is no such order")]
    NotFound,
    /// Something broke.
    #[error(transparent)]
    Internal(#[from] anyhow::Error),
}

impl From<tokio_postgres::Error> for Error {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Internal(error.into())
    }
}

impl From<deadpool_postgres::PoolError> for Error {
    fn from(error: deadpool_postgres::PoolError) -> Self {
        Self::Internal(error.into())
    }
}

/// The orders of this service. Cheap to clone.
#[derive(Clone)]
pub struct Checkout {
    /// The database.
    pub pool: Pool,
    /// The bus.
    pub client: async_nats::Client,
    /// Rings the relay.
    pub bell: Bell,
}

impl Checkout {
    /// Makes an order from a hold; the same request again answers the same order.
    pub async fn place(&self, wanted: &NewOrder) -> Result<Order, Error> {
        let order = store::insert(&self.pool, wanted).await?;
        if order.fingerprint != wanted.fingerprint {
            return Err(Error::KeyReused);
        }
        if order.state != State::Created {
            return Ok(order);
        }
        match self.claim(&order).await? {
            ClaimHoldAnswer::Claimed(hold) => self.take_over(&order, &hold).await,
            ClaimHoldAnswer::NotActive => {
                store::forget(&self.pool, order.id).await?;
                Err(Error::HoldNotActive)
            }
            ClaimHoldAnswer::Busy => Err(Error::Busy),
        }
    }

    async fn claim(&self, order: &Order) -> Result<ClaimHoldAnswer, Error> {
        let claim = ClaimHold { hold: order.hold, buyer: order.buyer, order: order.id };
        let payload = serde_json::to_vec(&claim).map_err(anyhow::Error::new)?;
        let span =
            tracing::debug_span!("claim", otel.kind = "client", hold.id = %order.hold, trace_id = Empty);
        let span = telemetry::identified(span);
        let mut headers = async_nats::HeaderMap::new();
        telemetry::into_headers(&span, &mut headers);
        let request =
            async_nats::Request::new().headers(headers).payload(payload.into()).timeout(Some(CLAIM_DEADLINE));
        match self.client.send_request(CLAIM_HOLD, request).instrument(span).await {
            Ok(answer) => Ok(serde_json::from_slice(&answer.payload).map_err(anyhow::Error::new)?),
            Err(error) => {
                tracing::warn!(%error, order.id = %order.id, "the tickets service did not answer a claim");
                Err(Error::Busy)
            }
        }
    }

    /// The hold is bound: the order waits for its money, or is paid if there is nothing to pay.
    async fn take_over(&self, order: &Order, hold: &ClaimedHold) -> Result<Order, Error> {
        let happening =
            if hold.total.is_zero() { Happening::HoldClaimedFree } else { Happening::HoldClaimed };
        let mut connection = self.pool.get().await?;
        let transaction = connection.transaction().await?;
        let locked = store::lock(&transaction, order.id).await?.ok_or(Error::HoldNotActive)?;
        // Anything but a move: somebody else finished it, or its hold has ended meanwhile.
        if let Next::To(state) = locked.state.next(happening) {
            store::claim(&transaction, order.id, state, hold).await?;
            let mut facts = Facts::default();
            if state == State::Paid {
                let paid =
                    OrderPaid { order: order.id, hold: order.hold, event: hold.event, buyer: order.buyer };
                facts.push(&paid).map_err(anyhow::Error::new)?;
            }
            facts.write(&transaction).await?;
        }
        transaction.commit().await?;
        drop(connection);
        self.changed(order).await;
        store::load(&self.pool, order.id).await?.ok_or(Error::NotFound)
    }

    /// Cancels an order that awaits its payment; its seats are let go by the fact.
    pub async fn cancel(&self, id: OrderId, buyer: BuyerId) -> Result<(), Error> {
        let mut connection = self.pool.get().await?;
        let transaction = connection.transaction().await?;
        let order = store::lock(&transaction, id)
            .await?
            .filter(|order| order.buyer == buyer)
            .ok_or(Error::NotFound)?;
        match order.state.next(Happening::Cancelled) {
            Next::Refuse => return Err(Error::NotCancellable(order.state)),
            Next::Stay => return Ok(()),
            Next::To(state) => self.close(&transaction, &order, state, OrderEnd::Cancelled).await?,
        }
        transaction.commit().await?;
        self.changed(&order).await;
        Ok(())
    }

    /// Ends an order whose time is over and whose hold's end was never told.
    ///
    /// The tickets service is asked first: the hold may have been extended by a fact that is still on its way. Without
    /// its answer ([`Error::Busy`]) nothing is decided, for nobody else knows whose the seats are.
    pub async fn expire(&self, id: OrderId) -> Result<(), Error> {
        let Some(order) = store::load(&self.pool, id).await? else { return Ok(()) };
        let hold = match self.claim(&order).await? {
            ClaimHoldAnswer::Claimed(hold) => Some(hold),
            ClaimHoldAnswer::NotActive => None,
            ClaimHoldAnswer::Busy => return Err(Error::Busy),
        };
        let mut connection = self.pool.get().await?;
        let transaction = connection.transaction().await?;
        let Some(order) = store::lock(&transaction, id).await? else { return Ok(()) };
        let is_extended = match hold {
            Some(hold) => store::extend(&transaction, id, hold.expires_at, hold.version).await?,
            None => false,
        };
        // With a time that was not known here the next look decides, by the database's clock.
        if !is_extended {
            let Next::To(state) = order.state.next(Happening::TimeOver) else { return Ok(()) };
            self.close(&transaction, &order, state, OrderEnd::Expired).await?;
        }
        transaction.commit().await?;
        self.changed(&order).await;
        Ok(())
    }

    async fn close(
        &self,
        transaction: &Transaction<'_>,
        order: &Order,
        to: State,
        reason: OrderEnd,
    ) -> anyhow::Result<()> {
        store::move_to(transaction, order, to).await?;
        let mut facts = Facts::default();
        if let Some(event) = order.event {
            facts.push(&OrderClosed { order: order.id, hold: order.hold, event, reason })?;
        }
        facts.write(transaction).await?;
        Ok(())
    }

    /// Moves an order on because of what another service told. Answers the order if it changed.
    pub async fn happened(
        &self,
        transaction: &Transaction<'_>,
        id: OrderId,
        happening: Happening,
    ) -> anyhow::Result<Option<Order>> {
        let Some(order) = store::lock(transaction, id).await? else { return Ok(None) };
        match order.state.next(happening) {
            Next::To(state) => {
                store::move_to(transaction, &order, state).await?;
                Ok(Some(order))
            }
            Next::Stay | Next::Refuse => Ok(None),
        }
    }

    /// After a commit: facts leave, and the live view is told.
    pub async fn changed(&self, order: &Order) {
        self.bell.ring();
        live::announce(&self.client, Changed { order: order.id, buyer: order.buyer }).await;
    }
}

/// What handlers share.
pub type Shared = Arc<Checkout>;
